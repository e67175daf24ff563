"""The derivative of the penalty, computed by blocks for large plain arrays."""

import math
from typing import Any

from l1_any._arrays.standard import ArrayOps
from l1_any._formulas import penalty as penalties
from l1_any._formulas import sums
from l1_any._formulas.penalty import MAGNITUDE, Penalty
from l1_any._typing import Array

from . import blocks, mean, plan


def derivative(
    x: Array,
    ops: ArrayOps,
    where: Array | None,
    weights: Array | None,
    factor: float | None,
    n: Array | float | None,
    penalty: Penalty,
) -> Array:
    """m·w·h'(x), divided by n if n is given; a constant of automatic differentiation."""
    if n is not None:
        n = mean.divisor(n, ops=ops)
    operation, fused = penalty.kernels.derivative, None
    if ops.is_plain and weights is None:
        fused = plan.kernel(operation, ops, math.prod(x.shape))
    if fused is not None:
        scale, one = scale_of(factor, n, ops)
        s = fused(x, where, scale, *penalty, ops=ops) if one else None
        if s is not None:
            return s
    by_number = n is None or isinstance(n, float)
    number = n if by_number else None

    def formula(
        x: Array,
        where: Array | None,
        weights: Array | None,
        n: Array | None = None,
        *numbers: Array,
        ops: ArrayOps,
    ) -> Array:
        own = penalties.of_numbers(penalty, numbers) if numbers else penalty
        return own.derivative(x, where, weights, factor, number if n is None else n, ops=ops)

    others = () if by_number and not penalty.arrays else (None if by_number else n, *penalty.arrays)
    s = plan.elementwise(formula, x, where, weights, *others, ops=ops, operation=operation)
    return ops.detach(s) if ops.is_differentiated else s


def scale_of(
    factor: float | None, n: Array | float | None, ops: ArrayOps
) -> tuple[Array | float | None, bool]:
    """Return factor/n, and whether it is one number: a float, an array of one element, or None for 1."""
    if n is None:
        return factor, True
    if not isinstance(n, float) and math.prod(n.shape) != 1:
        return n, False
    return ops.quotient(1.0 if factor is None else factor, n), True


def with_sum(
    x: Array,
    ops: ArrayOps,
    where: Array | None,
    weights: Array | None,
    factor: float | None,
    n: Array | float | None,
    *,
    axes: tuple[int, ...],
    keepdims: bool,
) -> tuple[Array, Array] | None:
    """Σ m·w·|x|, not multiplied by the factor, and m·w·s·factor/n, from one read; None if it takes two."""
    size = math.prod(x.shape)
    fused = plan.kernel(MAGNITUDE.kernels.both, ops, size, alone=where is None) if weights is None else None
    if fused is None and not plan.is_by_blocks(ops, x, blocks.WRITTEN):
        return None
    divisor = None if n is None else mean.divisor(n, ops=ops)
    if fused is not None:
        scale, one = scale_of(factor, divisor, ops)
        both: tuple[Array, Array] | None = None
        if one:
            both = fused(x, where, scale, axes=axes, keepdims=keepdims, ops=ops)
        if both is not None:
            return both
    # A block stays in the cache for the second formula.
    if not plan.is_by_blocks(ops, x, blocks.WRITTEN):
        return None
    plan.tell_blocks(ops, blocks.WRITTEN, MAGNITUDE.kernels.both, x)
    number = divisor if divisor is None or isinstance(divisor, float) else None
    s = ops.empty_like(x)

    def formula(
        x: Array,
        out: Array,
        where: Array | None,
        weights: Array | None,
        n: Array | None,
        *,
        ops: ArrayOps,
        **options: Any,
    ) -> Array:
        scale = number if n is None else n
        out[...] = MAGNITUDE.derivative(x, where, weights, factor, scale, ops=ops)
        return sums.total_of(MAGNITUDE.terms, x, where, weights, ops=ops, **options)

    arrays = x, s, where, weights, divisor if number is None else None
    total = blocks.reduce(formula, arrays, axes=axes, keepdims=keepdims, ops=ops, block=blocks.WRITTEN)
    return total, s
