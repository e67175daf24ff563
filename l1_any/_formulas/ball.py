"""The weighted L1 ball.

A point outside has the projection sign(x)·w·max(|x|/w - θ, 0), where θ makes Σ w·|p| the radius. If the radius is small
beside the magnitudes, so is the difference of θ and the largest ratio |x|/w, and it would be lost in the rounding
errors of a sum of magnitudes. Therefore the largest ratio is subtracted first: with the gaps q = max(|x|/w) - |x|/w the
magnitudes of the projection are w·max(τ - q, 0), and τ is the minimum of (radius + Σ w²·q) / Σ w² over all sets of
elements.
"""

from collections.abc import Callable
from typing import NamedTuple

from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array

from . import ball_in_parts, penalty, sums
from .proximal import Threshold, rounded


class _Range(NamedTuple):
    """What a sum in an accumulator's dtype needs so that it does not overflow."""

    largest: float
    high: float
    """Up to this number, a sum of as many terms as fit in any memory is finite."""
    scale: float
    """A power of two. Sums of larger numbers times this one are finite."""
    rounding: float


_RANGES = {
    "float32": _Range((2 - 2.0**-23) * 2.0**127, 2.0**90, 2.0**-37, 2.0**-23),
    "float64": _Range((2 - 2.0**-52) * 2.0**1023, 2.0**960, 2.0**-62, 2.0**-52),
}
_ROUNDING = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 2.0**-24, "complex64": 2.0**-24}
"""How far a number may be from what it was rounded from, relative to the number; float64 has the accumulator's own."""
_SMALLEST = {"float16": 2.0**-25, "bfloat16": 2.0**-134, "float32": 2.0**-150, "complex64": 2.0**-150}
"""The same for a subnormal number, as an absolute difference."""
_SUM_ERROR = 8  # roundings of the accumulator in two sums of the same terms
_EXTREME = 2.0**64  # weights beyond this, or below its reciprocal, may have squares that overflow or vanish


class _Level(NamedTuple):
    """The threshold of a vector, and what it leaves of each element. The wide dtype holds all of it."""

    wide: Array
    magnitude: Array
    left: Array
    """The magnitudes of the projection; NaN in a vector with a NaN or an infinity."""
    level: Array
    """θ, by which magnitudes exceed what is left of them; for a ball without weights."""
    inside: Array
    """Whether the vector is in the ball."""
    free: Array | None
    """Whether the element has the weight 0, or None."""


def project(
    x: Array, weights: Array | None, radius: Threshold, *, axis: int, nonnegative: bool, ops: ArrayOps
) -> Array:
    """Find the point of {Σ w·|p| <= radius along the axis} nearest to x."""
    if ops.is_complex and ops.result_name == ops.accumulator_name:

        def projected(x: Array, radius: Array) -> Array:
            return _project(x, weights, radius, axis=axis, nonnegative=nonnegative, ops=ops)

        return _in_range(projected, x, radius, axis=axis, ops=ops)
    return _project(x, weights, radius, axis=axis, nonnegative=nonnegative, ops=ops)


def _in_range(
    function: Callable[[Array, Array], Array], x: Array, radius: Threshold, *, axis: int, ops: ArrayOps
) -> Array:
    """Return ``function(x, radius)``, which has the scale of both, from smaller numbers if a modulus may overflow."""
    xp, fourth = ops.xp, penalty.quarter(x, axis, ops=ops)
    one = xp.ones_like(fourth)
    small = fourth < one
    radius = fourth * (radius if isinstance(radius, float) else ops.accumulated(radius))
    p = function(xp.where(small & xp.isfinite(x), x * fourth, x), radius)
    return xp.where(small & xp.isfinite(p), p / fourth, p)


