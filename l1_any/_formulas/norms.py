"""L2 norms of derivatives: what is squared, and sums of squares that neither overflow nor vanish.

The squares of numbers beyond the root of the largest float overflow, and those of numbers below the root of the
smallest vanish, though the norm itself is a number of the dtype. Therefore large and small numbers have sums of their
own, of squares of the numbers times a power of two (Blue, "A portable Fortran program to find the Euclidean norm of a
vector", 1978). No largest number has to be known before the sums.
"""

from collections.abc import Callable
from typing import NamedTuple

from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array

from .penalty import Penalty, of_numbers
from .sums import Terms

Size = Callable[..., Array]
"""A formula ``(x, where, weights, penalty, ops=)`` of what is squared, real and in the accumulator's precision."""


class _Scales(NamedTuple):
    low: float
    """Squares of smaller numbers may vanish."""
    high: float
    """Sums of squares of larger numbers may overflow."""
    up: float
    down: float


_SCALES = {
    "float32": _Scales(2.0**-55, 2.0**48, 2.0**90, 2.0**-80),
    "float64": _Scales(2.0**-450, 2.0**480, 2.0**600, 2.0**-600),
}
LEAST, MOST = 2.0**-900, 2.0**1000
"""Between these a sum of squares in float64 has lost nothing."""


def signs(x: Array, where: Array | None, weights: Array | None, penalty: Penalty, *, ops: ArrayOps) -> Array:
    """m·w·|s|, which is m·w where x ≠ 0."""
    del penalty
    xp = ops.xp
    x = ops.selected(x, where)
    nan = ops.full((), float("nan"), ops.accumulator, x)
    found = xp.where(xp.isnan(x), nan, xp.astype(x != ops.zero(x), ops.accumulator))
    return found if weights is None else found * ops.accumulated(ops.selected(weights, where))


def elements(
    x: Array, where: Array | None, weights: Array | None, penalty: Penalty | None = None, *, ops: ArrayOps
) -> Array:
    """m·w·x."""
    del penalty
    wide = _wide(x, where, ops=ops)
    return wide if weights is None else wide * _wide(weights, where, ops=ops)


def derivative(
    x: Array, where: Array | None, weights: Array | None, penalty: Penalty, *, ops: ArrayOps
) -> Array:
    """m·w·h'(x) of a real x."""
    return penalty.derivative(_wide(x, where, ops=ops), where, weights, ops=ops)


def derivative_times_x(
    x: Array, where: Array | None, weights: Array | None, penalty: Penalty, *, ops: ArrayOps
) -> Array:
    """m·w·h'(x)·x of a real x."""
    wide = _wide(x, where, ops=ops)
    return penalty.derivative(wide, where, weights, ops=ops) * wide


def cosines(
    x: Array, where: Array | None, y: Array | None, length_x: Array, length_y: Array, *, ops: ArrayOps
) -> Array:
    """(x/‖x‖)·(y/‖y‖), whose product neither overflows nor vanishes; the lengths are not 0."""
    return (_wide(x, where, ops=ops) / length_x) * (_wide(y, where, ops=ops) / length_y)


def squared(
    size: Size,
    penalty: Penalty,
    x: Array,
    where: Array | None,
    weights: Array | None,
    *numbers: Array,
    ops: ArrayOps,
) -> Array:
    """Return size²; the numbers are those of the penalty, if they are arrays."""
    a = size(x, where, weights, of_numbers(penalty, numbers), ops=ops)
    return a * a


def squares_in_range(size: Size, penalty: Penalty, *, ops: ArrayOps) -> tuple[Terms, Terms, Terms]:
    """Return the formulas of size² for large, other and small numbers, the first and the last after scaling."""
    scales = _SCALES[ops.accumulator_name]

    def part(which: int) -> Terms:
        def squared(
            x: Array, where: Array | None, weights: Array | None, *numbers: Array, ops: ArrayOps
        ) -> Array:
            xp = ops.xp
            a = xp.abs(size(x, where, weights, of_numbers(penalty, numbers), ops=ops))
            large, small, one = a > scales.high, a < scales.low, xp.ones_like(a)
            # The scale is an array: XLA would multiply the squares by the square of a constant.
            a = a * xp.where(large, scales.down * one, xp.where(small, scales.up * one, one))
            wanted = (large, ~(large | small), small)[which]  # NaN is neither large nor small
            return ops.where(wanted, a * a, ops.zero(a))

        return squared

    return part(0), part(1), part(2)


def root_in_range(large: Array, others: Array, small: Array, *, ops: ArrayOps) -> Array:
    """Return the norm from the sums of `squares_in_range`."""
    xp, (_, _, up, down) = ops.xp, _SCALES[ops.accumulator_name]
    below, middle = xp.sqrt(small) / up, xp.sqrt(others)
    root = xp.where(others > 0, xp.sqrt(others + below * below), below)
    above = middle * down
    root = xp.where(large > 0, xp.sqrt(large + above * above) / down, root)
    return xp.where(xp.isnan(others), others, root)


def _wide(x: Array, where: Array | None, *, ops: ArrayOps) -> Array:
    """Return the selected elements in the dtype as wide as the accumulator; complex elements stay complex."""
    return ops.cast(x if where is None else ops.selected(x, where), ops.wide_dtype)
