"""The weighted L1 ball."""

from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array

from . import penalty, sums
from .proximal import Threshold, rounded


def project(
    x: Array, weights: Array | None, radius: Threshold, *, axis: int, nonnegative: bool, ops: ArrayOps
) -> Array:
    """Find the point of {Σ w·|p| <= radius along the axis} nearest to x."""
    xp = ops.xp
    kept = xp.where(x <= 0, ops.zero(x), x) if nonnegative else x
    wide, magnitude, level, free = _levels(kept, weights, radius, axis=axis, ops=ops)
    zero = ops.zero(wide)
    if ops.is_complex:
        safe = xp.where(magnitude <= level, xp.ones_like(magnitude), magnitude)
        p = wide * ((safe - level) / safe)
    else:
        p = wide - ops.detach(ops.sign(wide)) * level
    p = xp.where((magnitude <= level) | (p == zero), zero, p)
    return xp.where(free, kept, rounded(p, x, ops=ops))


def residual(x: Array, radius: Threshold, *, axis: int, ops: ArrayOps) -> Array:
    """Return x minus its projection: magnitudes above the level become the level, and +0.0 inside the ball."""
    xp = ops.xp
    wide, magnitude, level, free = _levels(x, None, radius, axis=axis, ops=ops)
    if ops.is_complex:
        safe = xp.where(magnitude <= level, xp.ones_like(magnitude), magnitude)
        cut = wide * (level / safe)
    else:
        cut = ops.detach(ops.sign(wide)) * level
    cut = xp.where(magnitude <= level, wide, cut)
    return rounded(xp.where(free | (cut == 0), ops.zero(wide), cut), x, ops=ops)


def _levels(
    x: Array, weights: Array | None, radius: Threshold, *, axis: int, ops: ArrayOps
) -> tuple[Array, Array, Array, Array]:
    """Return x and its magnitudes in the wide dtype, the level θ·w to subtract, and a mask of unchanged elements.

    θ is the maximum of (Σ w·|x| - radius) / Σ w² over all sets of elements, and 0 inside the ball. Among the sets
    of k elements, the k elements with the largest ratios |x|/w give the maximum. Therefore a sort finds it.
    """
    xp, wide = ops.xp, ops.wide(x)
    magnitude = penalty.magnitude(wide, ops=ops)
    w = None
    if weights is not None:
        w = xp.broadcast_to(xp.astype(weights, magnitude.dtype, copy=False), x.shape)
        magnitude = xp.where(w == 0, xp.zeros_like(magnitude), magnitude)  # infinite magnitudes too
    r = radius if isinstance(radius, float) else xp.astype(radius, magnitude.dtype, copy=False)

    fixed, fixed_w = ops.detach(magnitude), None if w is None else ops.detach(w)
    # Sorting is faster in the narrow dtype.
    narrow = fixed if ops.is_complex else xp.abs(ops.detach(x))
    fixed_r = r if isinstance(r, float) else ops.detach(r)
    bound = _greatest_ratio(narrow if w is None else fixed, fixed_w, fixed_r, axis=axis, ops=ops)
    # Compute θ again from the chosen set: this θ is differentiable, and has the accuracy of a sum in pairs.
    chosen = fixed > (bound if w is None else bound * fixed_w)
    mass = _sum(magnitude if w is None else magnitude * w, chosen, axis=axis, ops=ops)
    if w is None:
        squares = sums.total(xp.astype(chosen, fixed.dtype), axes=(axis,), keepdims=True, ops=ops)
    else:
        squares = _sum(w * w, chosen, axis=axis, ops=ops)
    some = squares > 0
    theta = xp.where(some, (mass - r) / xp.where(some, squares, xp.ones_like(squares)), bound)
    inside = bound <= 0
    theta = xp.where(inside, xp.zeros_like(theta), theta)
    # A vector with an infinity has no nearest point.
    theta = xp.where(xp.isinf(bound) & ~inside, xp.full_like(theta, float("nan")), theta)
    if w is None:
        return wide, magnitude, theta, inside
    # For a radius of 0, θ·w may differ from |x| by a rounding, but the result must be 0.
    level = xp.where((r <= 0) & (w > 0), fixed, theta * w)
    return wide, magnitude, level, inside | (w == 0)


def _greatest_ratio(
    magnitude: Array, w: Array | None, radius: Threshold, *, axis: int, ops: ArrayOps
) -> Array:
    """Find the largest (Σ w·|x| - radius) / Σ w² over the first k elements in the order of |x|/w, for all k."""
    xp, dtype = ops.xp, ops.accumulator
    if w is None:
        ordered = ops.sort_descending(magnitude, axis)
        n = magnitude.shape[axis]
        squares = xp.arange(1, n + 1, dtype=dtype, device=ops.device(magnitude))
        squares = xp.reshape(squares, tuple(n if a == axis else 1 for a in range(magnitude.ndim)))
    else:
        free = w == 0
        ratio = xp.where(free, xp.zeros_like(w), magnitude / xp.where(free, xp.ones_like(w), w))
        order = xp.argsort(ratio, axis=axis, descending=True)
        ordered = ops.take_along(magnitude * w, order, axis)
        squares = ops.cumulative_sum(ops.take_along(w * w, order, axis), axis, dtype)
        squares = xp.where(squares == 0, xp.ones_like(squares), squares)
    ratios = (ops.cumulative_sum(ordered, axis, dtype) - radius) / squares
    return ops.largest(ratios, axis, keepdims=True)


def _sum(terms: Array, chosen: Array, *, axis: int, ops: ArrayOps) -> Array:
    terms = ops.where(chosen, terms, ops.zero(terms))
    return sums.total(terms, axes=(axis,), keepdims=True, ops=ops)
