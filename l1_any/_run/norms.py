"""L2 norms of derivatives and gradients, in closed form, without an array of their size."""

import functools
import math
from collections.abc import Sequence

from l1_any._arrays.lookup import find, same_state
from l1_any._arrays.standard import ArrayOps
from l1_any._formulas import norms as formulas
from l1_any._formulas import penalty as penalties
from l1_any._formulas import sums
from l1_any._formulas.penalty import MAGNITUDE, Penalty
from l1_any._typing import Array, Leaf

from . import mean, plan
from .leaves import constant, on_leaf, summed, widest


def subgradient_norm(leaves: Sequence[Leaf], *, is_mean: bool) -> Array:
    """√Σ (m·w)² over x ≠ 0, divided by n for a mean."""
    return norm(leaves, is_mean=is_mean, size=formulas.signs)


def norm(
    leaves: Sequence[Leaf],
    *,
    is_mean: bool,
    size: formulas.Size = formulas.elements,
    penalty: Penalty = MAGNITUDE,
) -> Array:
    """√Σ (m·w·x)², or √Σ ``size(..., penalty)²``; divided by n for a mean."""
    leaves = [constant(leaf) for leaf in leaves]
    if penalty.arrays:
        penalty = penalties.constant(penalty, leaves[0].ops)
    if len(leaves) == 1:
        return on_leaf(_norm, leaves[0], penalty, size=size, is_mean=is_mean)
    ops, factor = widest(leaves), leaves[0].factor
    if all(leaf.factor == factor and _fits(leaf.ops, leaf.weights, size) for leaf in leaves):
        bare = [leaf._replace(factor=None) for leaf in leaves]
        squares = [on_leaf(_sum_of_squares, leaf, penalty, size=size) for leaf in bare]
        length = _times(ops.xp.sqrt(summed(squares, leaves)), factor)
    else:
        length = _length_of([on_leaf(_length, leaf, penalty, size=size) for leaf in leaves], leaves[0].ops)
    return _over(length, mean.count(leaves, None) if is_mean else None, ops)


def cosine(leaves: Sequence[Leaf], length_x: Array, length_y: Array) -> Array:
    """Σ x·y / (‖x‖‖y‖), where the weights of the leaves are y; NaN if one of the lengths is 0."""
    leaves, ops = [constant(leaf) for leaf in leaves], leaves[0].ops
    length_x, length_y = ops.cast(length_x, ops.accumulator), ops.cast(length_y, ops.accumulator)
    nan = ops.full((), math.nan, ops.accumulator, leaves[0].x)
    some = (length_x > 0) & (length_y > 0)
    for leaf in leaves:
        if not _fits(leaf.ops, leaf.weights, formulas.elements):
            break
    else:
        both = ops.where(some, length_x * length_y, nan)
        return ops.finished(summed([on_leaf(_dot, leaf) for leaf in leaves], leaves) / both)
    safe = ops.where(some, length_x, nan), ops.where(some, length_y, nan)
    return ops.finished(summed([on_leaf(_cosine, leaf, *safe) for leaf in leaves], leaves))


def _norm(
    x: Array,
    ops: ArrayOps,
    where: Array | None,
    weights: Array | None,
    factor: float | None,
    penalty: Penalty,
    *,
    size: formulas.Size,
    is_mean: bool,
) -> Array:
    length = _length(x, ops, where, weights, factor, penalty, size=size)
    return _over(length, mean.count([Leaf(x, ops, where)], None), ops) if is_mean else ops.finished(length)


def _length(
    x: Array,
    ops: ArrayOps,
    where: Array | None,
    weights: Array | None,
    factor: float | None,
    penalty: Penalty,
    *,
    size: formulas.Size,
) -> Array:
    """√Σ size² in the accumulator's dtype, times the factor, whose square may overflow."""
    if _fits(ops, weights, size):
        total = _sum_of_squares(x, ops, where, weights, None, penalty, size=size)
        return _times(ops.xp.sqrt(ops.settled(total) if ops.has_shards else total), factor)
    if ops.is_plain and ops.place == "cpu":
        # A look at this sum costs nothing, and it is nearly always in range.
        with ops.quiet():
            total = _sum_of_squares(x, ops, where, weights, None, penalty, size=size)
        number = float(ops.to_host(total))
        if formulas.LEAST < number < formulas.MOST and ops.accumulator_name == "float64":
            return _times(ops.xp.sqrt(total), factor)
    arrays = x, where, weights, *penalty.arrays
    parts = [
        _total(functools.partial(sums.total_of, terms), arrays, ops)
        for terms in formulas.squares_in_range(size, penalty, ops=ops)
    ]
    return _times(formulas.root_in_range(*parts, ops=ops), factor)


def _length_of(lengths: Sequence[Array], ops: ArrayOps) -> Array:
    """Return the norm of a vector of norms."""
    vector = ops.xp.stack([ops.as_array(length) for length in lengths])
    ops = ops if ops.dtype == vector.dtype else same_state(vector, ops)
    return _length(vector, ops, None, None, None, MAGNITUDE, size=formulas.elements)


def _sum_of_squares(
    x: Array,
    ops: ArrayOps,
    where: Array | None,
    weights: Array | None,
    factor: float | None,
    penalty: Penalty,
    *,
    size: formulas.Size,
) -> Array:
    del factor
    formula = functools.partial(sums.total_of, functools.partial(formulas.squared, size, penalty))
    of_signs = size is formulas.signs
    total = plan.reduce(
        formula,
        x,
        where,
        weights,
        *(() if of_signs else penalty.arrays),
        axes=tuple(range(x.ndim)),
        keepdims=False,
        ops=ops,
        operation="sum_of_squared_signs" if of_signs else "",
    )
    # A kernel gives a float.
    return ops.full((), total, ops.accumulator, x) if type(total) is float else total


def _dot(x: Array, ops: ArrayOps, where: Array | None, weights: Array | None, factor: float | None) -> Array:
    del factor
    return _total(functools.partial(sums.total_of, formulas.elements), (x, where, weights), ops)


def _cosine(
    x: Array,
    ops: ArrayOps,
    where: Array | None,
    weights: Array | None,
    factor: float | None,
    length_x: Array,
    length_y: Array,
) -> Array:
    del factor
    formula = functools.partial(sums.total_of, formulas.cosines)
    return _total(formula, (x, where, weights, length_x, length_y), ops)


def _total(formula: plan.Formula, arrays: plan.Arrays, ops: ArrayOps) -> Array:
    """Return a sum over all elements."""
    x: Array = arrays[0]
    total: Array = plan.reduce(formula, *arrays, axes=tuple(range(x.ndim)), keepdims=False, ops=ops)
    return ops.settled(total) if ops.has_shards else total


def _fits(ops: ArrayOps, weights: Array | None, size: formulas.Size) -> bool:
    """Whether the accumulator holds the squares of all numbers of the dtypes of x and of the weights."""
    if weights is None and size is formulas.signs:
        return True
    if ops.accumulator_name != "float64" or ops.result_name != "float32":
        return False
    kind = None if weights is None else find(weights)
    return kind is None or kind.result_name == "float32"


def _times(length: Array, factor: float | None) -> Array:
    return length if factor is None else length * factor


def _over(length: Array, n: Array | float | None, ops: ArrayOps) -> Array:
    """Divide by n for a mean: 0 where a mask selects nothing, as the gradient is there."""
    return ops.finished(length if n is None else length / mean.divisor(n, ops=ops))
