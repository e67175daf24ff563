"""Groups along axes."""

import functools
import operator

from l1_any._arrays.shapes import extent
from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array

from . import penalty, sums
from .proximal import Threshold, rounded, share_left


def norms(x: Array, *, axes: tuple[int, ...], ops: ArrayOps) -> Array:
    """‖x‖₂ of each group, in the accumulator's precision, with the axes kept; its derivative at 0 is 0."""
    if extent(x, axes) == 0 and not ops.is_part:
        shape = tuple(1 if axis in axes else n for axis, n in enumerate(x.shape))
        return ops.full(shape, 0, ops.accumulator, x)
    _, scale, length = _normed(x, axes=axes, ops=ops)
    return ops.where(scale == 0, ops.zero(scale), scale * length)


def subgradient(x: Array, scale: Threshold, *, axes: tuple[int, ...], ops: ArrayOps) -> Array:
    """scale·x/‖x‖₂ of each group, 0 for a group of zeros; in the dtype of x."""
    if extent(x, axes) == 0 and not ops.is_part:
        return x
    part, _, length = _normed(x, axes=axes, ops=ops)
    scale = scale if isinstance(scale, float) else ops.accumulated(scale)
    return ops.positive_zeros(ops.cast(part / length * scale, x.dtype))


def _normed(x: Array, *, axes: tuple[int, ...], ops: ArrayOps) -> tuple[Array, Array, Array]:
    """Return x / largest magnitude, the largest magnitude, and the norm of the quotient (1 for a group of zeros).

    The squares of the quotient neither overflow nor vanish. In a group with infinities only the infinities count.
    """
    xp = ops.xp
    x = ops.wide(x)
    largest = ops.largest(xp.abs(ops.detach(x)), axes, keepdims=True)
    one = xp.ones_like(largest)
    null, infinite = largest == 0, xp.isinf(largest)
    # XLA multiplies by the reciprocal. The bound keeps the reciprocal from being subnormal.
    bound = xp.full_like(largest, 0.25 / float(xp.finfo(largest.dtype).smallest_normal))
    largest = xp.where((largest > bound) & ~infinite, bound, largest)
    finite_part = x / xp.where(null | infinite, one, largest)
    direction = xp.where(xp.isinf(x), penalty.sign(ops.detach(x), ops=ops), ops.zero(x))
    part = xp.where(infinite, direction, finite_part)
    parts = [xp.real(part), xp.imag(part)] if ops.is_complex else [part]
    squares = functools.reduce(operator.add, [a * a for a in parts])
    total = sums.total(squares, axes=axes, keepdims=True, ops=ops)
    return part, largest, xp.sqrt(xp.where(null, one, total))


def prox(x: Array, step: Threshold, *, axes: tuple[int, ...], ops: ArrayOps) -> Array:
    """x·max(1 - step/‖x‖₂, 0) for each group. Groups with a norm <= step are +0.0."""
    norm = norms(x, axes=axes, ops=ops)
    xp = ops.xp
    t = step if isinstance(step, float) else ops.accumulated(step)
    inside, infinite = norm <= t, xp.isinf(norm)
    one = xp.ones_like(norm)
    safe = xp.where(inside | infinite, one, norm)
    factor = xp.where(infinite, one, share_left(safe, t, ops=ops))
    wide = ops.wide(x)
    zero = ops.zero(wide)
    p = wide * factor
    return rounded(xp.where(inside | (p == zero), zero, p), x, ops=ops)
