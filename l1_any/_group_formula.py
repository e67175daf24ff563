"""Groups along axes: pure functions of arrays, eager or traced, with their namespace given. No checks."""

from . import _array, _formula
from ._threshold import Threshold, rounded
from ._typing import Array, Namespace


def norms(x: Array, *, axes: tuple[int, ...], xp: Namespace) -> Array:
    """‖x‖₂ of each group, in the accumulator's precision, with the axes kept; its derivative at 0 is 0."""
    x = _array.widest(x, xp)
    if _array.extent(x, axes) == 0:
        shape = tuple(1 if axis in axes else n for axis, n in enumerate(x.shape))
        return _array.full(shape, 0, _array.accumulator_dtype(x, xp), x, xp)
    # Scaled by the largest magnitude, squares neither overflow nor vanish.
    largest = _array.detach(xp.max(xp.abs(x), axis=axes, keepdims=True))
    one, zero = xp.ones_like(largest), xp.zeros_like(largest)
    plain = (largest == zero) | xp.isinf(largest)
    scale = xp.where(plain, one, largest)
    squares = squared(x / scale, xp=xp)
    total = _formula.total(squares, like=x, axes=axes, keepdims=True, xp=xp)
    null = total == zero
    return xp.where(null, zero, scale * xp.sqrt(xp.where(null, one, total)))


def squared(x: Array, *, xp: Namespace) -> Array:
    """|x|², smooth at 0 for automatic differentiation."""
    if not _array.is_complex(x):
        return x * x
    re, im = xp.real(x), xp.imag(x)
    return re * re + im * im


def prox(x: Array, step: Threshold, *, axes: tuple[int, ...], xp: Namespace) -> Array:
    """x·max(1 - step/‖x‖₂, 0) for each group: whole groups are +0.0."""
    norm = norms(x, axes=axes, xp=xp)
    t = step if isinstance(step, float) else xp.astype(step, norm.dtype, copy=False)
    inside, infinite = norm <= t, xp.isinf(norm)
    one = xp.ones_like(norm)
    safe = xp.where(inside | infinite, one, norm)
    factor = xp.where(infinite, one, (safe - t) / safe)
    wide = _array.widest(x, xp)
    zero = _array.zero(wide, xp)
    return rounded(xp.where(inside | (wide == zero), zero, wide * factor), x, xp=xp)
