"""What one call of a loss gave: its value, its gradient with respect to the log-probabilities, and norms of that."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from l1_any._arrays.lookup import known
from l1_any._arrays.standard import ArrayOps
from l1_any._run import reduce as run
from l1_any._typing import Array, Leaf

from .batch import Batch

Gradient = list[Array]
"""An array for each array of the log-probabilities."""


class Evaluation(NamedTuple):
    """What one call of a loss gave."""

    value: Array
    metrics: dict[str, Any]
    gradient: Gradient | None = None
    norm: Array | None = None
    seconds: float = 0.0


def norm_of(gradient: Gradient) -> Array:
    """‖g‖₂ over all its arrays."""
    return run.norm(_leaves(gradient), is_mean=False)


def cosine(a: Gradient, b: Gradient, norm_a: Array, norm_b: Array) -> Array:
    """Return ⟨a, b⟩ / (‖a‖‖b‖), NaN where one of them is zero."""
    leaves = [leaf._replace(weights=y) for leaf, y in zip(_leaves(a), b, strict=True)]
    ops = leaves[0].ops
    dot = run.dot(leaves)
    both = ops.accumulated(norm_a) * ops.accumulated(norm_b)
    some = both > 0
    nan = ops.full((), float("nan"), dot.dtype, dot)
    ratio = ops.where(some, dot / ops.where(some, both, ops.xp.ones_like(both)), nan)
    return ops.as_array(ops.cast(ratio, norm_a.dtype))


def combined(gradients: Sequence[tuple[Array | float, Gradient]], batch: Batch) -> Gradient:
    """Σ weight·gradient, in the precision of results and rounded once to that of the log-probabilities."""
    out = []
    for i, lp in enumerate(batch.arrays):
        ops = known(lp)
        total = None
        for weight, gradient in gradients:
            g = scaled(weight, ops.result(gradient[i]), ops)
            total = g if total is None else total + g
        out.append(ops.as_array(ops.cast(total, lp.dtype)))
    return out


def scaled(weight: Array | float, x: Array, ops: ArrayOps) -> Array:
    """weight·x in the dtype of x."""
    if isinstance(weight, float):
        return x if weight == 1 else ops.as_array(x * weight)
    return ops.as_array(x * ops.cast(ops.as_array(weight), x.dtype))


def _leaves(gradient: Gradient) -> list[Leaf]:
    ops = known(gradient[0])
    around = ops.around()
    return [Leaf(g, known(g).at(around, g)) for g in gradient]
