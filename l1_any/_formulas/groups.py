"""Groups along axes."""

import functools
import operator

from l1_any._arrays.shapes import extent
from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array

from . import penalty, sums
from .proximal import Threshold, rounded, share_left

_HIGH = {"float32": (2.0**86, 2.0**-42), "float64": (2.0**960, 2.0**-64)}
"""Norms of groups of smaller numbers are finite, and so are those of others times the power of two."""


def norms(x: Array, *, axes: tuple[int, ...], ops: ArrayOps, weights: Threshold | None = None) -> Array:
    """w·‖x‖₂ of each group, in the accumulator's precision, with the axes kept; its derivative at 0 is 0."""
    if extent(x, axes) == 0 and not ops.is_part:
        shape = tuple(1 if axis in axes else n for axis, n in enumerate(x.shape))
        return ops.full(shape, 0, ops.accumulator, x)
    found, scale = _scaled_norms(x, axes=axes, ops=ops)
    if weights is not None:
        found = found * (weights if isinstance(weights, float) else ops.accumulated(weights))
    return found if scale is None else found / scale


def _scaled_norms(x: Array, *, axes: tuple[int, ...], ops: ArrayOps) -> tuple[Array, Array | None]:
    """Return norms times a power of two, so that they do not overflow, and that power; None if none may overflow."""
    _, largest, length = _normed(x, axes=axes, ops=ops)
    scale = None
    null = largest == 0
    if ops.result_name == ops.accumulator_name:
        xp, one = ops.xp, ops.xp.ones_like(largest)
        limit, small = _HIGH[ops.accumulator_name]
        scale = xp.where((largest > limit) & ~xp.isinf(largest), small * one, one)
        largest = largest * scale
    return ops.where(null, ops.zero(largest), largest * length), scale


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
    fixed = ops.detach(x)
    # The modulus of a complex number may overflow; the larger of its parts serves as well.
    sizes = [xp.abs(xp.real(fixed)), xp.abs(xp.imag(fixed))] if ops.is_complex else [xp.abs(fixed)]
    size = sizes[0] if len(sizes) == 1 else xp.where(sizes[0] > sizes[1], sizes[0], sizes[1])
    size = size if len(sizes) == 1 else xp.where(xp.isnan(sizes[0]), sizes[0], size)
    largest = ops.largest(size, axes, keepdims=True)
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
    xp = ops.xp
    if extent(x, axes) == 0:
        return x
    norm, scale = _scaled_norms(x, axes=axes, ops=ops)
    t = step if isinstance(step, float) else ops.accumulated(step)
    t = t if scale is None else t * scale
    inside, infinite = norm <= t, xp.isinf(norm)
    one = xp.ones_like(norm)
    safe = xp.where(inside | infinite, one, norm)
    factor = xp.where(inside | infinite, one, share_left(safe, t, ops=ops))
    wide = ops.wide(x)
    zero = ops.zero(wide)
    p = wide * factor
    return rounded(xp.where(inside | (p == zero), zero, p), x, ops=ops)