def _project(
    x: Array, weights: Array | None, radius: Threshold, *, axis: int, nonnegative: bool, ops: ArrayOps
) -> Array:
    xp = ops.xp
    kept = xp.where(x <= 0, ops.zero(x), x) if nonnegative else x
    # A result that was rounded, and a radius that is a rounded sum, may be outside by a rounding.
    tolerance = _ROUNDING.get(ops.dtype_name, 0.0) + _SUM_ERROR * _RANGES[ops.accumulator_name].rounding
    found = _level(kept, weights, radius, axis=axis, tolerance=tolerance, ops=ops)
    wide, left, zero = found.wide, found.left, ops.zero(found.wide)
    if ops.is_complex:
        some = found.magnitude > 0
        p = wide * (left / xp.where(some, found.magnitude, xp.ones_like(left)))
    else:
        p = ops.detach(ops.sign(wide)) * left
    p = xp.where((left == 0) | (p == zero), zero, p)
    same = found.inside if found.free is None else found.inside | found.free
    return xp.where(same, kept, rounded(p, x, ops=ops))


def residual(x: Array, radius: Threshold, *, axis: int, ops: ArrayOps) -> Array:
    """Return x minus its projection: magnitudes above the level become the level, and +0.0 inside the ball."""
    if ops.is_complex and ops.result_name == ops.accumulator_name:
        return _in_range(lambda x, r: _residual(x, r, axis=axis, ops=ops), x, radius, axis=axis, ops=ops)
    return _residual(x, radius, axis=axis, ops=ops)


def _residual(x: Array, radius: Threshold, *, axis: int, ops: ArrayOps) -> Array:
    xp = ops.xp
    found = _level(x, None, radius, axis=axis, tolerance=0.0, ops=ops)
    wide, magnitude, level = found.wide, found.magnitude, found.level
    below = magnitude <= level
    if ops.is_complex:
        cut = wide * (level / xp.where(below, xp.ones_like(magnitude), magnitude))
    else:
        cut = ops.detach(ops.sign(wide)) * level
    cut = xp.where(below, wide, cut)
    return rounded(xp.where(found.inside | (cut == 0), ops.zero(wide), cut), x, ops=ops)


def _level(
    x: Array, weights: Array | None, radius: Threshold, *, axis: int, tolerance: float, ops: ArrayOps
) -> _Level:
    """Find θ and τ by a sort: the k elements with the smallest gaps are the set of k elements with the minimum.

    θ is computed as max(|x|/w) - τ if τ is small, and else as (Σ w·|x| - radius) / Σ w² over the same elements, so that
    neither of them is a small difference of large numbers.
    """
    xp, wide = ops.xp, ops.wide(x)
    span = _RANGES[ops.accumulator_name]
    magnitude = penalty.magnitude(wide, ops=ops)
    r = min(radius, span.largest) if isinstance(radius, float) else ops.accumulated(radius)
    w = free = None
    if weights is not None:
        w, r = _moderate(xp.broadcast_to(ops.accumulated(weights), x.shape), r, axis=axis, ops=ops)
        free = w == 0
        magnitude = xp.where(free, xp.zeros_like(magnitude), magnitude)  # infinite magnitudes too
    ratio = magnitude if w is None else magnitude / xp.where(free, xp.ones_like(w), w)
    fixed_ratio, fixed_w = ops.detach(ratio), None if w is None else ops.detach(w)
    fixed_r = r if isinstance(r, float) else ops.detach(r)

    largest = ops.largest(fixed_ratio, axis, keepdims=True)
    infinite = xp.isinf(largest)  # a vector with an infinity has no nearest point
    top = xp.where(infinite, xp.zeros_like(largest), largest)
    one = xp.ones_like(top)
    scale = xp.where(top > span.high, xp.full_like(top, span.scale), one)
    # Sorting is faster in the narrow dtype.
    narrow = fixed_ratio if w is not None or ops.is_complex else xp.abs(ops.detach(x))
    find = ball_in_parts.least if ops.is_part else _least
    bound = find(narrow, fixed_w, fixed_r, top, scale, axis=axis, ops=ops)

    # Compute τ again from the chosen set: this τ is differentiable, and has the accuracy of a sum in pairs.
    gap = top - ratio
    chosen = ops.detach(gap) < bound
    if w is None:
        squares = _total(xp.astype(chosen, ops.accumulator), axis=axis, ops=ops)
        gaps, mass = gap * scale, magnitude * scale
    else:
        squares = _total(ops.selected(w * w, chosen), axis=axis, ops=ops)
        gaps, mass = w * (w * (gap * scale)), w * (magnitude * scale)
    squares = xp.where(squares > 0, squares, one)
    tau = r / squares + _total(ops.selected(gaps, chosen), axis=axis, ops=ops) / squares / scale
    near = ops.detach(tau) * 2 < top
    whole = _total(ops.selected(mass, chosen), axis=axis, ops=ops)
    theta = xp.where(near, top - tau, (whole - r * scale) / squares / scale)
    if w is None:
        left = xp.where(near, tau - gap, magnitude - theta)
    else:
        left = xp.where(near, w * (tau - gap), magnitude - w * theta)
    zero = ops.zero(magnitude)
    left = xp.where(chosen & (left > 0), left, zero)
    left = _refined(left, w, fixed_r, squares, axis=axis, span=span, ops=ops)
    nan = xp.full_like(top, float("nan"))
    unknown = infinite | xp.isnan(bound)

    total = _total(ops.detach(mass), axis=axis, ops=ops)
    most_allowed = fixed_r * scale * (1 + tolerance)
    smallest = _SMALLEST.get(ops.dtype_name, 0.0) if tolerance else 0.0
    inside = (
        total <= (most_allowed + ops.detach(squares) * smallest if smallest else most_allowed)
    ) & ~unknown
    return _Level(
        wide,
        magnitude,
        xp.where(unknown, nan, left),
        xp.where(unknown, nan, xp.where(theta > 0, theta, zero)),
        inside,
        free,
    )


