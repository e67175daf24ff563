"""Soft thresholds: pure functions of arrays, eager or traced, with their namespace given. No checks."""

from . import _array, _formula
from ._typing import Array, DType, Namespace

Threshold = Array | float


def prox(
    x: Array,
    where: Array | None,
    weights: Array | None,
    step: Threshold,
    *,
    nonnegative: bool,
    xp: Namespace,
) -> Array:
    """Soft-threshold x by step·w where the mask selects; worked in float32 at least, rounded once."""
    dtype = _array.result_dtype(x, xp)
    selected = _formula.selected(x, where, xp=xp)
    wide = selected if _array.is_complex(x) else xp.astype(selected, dtype, copy=False)
    t = threshold(step, weights, where, dtype, xp=xp)
    if nonnegative:
        p = nonnegative_part(wide, t, xp=xp)
    elif _array.is_complex(x):
        p = shrink_modulus(wide, t, xp=xp)
    else:
        p = shrink(wide, t, xp=xp)
    p = rounded(p, x, xp=xp)
    return p if where is None else xp.where(where, p, x)


def rounded(p: Array, x: Array, *, xp: Namespace) -> Array:
    """Round p to x's dtype, where what is too small for it becomes +0.0."""
    if p.dtype == x.dtype:
        return p
    p, zero = xp.astype(p, x.dtype), _array.zero(x, xp)
    return xp.where(p == zero, zero, p)


def threshold(
    step: Threshold, weights: Array | None, where: Array | None, dtype: DType, *, xp: Namespace
) -> Threshold:
    """step·w in a real dtype, where a number stays one."""
    step = step if isinstance(step, float) else xp.astype(step, dtype, copy=False)
    if weights is None:
        return step
    return xp.astype(_formula.selected(weights, where, xp=xp), dtype, copy=False) * step


def shrink(x: Array, t: Threshold, *, xp: Namespace) -> Array:
    """sign(x)·max(|x| - t, 0) of real x, with +0.0 for every zero and a derivative of 0 where |x| <= t."""
    plain = not _array.is_differentiated(x) and all(map(_array.is_known, x.shape))  # compat clips no other
    if plain and isinstance(t, float) and t >= xp.finfo(x.dtype).smallest_normal:
        return x - _array.clip(x, -t, t, xp)  # x - x is +0.0
    zero = _array.zero(x, xp)
    p = x - _array.detach(_array.sign(x, xp)) * t
    # p can be a zero by itself where subnormals are flushed: that one would keep its sign.
    return xp.where((xp.abs(x) <= t) | (p == zero), zero, p)


def nonnegative_part(x: Array, t: Threshold, *, xp: Namespace) -> Array:
    """max(x - t, 0) of real x, with a derivative of 0 where x <= t."""
    return xp.where(x <= t, _array.zero(x, xp), x - t)


def shrink_modulus(x: Array, t: Threshold, *, xp: Namespace) -> Array:
    """x·max(1 - t/|x|, 0) of complex x: the phase is kept."""
    inside = xp.abs(x) <= t
    finite = xp.isfinite(x)
    one = _array.full((), 1, x.dtype, x, xp)
    safe = xp.where(inside | ~finite, one, x)
    p = xp.where(finite, safe * share_left(xp.abs(safe), t, xp=xp), x)
    return xp.where(inside, _array.zero(x, xp), p)


def share_left(length: Array, t: Threshold, *, xp: Namespace) -> Array:
    """1 - t/length of a length > t: 1 at t = 0, also where division is approximate, as XLA's is on a GPU."""
    if isinstance(t, float):  # which torch would multiply by a reciprocal, infinite for subnormals
        t = _array.full((), t, length.dtype, length, xp)
    small = t <= length / 2
    share = xp.where(small, t, length - t) / length
    return xp.where(small, 1 - share, share)


def prox_elastic_net(
    x: Array,
    where: Array | None,
    weights: Array | None,
    step: Threshold,
    *,
    l1_ratio: float,
    xp: Namespace,
) -> Array:
    """Soft threshold by step·l1_ratio, over 1 + step·(1 - l1_ratio)."""
    wide = x if _array.is_complex(x) else xp.astype(x, _array.result_dtype(x, xp), copy=False)
    t = threshold(step, weights, where, _array.result_dtype(x, xp), xp=xp)
    p = (shrink_modulus if _array.is_complex(x) else shrink)(wide, t * l1_ratio, xp=xp)
    zero = _array.zero(wide, xp)
    p = xp.where(p == zero, zero, p / (1 + t * (1 - l1_ratio)))
    return rounded(p, x, xp=xp)


def subdiff_distance(
    x: Array,
    gradient: Array,
    where: Array | None,
    weights: Array | None,
    strength: Threshold,
    *,
    xp: Namespace,
) -> Array:
    """|g + t·s| where x ≠ 0, the distance of |g| to [0, t] where x = 0; 0 where masked out."""
    dtype = _array.result_dtype(x, xp)
    x, g = (_formula.selected(a, where, xp=xp) for a in (x, gradient))
    if not _array.is_complex(x):
        x, g = (xp.astype(a, dtype, copy=False) for a in (x, g))
    t = threshold(strength, weights, where, dtype, xp=xp)
    s = _array.detach(_formula.sign(x, xp=xp))
    at_zero = nonnegative_part(magnitude(g, xp=xp), t, xp=xp)
    distance = xp.where(x == _array.zero(x, xp), at_zero, magnitude(g + s * t, xp=xp))
    return distance if where is None else xp.where(where, distance, xp.zeros_like(distance))


def strengths(g: Array, weights: Array | None, factor: float | None, *, xp: Namespace) -> Array:
    """|g|/w, and 0 where w is 0: that element is not penalised."""
    a = xp.astype(magnitude(g, xp=xp), _array.result_dtype(g, xp), copy=False)
    if factor is not None:
        w = _array.full((), factor, a.dtype, a, xp)
    elif weights is not None:
        w = xp.astype(weights, a.dtype, copy=False)
    else:
        return a
    return xp.where(w > 0, a / xp.where(w > 0, w, xp.ones_like(w)), xp.zeros_like(a))


def magnitude(x: Array, *, xp: Namespace) -> Array:
    """|x|, with a derivative of 0 at 0 in every library."""
    return _formula.differentiable_abs(x, xp=xp) if _array.is_differentiated(x) else xp.abs(x)
