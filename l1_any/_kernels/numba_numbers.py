"""The elements of arrays in loops that numba compiles.

float16 is passed as its bits in uint16, and bfloat16 as its bits in int16: the type of the integers says which of the
two is meant. numba chooses the implementation of a function here by the types of its arguments.
"""

import numba
import numpy as np
from numba import extending, types
from numba.core import cgutils

OPTIONS = {"nogil": True, "error_model": "numpy"}


def overload(function):
    """Register an implementation. Without the option it inherits `fastmath` from a function that calls it."""
    return extending.overload(function, jit_options={"fastmath": False})


def jit(function):
    """Compile a function, and keep the machine code on disk where a folder for it can be written."""
    try:
        return numba.njit(cache=True, **OPTIONS)(function)
    except RuntimeError:
        # "no locator available": https://numba.readthedocs.io/en/stable/developer/caching.html
        return numba.njit(**OPTIONS)(function)


@extending.intrinsic
def _pointer(_, address):
    """Return an integer as a pointer: https://numba.readthedocs.io/en/stable/extending/high-level.html#intrinsics."""

    def generate(_context, builder, _signature, arguments):
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(address), generate


@numba.njit(**OPTIONS)
def array_at(address, size, like):
    """Return the array of some elements that begins at an address, of the dtype of another array."""
    return numba.carray(_pointer(address), (size,), like.dtype)


def wide(v):
    """Return an element in float64."""


def narrow(v, like):
    """Round a float32 to the type of another element. A number that already has this type is unchanged."""


def read(v, like):
    """Return an element in the type of another number, which must hold it."""


def magnitude(v):
    """Return |v| in float64."""


@overload(wide)
def _wide_of(v):
    if v == types.int16:

        def bfloat16(v):  # the upper half of a float32
            return np.float64(np.uint32(np.uint32(np.uint16(v)) << np.uint32(16)).view(np.float32))

        return bfloat16
    if v == types.uint16:

        def float16(v):
            # Shifted into a float32, the bits are a number 2^112 times too small. Infinity and NaN need more bits.
            bits = np.uint32(np.uint32(v & np.uint16(0x7FFF)) << np.uint32(13))
            finite = bits.view(np.float32) * np.float32(2.0**112)
            other = np.uint32(bits | np.uint32(0x7F800000)).view(np.float32)
            a = finite if bits < np.uint32(0x0F800000) else other
            return np.float64(-a if v & np.uint16(0x8000) else a)

        return float16
    return lambda v: np.float64(v)


@overload(read)
def _read_of(v, like):
    kind = like
    return lambda v, like: kind(wide(v))


@overload(magnitude)
def _magnitude_of(v):
    if v == types.complex64:

        def modulus(v):  # float64 holds the squares of all float32 numbers
            re, im = np.float64(v.real), np.float64(v.imag)
            return np.sqrt(re * re + im * im)

        return modulus
    if v == types.complex128:

        def safe_modulus(v):
            re, im = abs(v.real), abs(v.imag)
            larger = max(im, re)
            if 1e-140 < larger < 1e140:  # the squares neither overflow nor vanish
                return np.sqrt(re * re + im * im)
            return np.nan if np.isnan(re) or np.isnan(im) else np.hypot(re, im)

        return safe_modulus
    return lambda v: abs(wide(v))


@overload(narrow)
def _narrow_of(v, like):
    if like == types.int16:

        def bfloat16(v, like):  # to nearest, ties to even
            bits = np.float32(v).view(np.uint32)
            half = np.uint32(0x7FFF) + (np.uint32(bits >> np.uint32(16)) & np.uint32(1))
            out = np.int16(np.uint16(np.uint32(bits + half) >> np.uint32(16)))
            return np.int16(0x7FC0) if np.isnan(v) else out

        return bfloat16
    if like == types.uint16:

        def float16(v, like):
            # To nearest, ties to even: "float_to_half_fast3_rtne", https://gist.github.com/rygorous/2156668
            signed = np.float32(v).view(np.uint32)
            bits = np.uint32(signed & np.uint32(0x7FFFFFFF))
            small = np.float32(bits.view(np.float32) + np.float32(0.5)).view(np.uint32) - np.uint32(
                0x3F000000
            )
            odd = np.uint32(bits >> np.uint32(13)) & np.uint32(1)
            normal = np.uint32(np.uint32(bits + np.uint32(0xC8000FFF)) + odd) >> np.uint32(13)
            large = np.uint32(0x7E00) if bits > np.uint32(0x7F800000) else np.uint32(0x7C00)
            out = small if bits < np.uint32(0x38800000) else normal
            out = out if bits < np.uint32(0x477FF000) else large
            return np.uint16(np.uint32(out) | (np.uint32(signed >> np.uint32(16)) & np.uint32(0x8000)))

        return float16
    return lambda v, like: v


@numba.njit(**OPTIONS)
def part_of(a, start, stop):
    """Return the elements of a mask or weights, which may repeat, that belong to a part of x; None stays None."""
    if a is None:
        return a
    first = start % a.size
    return a[first : first + stop - start]


@numba.njit(**OPTIONS)
def end_of(a, start, stop):
    """Return where the part of x that starts at `start` must end, because a mask or weights start again there."""
    return stop if a is None else min(stop, start - start % a.size + a.size)


@numba.njit(**OPTIONS)
def add(high, low, term):
    """Add a term to a sum of two numbers, the second of which collects the rounding errors of the first (Knuth)."""
    s = high + term
    b = s - high
    return s, low + ((high - (s - b)) + (term - b))