def _moderate(w: Array, radius: Threshold, *, axis: int, ops: ArrayOps) -> tuple[Array, Threshold]:
    """Divide weights and radius by the largest weight, if its square might overflow or vanish."""
    xp = ops.xp
    most = ops.largest(ops.detach(w), axis, keepdims=True)
    extreme = (most > _EXTREME) | ((most < 1 / _EXTREME) & (most > 0))
    most = xp.where(extreme & xp.isfinite(most), most, xp.ones_like(most))
    return w / most, radius / most


def _least(
    ratio: Array,
    w: Array | None,
    radius: Threshold,
    top: Array,
    scale: Array,
    *,
    axis: int,
    ops: ArrayOps,
) -> Array:
    """Find the least (radius + Σ w²·(top - |x|/w)) / Σ w² over the k elements with the largest ratios, for all k."""
    xp, dtype = ops.xp, ops.accumulator
    if w is None:
        gaps = (top - ops.accumulated(ops.sort_descending(ratio, axis))) * scale
        n = ratio.shape[axis]
        squares = xp.arange(1, n + 1, dtype=dtype, device=ops.device(ratio))
        squares = xp.reshape(squares, tuple(n if a == axis else 1 for a in range(ratio.ndim)))
    else:
        order = xp.argsort(ratio, axis=axis, descending=True)
        w = ops.take_along(w, order, axis)
        gaps = w * (w * ((top - ops.take_along(ratio, order, axis)) * scale))
        squares = ops.cumulative_sum(w * w, axis, dtype)
        squares = xp.where(squares == 0, xp.ones_like(squares), squares)
    means = ops.cumulative_sum(gaps, axis, dtype) / squares / scale
    return -ops.largest(-(means + radius / squares), axis, keepdims=True)


def _refined(
    left: Array, w: Array | None, radius: Threshold, squares: Array, *, axis: int, span: _Range, ops: ArrayOps
) -> Array:
    """Return the magnitudes of the projection without the rounding error of their sum, a constant of derivatives."""
    xp = ops.xp
    fixed, squares = ops.detach(left), ops.detach(squares)
    few: Threshold = 1.0  # keeps the sum finite, which is about the radius
    if not isinstance(radius, float):
        few = xp.where(radius > span.largest / 16, xp.full_like(radius, 0.0625), xp.ones_like(radius))
    elif radius > span.largest / 16:
        few = 0.0625
    terms = fixed * few if w is None else fixed * few * ops.detach(w)
    excess = (_total(terms, axis=axis, ops=ops) - radius * few) / squares / few
    refined = left - (excess if w is None else excess * ops.detach(w))
    return xp.where((fixed > 0) & (refined > 0), refined, ops.zero(left))


def _total(terms: Array, *, axis: int, ops: ArrayOps) -> Array:
    return sums.total(terms, axes=(axis,), keepdims=True, ops=ops)
