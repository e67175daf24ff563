"""The code of the Triton kernels that runs on the GPU. `cuda_triton` calls it.

Numbers are passed as the bits of a float64 in an integer: Triton would pass a Python float as float32. They have no
annotation, because Triton takes an annotated argument that is None for a number.
A mask or weights that are repeated along x have a period, the number of their elements; else the period is None.
"""

# ruff: noqa: ANN001, ANN202, PLR0917 - Triton compiles these functions by the types of their arguments

import triton
import triton.language as tl


@triton.jit
def _float64(bits):
    return bits.to(tl.int64).to(tl.float64, bitcast=True)


@triton.jit
def _wide(x):
    """Cast to the dtype of results: float64 for float64, else float32."""
    return x if x.dtype == tl.float64 else x.to(tl.float32)


@triton.jit
def _repeated(offsets, period):
    """Return the offsets in an array that is repeated along x."""
    if period is not None:
        offsets = offsets % period
    return offsets


@triton.jit
def _chosen(mask, period, offsets, inside):
    """Return which elements are inside the array and selected by the mask."""
    if mask is not None:
        inside = inside & tl.load(mask + _repeated(offsets, period), mask=inside, other=0)
    return inside


@triton.jit
def _selected(a, offsets, inside, chosen):
    """Load elements in the dtype of results, and 0 where they are not chosen.

    Loads are masked by `inside` alone: with another mask Triton loads the elements one by one, and not 16 bytes at
    once.
    """
    return tl.where(chosen, _wide(tl.load(a + offsets, mask=inside, other=0.0)), 0.0)


@triton.jit
def _sign(x):
    s = tl.where(x > 0, 1.0, tl.where(x < 0, -1.0, 0.0)).to(x.dtype)
    return tl.where(x == x, s, x)  # noqa: PLR0124 - NaN


@triton.jit
def _scaled(s, scale, number):
    """Multiply by the element of an array or by a number, in the dtype of s."""
    if scale is not None:
        s = s * tl.load(scale).to(s.dtype)
    elif number is not None:
        s = s * _float64(number).to(s.dtype)
    return s


@triton.jit
def _rounded(p, dtype: tl.constexpr):
    """Round once to a dtype, with +0.0 for every zero."""
    wide = p.to(dtype).to(p.dtype)
    return tl.where(wide == 0, 0.0, wide).to(dtype)


@triton.jit
def _huber(x, delta):
    """h(x) = |x|²/(2δ) where |x| <= δ, else |x| - δ/2; in float64."""
    a = tl.abs(x.to(tl.float64))
    return tl.where(a <= delta, a * (a / delta * 0.5), a - delta * 0.5)


@triton.jit
def _huber_slope(x, delta):
    """h'(x): x/δ where |x| <= δ, else the sign of x; computed in float64."""
    wide = x.to(tl.float64)
    return tl.where(tl.abs(wide) <= delta, wide / delta, _sign(wide)).to(x.dtype)


@triton.jit
def _compensated(total, error, length: tl.constexpr):
    """Add up ``length`` totals in each row, and the errors that were left of them, to less than 1 ulp.

    Adding and subtracting a large number cuts the totals at one bit. The upper parts then add up without an error,
    and the lower parts are small. S. M. Rump, T. Ogita and S. Oishi (2008), "Accurate floating-point summation, part
    I", https://doi.org/10.1137/050645671, algorithm ExtractVector.
    """
    large = tl.max(total, axis=1) * (2 * length)
    upper = (total + large[:, None]) - large[:, None]
    lower = (total - upper) + error
    exact = tl.sum(upper, axis=1) + tl.sum(lower, axis=1)
    return tl.where(large < float("inf"), exact, tl.sum(total, axis=1))


