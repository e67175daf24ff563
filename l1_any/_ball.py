"""The weighted L1 ball: pure functions of arrays, eager or traced, with their namespace given. No checks."""

from . import _array, _formula
from ._threshold import Threshold, rounded
from ._typing import Array, Namespace


def project(
    x: Array, weights: Array | None, radius: Threshold, *, axis: int, nonnegative: bool, xp: Namespace
) -> Array:
    """Find the point of {Σ w·|p| <= radius along the axis} nearest to x."""
    kept = xp.where(x <= 0, _array.zero(x, xp), x) if nonnegative else x
    wide, magnitude, level, free = _levels(kept, weights, radius, axis=axis, xp=xp)
    zero = _array.zero(wide, xp)
    if _array.is_complex(x):
        safe = xp.where(magnitude <= level, xp.ones_like(magnitude), magnitude)
        p = wide * ((safe - level) / safe)
    else:
        p = wide - _array.detach(_array.sign(wide, xp)) * level
    p = xp.where((magnitude <= level) | (p == zero), zero, p)
    return xp.where(free, kept, rounded(p, x, xp=xp))


def residual(x: Array, radius: Threshold, *, axis: int, xp: Namespace) -> Array:
    """X minus its projection: magnitudes are cut off at the level, and all is +0.0 inside the ball."""
    wide, magnitude, level, free = _levels(x, None, radius, axis=axis, xp=xp)
    if _array.is_complex(x):
        safe = xp.where(magnitude <= level, xp.ones_like(magnitude), magnitude)
        cut = wide * (level / safe)
    else:
        cut = _array.detach(_array.sign(wide, xp)) * level
    cut = xp.where(magnitude <= level, wide, cut)
    return rounded(xp.where(free | (cut == 0), _array.zero(wide, xp), cut), x, xp=xp)


def _levels(
    x: Array, weights: Array | None, radius: Threshold, *, axis: int, xp: Namespace
) -> tuple[Array, Array, Array, Array]:
    """Return x and its magnitudes made wide, the level θ·w by which to lower these, and what is unchanged.

    θ is the largest of (Σ w·|x| - radius) / Σ w² over the sets of elements, and 0 inside the ball. Among sets
    of k elements those with the largest ratios |x|/w give the most, so that a sort finds it.
    """
    wide = _array.widest(x, xp)
    magnitude = _formula.differentiable_abs(wide, xp=xp) if _array.is_differentiated(x) else xp.abs(wide)
    w = None
    if weights is not None:
        w = xp.broadcast_to(xp.astype(weights, magnitude.dtype, copy=False), x.shape)
        magnitude = xp.where(w == 0, xp.zeros_like(magnitude), magnitude)  # infinite ones too
    r = radius if isinstance(radius, float) else xp.astype(radius, magnitude.dtype, copy=False)

    fixed, fixed_w = _array.detach(magnitude), _array.detach(w)
    # The narrow magnitudes are the faster ones to sort.
    narrow = fixed if _array.is_complex(x) else xp.abs(_array.detach(x))
    fixed_r = r if isinstance(r, float) else _array.detach(r)
    bound = _greatest_ratio(narrow if w is None else fixed, fixed_w, fixed_r, axis=axis, xp=xp)
    # Once more, on the set that was found: differentiable, and with the accuracy of a sum in pairs.
    chosen = fixed > (bound if w is None else bound * fixed_w)
    mass = _sum(magnitude if w is None else magnitude * w, chosen, axis=axis, xp=xp)
    if w is None:
        squares = _formula.total(xp.astype(chosen, fixed.dtype), axes=(axis,), keepdims=True, xp=xp)
    else:
        squares = _sum(w * w, chosen, axis=axis, xp=xp)
    some = squares > 0
    theta = xp.where(some, (mass - r) / xp.where(some, squares, xp.ones_like(squares)), bound)
    inside = bound <= 0
    theta = xp.where(inside, xp.zeros_like(theta), theta)
    # Nothing is nearest to what is infinitely far.
    theta = xp.where(xp.isinf(bound) & ~inside, xp.full_like(theta, float("nan")), theta)
    if w is None:
        return wide, magnitude, theta, inside
    # A radius of 0 is met by the ratios |x|/w but for a rounding.
    level = xp.where((r <= 0) & (w > 0), fixed, theta * w)
    return wide, magnitude, level, inside | (w == 0)


def _greatest_ratio(
    magnitude: Array, w: Array | None, radius: Threshold, *, axis: int, xp: Namespace
) -> Array:
    """Find the largest (Σ w·|x| - radius) / Σ w² over the sets of first elements in the order of |x|/w."""
    dtype = _array.accumulator_dtype(magnitude, xp)
    if w is None:
        ordered = _array.sort_descending(magnitude, axis, xp)
        n = magnitude.shape[axis]
        squares = xp.arange(1, n + 1, dtype=dtype, device=_array.device(magnitude))
        squares = xp.reshape(squares, tuple(n if a == axis else 1 for a in range(magnitude.ndim)))
    else:
        free = w == 0
        ratio = xp.where(free, xp.zeros_like(w), magnitude / xp.where(free, xp.ones_like(w), w))
        order = xp.argsort(ratio, axis=axis, descending=True)
        ordered = xp.take_along_axis(magnitude * w, order, axis=axis)
        squares = _array.cumulative_sum(xp.take_along_axis(w * w, order, axis=axis), axis, dtype, xp)
        squares = xp.where(squares == 0, xp.ones_like(squares), squares)
    ratios = (_array.cumulative_sum(ordered, axis, dtype, xp) - radius) / squares
    return _array.largest(ratios, xp, axis=axis, keepdims=True)


def _sum(terms: Array, chosen: Array, *, axis: int, xp: Namespace) -> Array:
    terms = xp.where(chosen, terms, xp.zeros_like(terms))
    return _formula.total(terms, axes=(axis,), keepdims=True, xp=xp)
