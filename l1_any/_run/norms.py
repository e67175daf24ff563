"""L2 norms of derivatives and gradients, in closed form, without an array of their size."""

import functools
from collections.abc import Sequence

from l1_any._arrays.standard import ArrayOps
from l1_any._formulas import penalty as formulas
from l1_any._formulas import sums
from l1_any._formulas.penalty import MAGNITUDE, Penalty
from l1_any._typing import Array, Leaf

from . import mean, plan
from .leaves import constant, on_leaf, summed, widest


def subgradient_norm(leaves: Sequence[Leaf], *, is_mean: bool) -> Array:
    """√Σ (m·w)² over x ≠ 0, divided by n for a mean."""
    return norm(leaves, is_mean=is_mean, squares=formulas.squared_signs)


def norm(
    leaves: Sequence[Leaf],
    *,
    is_mean: bool,
    squares: sums.Terms = formulas.squares,
    penalty: Penalty = MAGNITUDE,
) -> Array:
    """√Σ (m·w·x)², or √Σ ``squares(..., penalty)``; divided by n for a mean."""
    leaves = [constant(leaf) for leaf in leaves]
    if len(leaves) == 1:
        return on_leaf(_norm, leaves[0], penalty, squares=squares, is_mean=is_mean)
    totals = [on_leaf(_total_of, leaf, penalty, terms=squares, power=2) for leaf in leaves]
    return _root(summed(totals, leaves), mean.count(leaves, None) if is_mean else None, leaves)


def dot(leaves: Sequence[Leaf]) -> Array:
    """Σ m·w·x, in the accumulator's dtype."""
    leaves = [constant(leaf) for leaf in leaves]
    totals = [on_leaf(_total_of, leaf, MAGNITUDE, terms=formulas.products, power=1) for leaf in leaves]
    return leaves[0].ops.as_array(summed(totals, leaves))


def _norm(
    x: Array,
    ops: ArrayOps,
    where: Array | None,
    weights: Array | None,
    factor: float | None,
    penalty: Penalty,
    *,
    squares: sums.Terms,
    is_mean: bool,
) -> Array:
    total = _total_of(x, ops, where, weights, None, penalty, terms=squares, power=2)
    leaves = [Leaf(x, ops, where)]
    # The factor multiplies the root, because its square may overflow.
    return _root(total, mean.count(leaves, None) if is_mean else None, leaves, factor)


def _total_of(
    x: Array,
    ops: ArrayOps,
    where: Array | None,
    weights: Array | None,
    factor: float | None,
    penalty: Penalty,
    *,
    terms: sums.Terms,
    power: int,
) -> Array:
    formula = functools.partial(sums.total_of, functools.partial(terms, penalty=penalty))
    operation = "sum_of_squared_signs" if terms is formulas.squared_signs else ""
    axes = tuple(range(x.ndim))
    total = plan.reduce(formula, x, where, weights, axes=axes, keepdims=False, ops=ops, operation=operation)
    if type(total) is float:  # of a kernel
        total = ops.full((), total, ops.accumulator, x)
    return total if factor is None else total * factor if power == 1 else total * factor * factor


def _root(
    total: Array, n: Array | float | None, leaves: Sequence[Leaf], factor: float | None = None
) -> Array:
    ops = widest(leaves)
    length = ops.xp.sqrt(total)
    if factor is not None:
        length = length * factor
    if n is not None:  # 0 where a mask selects nothing, as the gradient is there
        length = length / mean.divisor(n, ops=ops)
    return ops.finished(length)
