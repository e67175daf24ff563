"""Signs, soft thresholds and Huber gradients, compiled by numba. A mask repeats along x, or is as long as x."""

# numba_numbers.py: sha256 cb69141e96647d5d
# With this line numba's cache notices a change in that file: it looks at the file of a compiled function alone.

import numba
import numpy as np
from numba import types

from .numba_numbers import OPTIONS, add, array_at, end_of, jit, magnitude, narrow, overload, part_of, read


def _sign(v, numbers):
    """Return one of the first four numbers: for an element that is positive, negative, zero or NaN."""


@overload(_sign)
def _sign_of(v, numbers):
    if v in (types.int16, types.uint16):
        infinite = 0x7F80 if v == types.int16 else 0x7C00

        def of_bits(v, numbers):
            bits = np.uint16(v)
            size = bits & np.uint16(0x7FFF)
            s = numbers[1] if bits & np.uint16(0x8000) else numbers[0]
            s = numbers[2] if size == 0 else s
            return numbers[3] if size > infinite else s

        return of_bits
    if isinstance(v, types.Complex):

        def of_complex(v, numbers):
            # The steps of the formula, in its order, so that the bits are the same.
            re, im = v.real, v.imag
            size_re, size_im = abs(re), abs(im)
            larger = max(size_im, size_re)
            zero, one = type(re)(0), type(re)(1)
            if np.isnan(re) or np.isnan(im):
                return numbers[3]
            if larger == 0:
                return numbers[2]
            if np.isinf(larger):
                re = (one if re > 0 else -one) if np.isinf(re) else zero
                im = (one if im > 0 else -one) if np.isinf(im) else zero
            else:
                re, im = re / larger, im / larger
            length = np.sqrt(re * re + im * im)
            return complex(re / length * numbers[0].real + zero, im / length * numbers[0].real + zero)

        return of_complex

    def of_float(v, numbers):
        s = numbers[0] if v > 0 else numbers[1]
        s = numbers[2] if v == 0 else s
        return numbers[3] if np.isnan(v) else s

    return of_float


@numba.njit(**OPTIONS)
def _write_signs(x, where, numbers, out):
    # Not as an array, because out might share its memory.
    numbers = (numbers[0], numbers[1], numbers[2], numbers[3], numbers[4])
    for i in range(x.size):
        s = _sign(x[i], numbers)
        if where is not None:
            s = s if where[i] else numbers[4]
        out[i] = s


@jit
def signs_of_part(x, where, numbers, out, start, stop):
    """Write one of five numbers for each element: its sign times a number, or the last where the mask is false."""
    while start < stop:
        end = end_of(where, start, stop)
        _write_signs(x[start:end], part_of(where, start, end), numbers, out[start:end])
        start = end


@jit
def signs_of_parts(like, addresses, sizes, numbers, rows, outs, start, stop):
    """Write signs of some parts of several arrays, given by their addresses, times the numbers in a row for each."""
    for i in range(start, stop):
        x, out = array_at(addresses[i], sizes[i], like), array_at(outs[i], sizes[i], like)
        _write_signs(x, None, numbers[rows[i]], out)


@numba.njit(fastmath={"reassoc", "nsz"}, **OPTIONS)
def _sum_and_signs(x, where, numbers, out):
    numbers = (numbers[0], numbers[1], numbers[2], numbers[3], numbers[4])
    total = 0.0
    for i in range(x.size):
        a, s = magnitude(x[i]), _sign(x[i], numbers)
        if where is not None:
            a, s = (a, s) if where[i] else (0.0, numbers[4])
        total += a
        out[i] = s
    return total


@jit
def sum_and_signs_of_part(x, where, numbers, out, start, stop, run, sums, i):
    """Write signs as `signs_of_part` does; return Σ m·|x| and store it in ``sums[i]``, as `sum_of_part` does."""
    high, low = 0.0, 0.0
    while start < stop:
        end = end_of(where, start, min(start + run, stop))
        term = _sum_and_signs(x[start:end], part_of(where, start, end), numbers, out[start:end])
        high, low = add(high, low, term)
        start = end
    sums[i, 0], sums[i, 1] = high, low
    return high + low if np.isfinite(low) else high


def _write(x, out, i, v):
    """Write an element to an array, or to x if there is no array. A read-only x has no code for the latter."""


@overload(_write)
def _write_to(x, out, i, v):
    if isinstance(out, types.NoneType):

        def in_place(x, out, i, v):
            x[i] = v

        return in_place

    def elsewhere(x, out, i, v):
        out[i] = v

    return elsewhere


@numba.njit(**OPTIONS)
def _shrink(x, where, weights, step, out):
    """Soft-threshold: 0 where |x| <= t, else x - t·sign(x), computed in the type of the step."""
    for i in range(x.size):
        v = read(x[i], step)
        t = step
        if weights is not None:
            t = read(weights[i], step) * step
        p = v - t if v > 0 else v + t
        # Only a subnormal result can vanish here, and only where the processor flushes it.
        p = type(step)(0) if abs(v) <= t or p == 0 else p
        q = narrow(p, x[i])
        if where is not None:
            q = q if where[i] else x[i]
        _write(x, out, i, q)


@jit
def soft_threshold_of_part(x, where, weights, step, out, start, stop):
    """Write soft-thresholded elements, in place if `out` is None. Where the mask is false, x is kept."""
    while start < stop:
        end = end_of(weights, start, end_of(where, start, stop))
        _shrink(
            x[start:end],
            part_of(where, start, end),
            part_of(weights, start, end),
            step,
            part_of(out, start, end),
        )
        start = end


@jit
def soft_thresholds_of_parts(like, addresses, sizes, step, start, stop):
    """Soft-threshold some parts of several arrays, given by their addresses, in place."""
    for i in range(start, stop):
        x = array_at(addresses[i], sizes[i], like)
        _shrink(x, None, None, step, None)


@numba.njit(**OPTIONS)
def _write_slopes(x, where, scale, delta, out):
    """Write x/δ, divided in float64, or the sign; rounded, then multiplied by a number."""
    one, zero = type(scale)(1), type(scale)(0)
    for i in range(x.size):
        v = np.float64(x[i])
        slope = type(scale)(v / delta) if abs(v) <= delta else (one if v > 0 else -one)
        slope = slope * scale
        slope = x[i] if np.isnan(v) else (zero if slope == 0 else slope)
        if where is not None:
            slope = slope if where[i] else zero
        out[i] = slope


@jit
def slopes_of_part(x, where, scale, delta, out, start, stop):
    """Write the derivative of the Huber function with half-width `delta`, times a number."""
    while start < stop:
        end = end_of(where, start, stop)
        _write_slopes(x[start:end], part_of(where, start, end), scale, delta, out[start:end])
        start = end
