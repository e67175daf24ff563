"""Soft thresholds."""

import math

from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array

from . import penalty

Threshold = Array | float

SMALLEST_NORMAL = {"float32": 2.0**-126, "float64": 2.0**-1022}


def prox(
    x: Array,
    where: Array | None,
    weights: Array | None,
    step: Threshold,
    *,
    nonnegative: bool,
    ops: ArrayOps,
) -> Array:
    """Soft-threshold x by step·w where the mask is true; computed in float32 or wider and rounded once."""
    wide = x if where is None else ops.selected(x, where)
    if not (ops.is_complex or ops.is_result):
        wide = ops.result(wide)
    t = step
    if weights is not None or not isinstance(step, float):
        t = threshold(step, weights, where, ops=ops)
    if nonnegative:
        p = nonnegative_part(wide, t, ops=ops)
    elif ops.is_complex:
        p = shrink_modulus(wide, t, ops=ops)
    else:
        p = shrink(wide, t, ops=ops)
    if p.dtype != x.dtype:
        p = rounded(p, x, ops=ops)
    return p if where is None else ops.where(where, p, x)


def rounded(p: Array, x: Array, *, ops: ArrayOps) -> Array:
    """Round p to x's dtype. Numbers that underflow become +0.0."""
    if p.dtype == x.dtype:
        return p
    p, zero = ops.cast(p, x.dtype), ops.zero(x)
    return ops.where(p == zero, zero, p)


def threshold(step: Threshold, weights: Array | None, where: Array | None, *, ops: ArrayOps) -> Threshold:
    """step·w in the dtype of results; without array weights, a step that is a float stays a float."""
    step = step if isinstance(step, float) else ops.result(step)
    return step if weights is None else ops.result(ops.selected(weights, where)) * step


def shrink(x: Array, t: Threshold, *, ops: ArrayOps) -> Array:
    """sign(x)·max(|x| - t, 0) of real x, with +0.0 for every zero and a derivative of 0 where |x| <= t."""
    # array-api-compat's clip makes three arrays of Dask's, and cannot handle unknown lengths.
    if (
        not (ops.is_differentiated or ops.is_chunked)
        and isinstance(t, float)
        and t >= SMALLEST_NORMAL[ops.result_name]
    ):
        return x - ops.clip(x, -t, t)  # x - x is +0.0
    zero = ops.zero(x)
    p = x - ops.detach(ops.sign(x)) * t
    # If the library flushes subnormals, p can be a zero with the sign of x where |x| > t.
    return ops.where((ops.abs(x) <= t) | (p == zero), zero, p)


def nonnegative_part(x: Array, t: Threshold, *, ops: ArrayOps) -> Array:
    """max(x - t, 0) of real x, with a derivative of 0 where x <= t."""
    return ops.where(x <= t, ops.zero(x), x - t)


def shrink_modulus(x: Array, t: Threshold, *, ops: ArrayOps) -> Array:
    """x·max(1 - t/|x|, 0) of complex x, which keeps the phase."""
    xp = ops.xp
    finite = xp.isfinite(x)
    one = ops.full((), 1, x.dtype, x)
    safe = xp.where(finite, x, one)
    quarter = penalty.quarter(safe, ops=ops)
    t = quarter * t
    size = xp.abs(safe * quarter)
    inside = (size <= t) & finite
    safe, size = xp.where(inside, one, safe), xp.where(inside, xp.ones_like(size), size)
    p = xp.where(finite, safe * share_left(size, t, ops=ops), x)
    p = xp.where(inside, ops.zero(x), p)
    # The magnitude of a number with an infinite part and a NaN is infinite, but such a number is NaN.
    # It is a product, because torch.export cannot write such a number into a program.
    return xp.where(xp.isnan(x), ops.full((), math.nan, x.dtype, x) * (1 + 1j), p)


def share_left(length: Array, t: Threshold, *, ops: ArrayOps) -> Array:
    """1 - t/length for a length > t. It is exactly 1 at t = 0 even if division is approximate, as in XLA on a GPU."""
    if isinstance(t, float):  # torch would multiply t by a reciprocal, which can be infinite
        t = ops.full((), t, length.dtype, length)
    small = t <= length / 2
    share = ops.where(small, t, length - t) / length
    return ops.where(small, 1 - share, share)


def prox_elastic_net(
    x: Array,
    where: Array | None,
    weights: Array | None,
    step: Threshold,
    *,
    l1_ratio: Threshold,
    ops: ArrayOps,
) -> Array:
    """Soft threshold by step·l1_ratio, divided by 1 + step·(1 - l1_ratio)."""
    wide = x if ops.is_complex else ops.result(x)
    t = threshold(step, weights, where, ops=ops)
    l1_ratio = l1_ratio if isinstance(l1_ratio, float) else ops.result(l1_ratio)
    p = (shrink_modulus if ops.is_complex else shrink)(wide, t * l1_ratio, ops=ops)
    zero = ops.zero(wide)
    p = ops.where(p == zero, zero, p / (1 + t * (1 - l1_ratio)))
    return rounded(p, x, ops=ops)
