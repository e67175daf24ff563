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
    t = threshold(step, _formula.selected(weights, where, xp=xp), dtype, xp=xp)
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


def threshold(step: Threshold, weights: Array | None, dtype: DType, *, xp: Namespace) -> Threshold:
    """step·w in a real dtype; a number stays one."""
    if not isinstance(step, float):
        step = xp.astype(step, dtype, copy=False)
    if weights is None:
        return step
    return xp.astype(weights, dtype, copy=False) * step


def shrink(x: Array, t: Threshold, *, xp: Namespace) -> Array:
    """sign(x)·max(|x| - t, 0) of real x, with +0.0 for every zero and a derivative of 0 where |x| <= t."""
    if isinstance(t, float) and t > 0 and not _array.is_differentiated(x):
        return x - xp.clip(x, -t, t)  # x - x is +0.0
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
    modulus = xp.abs(safe)
    p = xp.where(finite, safe * ((modulus - t) / modulus), x)
    return xp.where(inside, _array.zero(x, xp), p)
