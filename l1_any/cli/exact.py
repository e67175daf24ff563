"""The exactly rounded sum of absolute values, and the distance between two floats."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

_BLOCK = 2**18
# the smallest positive float64 is 0.5 * 2**-1073 and a mantissa has 53 bits, so all are multiples of 2**_UNIT
_MIN_EXPONENT = -1073
_UNIT = _MIN_EXPONENT - 53
_HIGH_BITS, _LOW_BITS = 27, 26


@dataclass(frozen=True)
class AbsoluteSum:
    """Σ|x| without any rounding; `total` is a float only if it is infinite or NaN."""

    total: Fraction | float
    size: int
    nonzero: int
    subnormal: int
    dtype: np.dtype[Any]
    """The dtype of the penalty: float64 for float64 and complex128 data, float32 for all other data."""

    def rounded(self, reduce: str) -> float:
        """Return the sum, or the mean, rounded once to `dtype`; the mean of nothing is NaN."""
        if isinstance(self.total, float):
            return self.total
        if reduce == "mean" and not self.size:
            return math.nan
        return round_to(self.total / self.size if reduce == "mean" else self.total, self.dtype)


def absolute_sum(x: npt.NDArray[Any]) -> AbsoluteSum:
    """
    Sum |x| exactly, block by block.

    Parameters
    ----------
    x
        Real or complex array of any shape, memory order and size. A mapped file is read once.

    Notes
    -----
    Each |x| is m·2**e with an integer m of 53 bits. The integer is split into a high part of 27 bits and a low part
    of 26. Within a block of 2**18 elements, the parts with the same exponent sum to less than 2**45, which float64
    holds exactly. The sums of the blocks are then added as Python integers. This is a superaccumulator: Neal
    (2015), "Fast exact summation using small and large superaccumulators", arXiv:1505.05571.

    |z| of a complex number is irrational in general. It is computed in extended precision if the platform has one,
    and added as the sum of two float64 numbers.
    """
    dtype = np.dtype(np.float64 if x.dtype.name in {"float64", "complex128"} else np.float32)
    smallest_normal = float(np.finfo(dtype.type).smallest_normal)
    narrow = x.dtype.kind != "c" and x.dtype.itemsize <= np.dtype(np.float32).itemsize
    total, special, nonzero, subnormal = 0, 0.0, 0, 0
    work = np.dtype(np.clongdouble if x.dtype.kind == "c" else np.float64)
    blocks = np.nditer(
        x,
        flags=["external_loop", "buffered", "zerosize_ok"],
        op_dtypes=[work],
        casting="unsafe",  # ml_dtypes does not declare the cast from bfloat16 to float64 as safe
        buffersize=_BLOCK,
    )
    for block in blocks:
        magnitude = np.abs(block)
        nonzero += int(np.count_nonzero(magnitude))
        subnormal += int(np.count_nonzero((magnitude > 0) & (magnitude < smallest_normal)))
        head = magnitude.astype(np.float64, copy=False)
        finite = np.isfinite(head)
        if not finite.all():
            special += float(head[~finite].sum())
            magnitude, head = magnitude[finite], head[finite]
        total += _exact_units(head, narrow=narrow)
        if head is not magnitude:
            tail = (magnitude - head).astype(np.float64)
            total += _exact_units(tail[tail > 0], narrow=False) - _exact_units(-tail[tail < 0], narrow=False)
    exact = Fraction(total, 1 << -_UNIT)
    return AbsoluteSum(special or exact, x.size, nonzero, subnormal, dtype)


def _exact_units(magnitude: npt.NDArray[np.float64], *, narrow: bool) -> int:
    """Sum one block of finite non-negative float64, in units of 2**_UNIT; `narrow`: all fit float32."""
    mantissa, exponent = np.frexp(magnitude)
    exponent -= _MIN_EXPONENT
    scaled = mantissa * 2.0**_HIGH_BITS
    if narrow:
        return _sum_by_exponent(exponent, scaled) << _LOW_BITS
    high = np.floor(scaled)
    low = (scaled - high) * 2.0**_LOW_BITS
    return (_sum_by_exponent(exponent, high) << _LOW_BITS) + _sum_by_exponent(exponent, low)


def _sum_by_exponent(exponent: npt.NDArray[np.int32], integers: npt.NDArray[np.float64]) -> int:
    sums = np.bincount(exponent, weights=integers)
    return sum(int(sums[e]) << int(e) for e in np.flatnonzero(sums))


def round_to(value: Fraction, dtype: np.dtype[Any]) -> float:
    """Round a non-negative rational once to float32 or float64, half to even."""
    info = np.finfo(dtype)
    if not value:
        return 0.0
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    exponent -= value < Fraction(2) ** exponent
    spacing = Fraction(2) ** (max(exponent, int(info.minexp)) - int(info.nmant))
    nearest = round(value / spacing) * spacing
    return float(nearest) if nearest <= Fraction(float(info.max)) else math.inf


def ulps(value: float, expected: float, dtype: np.dtype[Any]) -> float:
    """Count the steps of `dtype` from `expected` to `value`: 0 for two NaNs, inf if only one is finite."""
    if value == expected or (math.isnan(value) and math.isnan(expected)):
        return 0.0
    if not (math.isfinite(value) and math.isfinite(expected)):
        return math.inf
    return float(abs(_ordinal(value, dtype) - _ordinal(expected, dtype)))


def _ordinal(value: float, dtype: np.dtype[Any]) -> int:
    """Return the position of a float among all floats of `dtype` in ascending order, 0 for both zeros."""
    with np.errstate(over="ignore"):
        bits = int(np.asarray(abs(value), dtype).view(f"i{dtype.itemsize}"))
    return -bits if value < 0 else bits
