"""The sum of absolute values without any rounding, for arrays of any size."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from .backends import result_dtype

_BLOCK = 2**18
# the smallest positive float64 is 0.5 * 2**-1073 and a mantissa has 53 bits, so all are multiples of 2**_UNIT
_MIN_EXPONENT = -1073
_UNIT = _MIN_EXPONENT - 53
_HIGH_BITS, _LOW_BITS = 27, 26
_FORMATS = {"float16": (-14, 10), "bfloat16": (-126, 7), "float32": (-126, 23), "float64": (-1022, 52)}
"""For each real dtype, the exponent of its least normal number and the number of bits of its fraction."""


@dataclass(frozen=True)
class AbsoluteSum:
    """Σ|x| without any rounding.

    Parameters
    ----------
    total : Fraction or float
        The sum; a float only if it is infinite or NaN.
    size, nonzero, subnormal : int
        The number of all elements, of the elements that are not 0, and of the subnormal elements.
    dtype : NumPy dtype
        The dtype of the penalty: float64 for float64 and complex128 data, else float32.
    """

    total: Fraction | float
    size: int
    nonzero: int
    subnormal: int
    dtype: np.dtype[Any]

    def rounded(self, reduce: str) -> float:
        """Return the sum or the mean, rounded once to `dtype`.

        Parameters
        ----------
        reduce : "sum" or "mean"
            The reduction. The mean of an empty array is NaN.

        Returns
        -------
        float
            A number that `dtype` holds.
        """
        if isinstance(self.total, float):
            return self.total
        if reduce == "mean" and not self.size:
            return math.nan
        return round_to(self.total / self.size if reduce == "mean" else self.total, self.dtype)


def absolute_sum(x: npt.NDArray[Any]) -> AbsoluteSum:
    """Sum |x| exactly, block by block.

    Parameters
    ----------
    x : NumPy array
        Real or complex, of any shape, memory order and size; mapped files are read once.

    Returns
    -------
    AbsoluteSum
        The sum and the numbers of elements.

    Notes
    -----
    Each |x| is m·2**e with an integer m of 53 bits. The integer is split into a high part of 27 bits and a low part
    of 26. Within a block of 2**18 elements, the parts with the same exponent sum to less than 2**45, which float64
    holds exactly. The sums of the blocks are then added as Python integers. This is a superaccumulator: Neal
    (2015), "Fast exact summation using small and large superaccumulators", arXiv:1505.05571.

    |z| of a complex number is irrational in general. It is computed in extended precision if the platform has it,
    and is added as the sum of two float64 numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from l1_any.testing.exact_sum import absolute_sum
    >>> absolute_sum(np.asarray([1e300, -1.0, 1e-300])).rounded("sum")
    1e+300
    """
    dtype = np.dtype(result_dtype(x.dtype.name))
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


def last_place(magnitude: npt.ArrayLike, dtype: str) -> Any:
    """Return the unit in the last place of finite numbers >= 0 of a dtype, as float64."""
    least_exponent, fraction_bits = _FORMATS[dtype]
    _, exponent = np.frexp(np.asarray(magnitude, np.float64))
    exponent = np.where(np.equal(magnitude, 0), least_exponent, np.maximum(exponent - 1, least_exponent))
    return np.ldexp(1.0, exponent - fraction_bits)


def round_to(value: Fraction, dtype: npt.DTypeLike) -> float:
    """Round a rational number once to a real dtype, half to even.

    Parameters
    ----------
    value : Fraction
        Any rational number.
    dtype : NumPy dtype or str
        float16, bfloat16, float32 or float64.

    Returns
    -------
    float
        The nearest number of the dtype, or an infinity if the value overflows.

    Examples
    --------
    >>> from fractions import Fraction
    >>> from l1_any.testing.exact_sum import round_to
    >>> round_to(Fraction(2**24 + 1), "float32")
    16777216.0
    """
    if not value:
        return 0.0
    least_exponent, fraction_bits = _FORMATS[real_name(dtype)]
    sign, value = (-1 if value < 0 else 1), abs(value)
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    exponent -= value < Fraction(2) ** exponent
    spacing = Fraction(2) ** (max(exponent, least_exponent) - fraction_bits)
    nearest = round(value / spacing) * spacing
    return sign * (float(nearest) if nearest < Fraction(2) ** (2 - least_exponent) else math.inf)


def real_name(dtype: npt.DTypeLike) -> str:
    """Return the name of a real floating dtype; NumPy does not know "bfloat16" before ml_dtypes is imported."""
    name = "bfloat16" if dtype == "bfloat16" else np.dtype(dtype).name
    if name not in _FORMATS:
        raise TypeError(f"`dtype` must be one of {', '.join(_FORMATS)}, got {name}.")
    return name
