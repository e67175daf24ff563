"""torch's autograd: a function with a given gradient, and the gradients of other functions."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

from l1_any._typing import Array

from .differentiation import NotConnectedError

T = TypeVar("T")


class TiedInEagerMode(torch.autograd.Function):  # type: ignore[misc]
    """As `Tied`, in the form without `setup_context`.

    torch calls it 35 microseconds faster, because it does not inspect the signature of `forward`. It raises
    RuntimeError inside a transformation of `torch.func`.
    """

    @staticmethod
    def forward(ctx: Any, value: Callable[..., tuple[Array, ...]], *inputs: Any) -> tuple[Array, ...]:
        """Return the tuple ``value(*arrays)``. Only its first item has a gradient."""
        output = value(*inputs[2:])
        Tied.setup_context(ctx, (value, *inputs), output)
        return output

    @staticmethod
    def backward(ctx: Any, g: Array, *_: Array) -> tuple[Array | None, ...]:
        """Return ``gradient(g, *arrays)`` for the first arrays, and nothing for the constants."""
        return Tied.backward(ctx, g)


class Tied(torch.autograd.Function):  # type: ignore[misc]
    """An autograd function that is made of a function for the value and a function for the gradient.

    The form with `setup_context` also works with the transformations of `torch.func`.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(
        value: Callable[..., tuple[Array, ...]],
        gradient: Callable[..., Sequence[Array]],
        count: int,
        *arrays: Array | None,
    ) -> tuple[Array, ...]:
        """Return the tuple ``value(*arrays)``. Only its first item has a gradient."""
        del gradient, count
        return value(*arrays)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Array, ...]) -> None:
        """Keep the arrays for the backward pass."""
        _, ctx.gradient, ctx.count, *arrays = inputs
        ctx.save_for_backward(*arrays)
        ctx.mark_non_differentiable(*output[1:])

    @staticmethod
    def backward(ctx: Any, g: Array, *_: Array) -> tuple[Array | None, ...]:
        """Return ``gradient(g, *arrays)`` for the first arrays, and nothing for the constants."""
        arrays = ctx.saved_tensors
        constants = [None] * (len(arrays) - ctx.count)
        return (None, None, None, *ctx.gradient(g, *arrays), *constants)


def inputs(arrays: Sequence[Array]) -> list[Array]:
    """Return tensors that record the operations on them. The caller's own tensors are not changed.

    A tensor that was made under `torch.inference_mode` can never require a gradient, so it is copied.
    """
    return [x if x.requires_grad else _constant(x).requires_grad_() for x in arrays]


def gradient(value: Array, arrays: Sequence[Array]) -> list[Array]:
    """Return the gradient of a recorded value. Its graph is kept for the caller's own backward pass."""
    if not value.requires_grad:
        raise NotConnectedError
    found = torch.autograd.grad(value, list(arrays), retain_graph=True, allow_unused=True)
    if all(g is None for g in found):
        raise NotConnectedError
    return [torch.zeros_like(x) if g is None else g for g, x in zip(found, arrays, strict=True)]


def without_inputs(value: Array, arrays: Sequence[Array], originals: Sequence[Array]) -> Array:
    """Return a value without the part of its graph that the caller did not ask for."""
    ours = {id(x) for x, original in zip(arrays, originals, strict=True) if x is not original}
    wanted = torch.is_grad_enabled() and (not ours or _leaves_of(value) - ours)
    return value if wanted else value.detach()


def value_and_gradient(
    function: Callable[[list[Array]], tuple[Array, T]],
    arrays: Sequence[Array],
    is_traced: Callable[[Array], bool],
) -> tuple[Array, T, list[Array]]:
    """Return value, auxiliary output and gradient of ``function(arrays)``, by torch.func."""

    def checked(*arrays: Array) -> tuple[Array, T]:
        value, aux = function(list(arrays))
        if type(value) is not type(arrays[0]) or not is_traced(value):
            raise NotConnectedError
        return value, aux

    value, pull_back, aux = torch.func.vjp(checked, *arrays, has_aux=True)
    return value, aux, list(pull_back(torch.ones_like(value)))


def _constant(x: Array) -> Array:
    return x.clone() if x.is_inference() else x.detach()


def _leaves_of(value: Array) -> set[int]:
    """Return the ids of the tensors that get a gradient in a backward pass from `value`."""
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