@triton.jit(do_not_specialize=["delta", "number"])
def sums(
    x,
    mask,
    mask_period,
    weights,
    weights_period,
    out,
    signs,
    scale,
    number,
    delta,
    kept,
    reduced,
    segment,
    stride_kept,
    stride_reduced,
    stride_outer,
    rows: tl.constexpr,
    columns: tl.constexpr,
    is_large: tl.constexpr,
):
    """Sum m·w·|x|, or m·w·h(x) if δ is given, of x[outer, kept, reduced] along the last axis, in float64.

    The second axis of the grid are segments of the reduced axis. Each has a sum of its own in out[outer, kept,
    segments]. If `signs` is given, m·sign(x)·scale is written there.
    """
    index: tl.constexpr = tl.int64 if is_large else tl.int32
    groups = tl.cdiv(kept, rows)
    outer = (tl.program_id(0) // groups).to(index)
    row = (tl.program_id(0) % groups).to(index) * rows + tl.arange(0, rows)
    start = tl.program_id(1).to(index) * segment
    stop = tl.minimum(start + segment, reduced)
    is_corrected: tl.constexpr = x.dtype.element_ty == tl.float64  # sums of other dtypes need no correction
    total = tl.zeros([rows, columns], tl.float64)
    error = tl.zeros([rows, columns], tl.float64)
    for first in range(start, stop, columns):
        column = first + tl.arange(0, columns)
        inside = (row < kept)[:, None] & (column < stop)[None, :]
        offsets = outer * stride_outer + (row * stride_kept)[:, None] + (column * stride_reduced)[None, :]
        chosen = _chosen(mask, mask_period, offsets, inside)
        own = _selected(x, offsets, inside, chosen)
        term = tl.abs(own).to(tl.float64) if delta is None else _huber(own, _float64(delta))
        if weights is not None:
            w = _selected(weights, _repeated(offsets, weights_period), inside, chosen)
            term = term * w.to(tl.float64)
        if is_corrected:  # Knuth's TwoSum
            added = total + term
            part = added - total
            error += (total - (added - part)) + (term - part)
            total = added
        else:
            total += term
        if signs is not None:
            s = tl.where(chosen, _scaled(_sign(own), scale, number), 0.0)
            tl.store(signs + offsets, _rounded(s, signs.dtype.element_ty), mask=inside)
    found = _compensated(total, error, columns) if is_corrected else tl.sum(total, axis=1)
    target = (outer * kept + row) * tl.num_programs(1) + tl.program_id(1)
    tl.store(out + target, found, mask=row < kept)


@triton.jit(do_not_specialize=["delta", "number"])
def slopes(
    x,
    mask,
    mask_period,
    scale,
    number,
    delta,
    out,
    size,
    length: tl.constexpr,
    is_large: tl.constexpr,
):
    """m·sign(x)·scale, or m·h'(x)·scale if δ is given, in the dtype of x."""
    index: tl.constexpr = tl.int64 if is_large else tl.int32
    offsets = tl.program_id(0).to(index) * length + tl.arange(0, length)
    inside = offsets < size
    chosen = _chosen(mask, mask_period, offsets, inside)
    own = _selected(x, offsets, inside, chosen)
    s = _sign(own) if delta is None else _huber_slope(own, _float64(delta))
    s = tl.where(chosen, _scaled(s, scale, number), 0.0)  # also where the scale is infinite
    tl.store(out + offsets, _rounded(s, out.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["step"])
def soft_threshold(
    x,
    mask,
    mask_period,
    weights,
    weights_period,
    step,
    out,
    size,
    length: tl.constexpr,
    is_large: tl.constexpr,
):
    """Soft-threshold by t = step·w: x - sign(x)·t, or +0.0 where |x| <= t, or x where the mask is false."""
    index: tl.constexpr = tl.int64 if is_large else tl.int32
    offsets = tl.program_id(0).to(index) * length + tl.arange(0, length)
    inside = offsets < size
    own = tl.load(x + offsets, mask=inside, other=0.0)
    wide = _wide(own)
    t = _float64(step).to(wide.dtype)
    if weights is not None:
        t = _selected(weights, _repeated(offsets, weights_period), inside, inside).to(wide.dtype) * t
    p = tl.where(tl.abs(wide) <= t, 0.0, wide - _sign(wide) * t)
    p = _rounded(p, out.dtype.element_ty)
    if mask is not None:
        p = tl.where(_chosen(mask, mask_period, offsets, inside), p, own)
    tl.store(out + offsets, p, mask=inside)
