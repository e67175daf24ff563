"""The result of one call of a loss: its value, its gradient with respect to the log-probabilities, and its norm."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from l1_any._arrays.lookup import same_state
from l1_any._arrays.standard import ArrayOps
from l1_any._run import norms
from l1_any._typing import Array, Leaf

from .batch import Batch

Gradient = list[Array]
"""One array for each array of the log-probabilities."""


class Evaluation(NamedTuple):
    """The result of one call of a loss."""

    value: Array
    metrics: dict[str, Any]
    gradient: Gradient | None = None
    norm: Array | None = None
    seconds: float = 0.0


def norm_of(gradient: Gradient, ops: ArrayOps) -> Array:
    """‖g‖₂ over all arrays of a gradient, which must be constants."""
    return norms.norm(_leaves(gradient, ops), is_mean=False)


def cosine(a: Any, b: Any, norm_a: Array, norm_b: Array, ops: ArrayOps) -> Array:
    """Return ⟨a, b⟩ / (‖a‖‖b‖), or NaN if a or b is zero."""
    leaves = [Leaf(leaf.x, leaf.ops, None, y) for leaf, y in zip(_leaves(a, ops), b, strict=True)]
    return norms.cosine(leaves, norm_a, norm_b)


def combined(gradients: Sequence[tuple[Array | float, Any]], batch: Batch) -> Gradient:
    """Σ weight·gradient, computed in the dtype of results and rounded once to that of the log-probabilities."""
    out = []
    for i, leaf in enumerate(batch.leaves):
        ops, total = leaf.ops, None
        for weight, gradient in gradients:
            g = scaled(weight, gradient[i] if ops.is_result else ops.result(gradient[i]), ops)
            total = g if total is None else total + g
        out.append(total if ops.is_result else ops.cast(total, leaf.x.dtype))
    return [leaf.ops.as_array(g) for leaf, g in zip(batch.leaves, out, strict=True)]


def scaled(weight: Array | float, x: Array, ops: ArrayOps) -> Array:
    """weight·x in the dtype of x."""
    if isinstance(weight, float):
        if weight == 1:
            return x
        out = x * weight
    else:
        out = x * ops.cast(ops.as_array(weight), x.dtype)
    return ops.as_array(out) if ops.has_scalars else out


def _leaves(gradient: Gradient, ops: ArrayOps) -> list[Leaf]:
    return [Leaf(g, ops if g.dtype == ops.dtype else same_state(g, ops)) for g in gradient]
