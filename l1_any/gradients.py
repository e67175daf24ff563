"""The value of a loss together with its gradient with respect to the log-probabilities, and norms of such."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from . import _array, _autodiff, _checks, _reduce, _tree, terms
from ._reduce import Leaf
from ._typing import Array, Namespace
from .data import Batch
from .regularizers import L1Regularizer, SoftL1Regularizer

Gradient = list[Array]


class Evaluation(NamedTuple):
    """What one call of a loss gave."""

    value: Array
    metrics: dict[str, Any]
    gradient: Gradient | None = None
    norm: Array | None = None
    seconds: float = 0.0


def evaluate(loss: Any, name: str, batch: Batch, *, gradient: bool, norm: bool) -> Evaluation:  # noqa: ANN401
    """Call a loss once; its gradient is the one it states, else that of automatic differentiation."""
    start = _now(batch)
    found = None
    with terms.named(name):
        if not gradient or _states_gradient(loss):
            value, metrics = _called(loss, name, batch, batch.logprobs)
        elif not _autodiff.is_available(batch.arrays[0]):
            raise _no_gradient(name, f"{batch.xp.__name__} has no automatic differentiation")
        elif _autodiff.by_graph(batch.arrays[0]):
            arrays = _autodiff.inputs(batch.arrays)
            with _autodiff.recording():
                value, metrics = _called(loss, name, batch, _tree.unflatten(batch.structure, arrays))
            value, found = _from_graph(value, arrays, name, batch)
        else:
            value, metrics, found = _from_transformation(loss, name, batch)
        return _evaluation(loss, name, batch, value, metrics, found, start, gradient=gradient, norm=norm)


async def evaluate_async(
    loss: Any,  # noqa: ANN401
    name: str,
    batch: Batch,
    *,
    gradient: bool,
    norm: bool,
) -> Evaluation:
    """Await a loss, and find its gradient as `evaluate` does; JAX cannot transform a coroutine."""
    start = _now(batch)
    found = None
    with terms.named(name):
        if not gradient or _states_gradient(loss):
            result = await terms.compute(loss)(_data(loss, batch), batch.logprobs)
            value, metrics = terms.checked(result, name, batch)
        elif not _autodiff.by_graph(batch.arrays[0]):
            raise _no_gradient(name, f"{batch.xp.__name__} cannot differentiate a coroutine")
        else:  # the caller's gradient mode stays: a context of ours would reach what else the loop runs
            arrays = _autodiff.inputs(batch.arrays)
            result = await terms.compute(loss)(batch.data, _tree.unflatten(batch.structure, arrays))
            value, metrics = terms.checked(result, name, batch)
            value, found = _from_graph(value, arrays, name, batch)
        return _evaluation(loss, name, batch, value, metrics, found, start, gradient=gradient, norm=norm)


def norm_of(gradient: Gradient, xp: Namespace) -> Array:
    """‖g‖₂ over all its arrays."""
    return _reduce.norm([Leaf(g) for g in gradient], mean=False, xp=xp)


def cosine(a: Gradient, b: Gradient, norm_a: Array, norm_b: Array, xp: Namespace) -> Array:
    """⟨a, b⟩ / (‖a‖‖b‖), NaN where one of them is zero."""
    dot = _reduce.dot([Leaf(x, None, y) for x, y in zip(a, b, strict=True)], xp=xp)
    both = _array.widest(norm_a, xp) * _array.widest(norm_b, xp)
    some = both > _array.zero(both, xp)
    nan = _array.full((), float("nan"), dot.dtype, dot, xp)
    ratio = xp.where(some, dot / xp.where(some, both, xp.ones_like(both)), nan)
    return _array.as_array(xp.astype(ratio, norm_a.dtype, copy=False))


def combined(gradients: Sequence[tuple[Array | float, Gradient]], batch: Batch) -> Gradient:
    """Σ weight·gradient, in the precision of results and rounded once to that of the log-probabilities."""
    xp, out = batch.xp, []
    for i, lp in enumerate(batch.arrays):
        dtype = _array.result_dtype(lp, xp)
        total = None
        for weight, gradient in gradients:
            g = xp.astype(gradient[i], dtype, copy=False)
            g = scaled(weight, g, xp)
            total = g if total is None else total + g
        out.append(_array.as_array(xp.astype(total, lp.dtype, copy=False)))
    return out


def scaled(weight: Array | float, x: Array, xp: Namespace) -> Array:
    """weight·x in the dtype of x."""
    factor = weight if isinstance(weight, float) else xp.astype(_array.as_array(weight), x.dtype)
    return _array.as_array(x * factor)


def _called(loss: Any, name: str, batch: Batch, logprobs: Any) -> tuple[Array, dict[str, Any]]:  # noqa: ANN401
    return terms.checked(terms.compute(loss)(_data(loss, batch), logprobs), name, batch)


def _data(loss: Any, batch: Batch) -> Any:  # noqa: ANN401
    """Return the data as given, or to our own regularizers with the fields that were read before."""
    return batch if type(loss) in {L1Regularizer, SoftL1Regularizer} else batch.data


def _states_gradient(loss: Any) -> bool:  # noqa: ANN401
    return callable(getattr(loss, "subgradient", None))


def _evaluation(
    loss: Any,  # noqa: ANN401
    name: str,
    batch: Batch,
    value: Array,
    metrics: dict[str, Any],
    found: Gradient | None,
    start: float,
    *,
    gradient: bool,
    norm: bool,
) -> Evaluation:
    length = None
    if gradient and found is None:
        found = _checked(loss.subgradient(_data(loss, batch), batch.logprobs), name, batch)
        if norm and hasattr(loss, "subgradient_norm"):
            length = loss.subgradient_norm(_data(loss, batch), batch.logprobs)
    if norm and found is not None and length is None:
        length = norm_of(found, batch.xp)
    return Evaluation(value, metrics, found, _array.detach(length), _now(batch) - start)


def _from_graph(value: Array, arrays: Gradient, name: str, batch: Batch) -> tuple[Array, Gradient]:
    try:
        gradient = _autodiff.recorded_gradient(value, arrays)
    except _autodiff.NotConnectedError:
        raise _no_gradient(name, "its value does not depend on `logprobs` by what torch recorded") from None
    return _autodiff.unrecorded(value, arrays, batch.arrays), gradient


def _from_transformation(
    loss: Any,  # noqa: ANN401
    name: str,
    batch: Batch,
) -> tuple[Array, dict[str, Any], Gradient]:
    def function(arrays: Gradient) -> tuple[Array, dict[str, Any]]:
        return _called(loss, name, batch, _tree.unflatten(batch.structure, arrays))

    try:
        return _autodiff.transformed_gradient(function, batch.arrays)
    except _autodiff.NotConnectedError:
        raise _no_gradient(name, "its value does not depend on `logprobs` by what was traced") from None


def _checked(gradient: Any, name: str, batch: Batch) -> Gradient:  # noqa: ANN401
    found = _tree.match(gradient, batch.structure, f"the subgradient of term {name!r}", "logprobs")
    for g, lp in zip(found, batch.arrays, strict=True):
        if not _array.is_array(g) or tuple(g.shape) != tuple(lp.shape):
            got = tuple(g.shape) if _array.is_array(g) else type(g).__name__
            raise ValueError(
                f"The subgradient of term {name!r} must have the shape of `logprobs`, {tuple(lp.shape)}, got {got}."
            )
        _checks.same_place(g, lp, f"the subgradient of term {name!r}", "logprobs", batch.xp)
    return [_array.detach(g) for g in found]


def _no_gradient(name: str, why: str) -> TypeError:
    return TypeError(
        f"The gradient of term {name!r} cannot be had: {why}. Give it a method `subgradient(data, logprobs)`, or "
        "set `track_grad_norms=False`."
    )


def _now(batch: Batch) -> float:
    """Return the time, which is no business of a compiler's."""
    return 0.0 if _array.is_traced(batch.arrays[0]) else time.perf_counter()
