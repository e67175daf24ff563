"""The derivative of the penalty, computed by blocks for large plain arrays."""

from typing import Any

from l1_any._arrays.standard import ArrayOps
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
    if n is not None and not isinstance(n, float):

        def by_array(
            x: Array, where: Array | None, weights: Array | None, n: Array, *, ops: ArrayOps
        ) -> Array:
            return penalty.derivative(x, where, weights, factor, n, ops=ops)

        s = plan.elementwise(by_array, x, where, weights, n, ops=ops)
    else:

        def by_number(x: Array, where: Array | None, weights: Array | None, *, ops: ArrayOps) -> Array:
            return penalty.derivative(x, where, weights, factor, n, ops=ops)

        s = plan.elementwise(by_number, x, where, weights, ops=ops)
    return ops.detach(s) if ops.is_differentiated else s


def are_written_with_the_sum(x: Array, ops: ArrayOps) -> bool:
    """Whether sum and derivative are computed block by block: a block stays in the cache for the second formula."""
    return plan.is_by_blocks(ops, x, blocks.WRITTEN)


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
) -> tuple[Array, Array]:
    """Σ m·w·|x|, not multiplied by the factor, and m·w·s·factor/n."""
    divisor = None if n is None else mean.divisor(n, ops=ops)
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
