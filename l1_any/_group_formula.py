"""Groups along axes: pure functions of arrays, eager or traced, with their namespace given. No checks."""

import functools
import operator

from . import _array, _formula
from ._threshold import Threshold, rounded, share_left
from ._typing import Array, Namespace


def norms(x: Array, *, axes: tuple[int, ...], xp: Namespace) -> Array:
    """‖x‖₂ of each group, in the accumulator's precision, with the axes kept; its derivative at 0 is 0."""
    if _array.extent(x, axes) == 0:
        shape = tuple(1 if axis in axes else n for axis, n in enumerate(x.shape))
        return _array.full(shape, 0, _array.accumulator_dtype(x, xp), x, xp)
    _, scale, length = _normed(x, axes=axes, xp=xp)
    return xp.where(scale == 0, xp.zeros_like(scale), scale * length)


def subgradient(x: Array, scale: Threshold, *, axes: tuple[int, ...], xp: Namespace) -> Array:
    """scale·x/‖x‖₂ of each group, 0 at a group that is zero; in the dtype of x."""
    if _array.extent(x, axes) == 0:
        return x
    part, _, length = _normed(x, axes=axes, xp=xp)
    scale = scale if isinstance(scale, float) else xp.astype(scale, length.dtype, copy=False)
    return xp.astype(part / length * scale, x.dtype, copy=False)


def _normed(x: Array, *, axes: tuple[int, ...], xp: Namespace) -> tuple[Array, Array, Array]:
    """Return x over its largest magnitude, that magnitude, and the norm of the quotient (1 for a zero group).

    So scaled, squares neither overflow nor vanish. In an infinite group only the infinite elements count.
    """
    x = _array.widest(x, xp)
    largest = _array.largest(xp.abs(_array.detach(x)), xp, axis=axes, keepdims=True)
    one = xp.ones_like(largest)
    null, infinite = largest == 0, xp.isinf(largest)
    # The reciprocal, by which XLA multiplies, is kept from being subnormal.
    bound = xp.full_like(largest, 0.25 / float(xp.finfo(largest.dtype).smallest_normal))
    largest = xp.where((largest > bound) & ~infinite, bound, largest)
    finite_part = x / xp.where(null | infinite, one, largest)
    direction = xp.where(xp.isinf(x), _formula.sign(_array.detach(x), xp=xp), _array.zero(x, xp))
    part = xp.where(infinite, direction, finite_part)
    parts = [xp.real(part), xp.imag(part)] if _array.is_complex(x) else [part]
    squares = functools.reduce(operator.add, [a * a for a in parts])
    total = _formula.total(squares, axes=axes, keepdims=True, xp=xp)
    return part, largest, xp.sqrt(xp.where(null, one, total))


def prox(x: Array, step: Threshold, *, axes: tuple[int, ...], xp: Namespace) -> Array:
    """x·max(1 - step/‖x‖₂, 0) for each group: whole groups are +0.0."""
    norm = norms(x, axes=axes, xp=xp)
    t = step if isinstance(step, float) else xp.astype(step, norm.dtype, copy=False)
    inside, infinite = norm <= t, xp.isinf(norm)
    one = xp.ones_like(norm)
    safe = xp.where(inside | infinite, one, norm)
    factor = xp.where(infinite, one, share_left(safe, t, xp=xp))
    wide = _array.widest(x, xp)
    zero = _array.zero(wide, xp)
    p = wide * factor
    return rounded(xp.where(inside | (p == zero), zero, p), x, xp=xp)
