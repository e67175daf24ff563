"""Automatic differentiation: ties a value to the gradient that we give for it, and asks for that of others.

`_formula.differentiable_abs` has the right derivative under every transformation. Left are two that would be
slow: torch's eager autograd, for which a graph of elementwise nodes would keep temporaries of the array's size,
and JAX's, which would transpose each cut of a sum by a tree.
"""

import contextlib
import contextvars
import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from . import _array
from ._typing import Array

T = TypeVar("T")


def tied(
    value: Callable[..., Any], gradient: Callable[..., Array], x: Array, *constants: Array | None
) -> Any:
    """Return ``value(x, *constants)``, whose gradient with respect to x is ``gradient(g, x, *constants)``.

    Of several arrays the gradient is that of the first, and the others are constants.
    """
    return _torch_function().apply(value, gradient, x, *constants)


def tied_to_sum(value: Callable[..., Array], simple: Callable[..., Array], *arrays: Array | None) -> Array:
    """Return ``value(*arrays)`` of JAX arrays, with the derivative of ``simple(*arrays)``.

    That is the same sum, but added up as XLA likes: so are tangents in forward mode.
    """
    jax = sys.modules["jax"]
    tied = jax.custom_jvp(value)

    def derivative(
        primals: tuple[Array | None, ...], tangents: tuple[Array | None, ...]
    ) -> tuple[Array, Array]:
        still = (type(None), jax.custom_derivatives.SymbolicZero)  # a tangent of 0 times |x| = inf were NaN
        moving = [i for i, tangent in enumerate(tangents) if not isinstance(tangent, still)]

        def of_moving(*own: Array) -> Array:
            given = dict(zip(moving, own, strict=True))
            return simple(*(given.get(i, a) for i, a in enumerate(primals)))

        own, directions = ([of[i] for i in moving] for of in (primals, tangents))
        return tied(*primals), jax.jvp(of_moving, own, directions)[1]

    tied.defjvp(derivative, symbolic_zeros=True)
    return tied(*arrays)


@functools.cache
def _torch_function() -> Any:
    torch = sys.modules["torch"]

    class Tied(torch.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(
            ctx: Any,
            value: Callable[..., Any],
            gradient: Callable[..., Array],
            x: Array,
            *constants: Array | None,
        ) -> Any:
            ctx.gradient = gradient
            ctx.save_for_backward(x, *constants)
            out = value(x, *constants)
            if isinstance(out, tuple):
                ctx.mark_non_differentiable(*out[1:])
            return out

        @staticmethod
        def backward(ctx: Any, g: Array, *_: Array) -> tuple[Array | None, ...]:
            x, *constants = ctx.saved_tensors
            return (None, None, ctx.gradient(g, x, *constants), *(None for _ in constants))

    return Tied


def is_transformed(x: Array) -> bool:
    """Whether the library derives functions by transforming them alone, at any time."""
    return _array.autodiff(x) == "jax"


class NotConnectedError(ValueError):
    """A value that automatic differentiation cannot trace back to the arrays that it was made of."""


def is_available(x: Array) -> bool:
    """Whether the library of x differentiates functions of it."""
    return _array.autodiff(x) is not None


def by_graph(x: Array) -> bool:
    """Whether torch records what is done to x, so that no function need be transformed."""
    return _array.autodiff(x) == "torch" and not _array.is_traced(x)


def inputs(arrays: Sequence[Array]) -> list[Array]:
    """Return tensors that record what is done to them; the caller's own are left as they are."""
    return [x if x.requires_grad else x.detach().requires_grad_() for x in arrays]


def recording() -> contextlib.AbstractContextManager[Any]:
    """Return the context in which torch records, whatever the caller's mode is."""
    return sys.modules["torch"].enable_grad()  # type: ignore[no-any-return]


def recorded_gradient(value: Array, arrays: Sequence[Array]) -> list[Array]:
    """Return the gradient of a recorded value; its graph stays whole for the caller's own backward pass."""
    torch = sys.modules["torch"]
    if not value.requires_grad:
        raise NotConnectedError
    found = torch.autograd.grad(value, list(arrays), retain_graph=True, allow_unused=True)
    if all(g is None for g in found):
        raise NotConnectedError
    return [torch.zeros_like(x) if g is None else g for g, x in zip(found, arrays, strict=True)]


def unrecorded(value: Array, arrays: Sequence[Array], originals: Sequence[Array]) -> Array:
    """Return a value without the part of its graph that the caller did not ask for."""
    torch = sys.modules["torch"]
    ours = {id(x) for x, original in zip(arrays, originals, strict=True) if x is not original}
    wanted = torch.is_grad_enabled() and (not ours or _leaves_of(value) - ours)
    return value if wanted else value.detach()


def transformed_gradient(
    function: Callable[[list[Array]], tuple[Array, T]], arrays: Sequence[Array]
) -> tuple[Array, T, list[Array]]:
    """Return value, auxiliary output and gradient of ``function(arrays)``, from one forward pass."""
    vjp = sys.modules["jax"].vjp if _array.autodiff(arrays[0]) == "jax" else sys.modules["torch"].func.vjp

    def checked(*arrays: Array) -> tuple[Array, T]:
        value, aux = function(list(arrays))
        if type(value) is not type(arrays[0]) or not _array.is_traced(value):
            raise NotConnectedError
        return value, aux

    value, pull_back, aux = vjp(checked, *arrays, has_aux=True)
    one = _array.full((), 1, value.dtype, value, _array.namespace(value))
    return value, aux, list(pull_back(one))


def carried(function: Callable[[], T], like: Array) -> Callable[[], T]:
    """Return the function, to be called in another thread with the context and gradient mode of this one."""
    context = contextvars.copy_context()
    if _array.autodiff(like) != "torch":
        return functools.partial(context.run, function)
    torch = sys.modules["torch"]
    mode = torch.is_grad_enabled()

    def run() -> T:
        with torch.set_grad_enabled(mode):
            return context.run(function)

    return run


def _leaves_of(value: Array) -> set[int]:
    """Return the ids of the tensors that a backward pass from here would add gradients to."""
    found, seen, todo = set(), set(), [value.grad_fn]
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.add(id(node.variable))
        todo.extend(parent for parent, _ in node.next_functions)
    return found
