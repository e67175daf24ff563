"""The exact value that the libraries are compared with, quickly for data of the formats that float64 sums well."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from l1_any.testing.exact_sum import AbsoluteSum, absolute_sum, round_to

_BLOCK = 1 << 18
_STEPS = 64  # NumPy adds a block in at most 8 + 16 + log2(2**18 / 128) roundings after one another
_NARROW = ("float16", "bfloat16", "float32")


@dataclass(frozen=True)
class Bracket:
    """Σ|x| up to `error`, and what else `AbsoluteSum` counts."""

    sum: AbsoluteSum
    error: Fraction = Fraction(0)

    def __add__(self, other: "Bracket") -> "Bracket":
        """Return the sum of the numbers of both."""
        a, b = self.sum, other.sum
        total = AbsoluteSum(
            _added(a.total, b.total),
            a.size + b.size,
            a.nonzero + b.nonzero,
            a.subnormal + b.subnormal,
            a.dtype,
        )
        return Bracket(total, self.error + other.error)

    @property
    def certain(self) -> bool:
        """Whether sum and mean round to the same numbers, wherever within `error` the sum lies."""
        total = self.sum.total
        if isinstance(total, float) or not self.error:
            return True
        return all(
            round_to((total - self.error) / n, self.sum.dtype)
            == round_to((total + self.error) / n, self.sum.dtype)
            for n in {1, self.sum.size}
        )


def exact_sum(x: npt.NDArray[Any]) -> AbsoluteSum:
    """
    Return Σ|x|, so near that sum and mean are rounded as the exact ones are.

    A sum that lies too near to the middle of two numbers of the result's dtype is computed without any rounding.
    """
    found = bracket(x)
    return found.sum if found.certain else absolute_sum(x)


def bracket(x: npt.NDArray[Any]) -> Bracket:
    """
    Return Σ|x| with a bound of its error; 0 for float64 and complex data, which are summed without any rounding.

    Notes
    -----
    Blocks of at most 2**18 numbers are added by NumPy in float64, by pairs, and the sums of the blocks without
    rounding. Each number goes through at most k = 64 roundings, so the error is at most k·2**-53·Σ|x|; see Higham
    (2002), "Accuracy and Stability of Numerical Algorithms", section 4.2.
    """
    if x.dtype.name not in _NARROW:
        return Bracket(absolute_sum(x))
    smallest_normal = float(np.finfo(np.float32).smallest_normal)
    total: Fraction | float = Fraction(0)
    nonzero = subnormal = 0
    # bfloat16 is no type of NumPy's, which casts it to others as an unsafe one
    flags: list[Any] = ["external_loop", "buffered", "zerosize_ok"]
    blocks = np.nditer(x, flags=flags, op_dtypes=[np.dtype(np.float32)], casting="unsafe", buffersize=_BLOCK)
    for block in blocks:
        for start in range(0, block.size, _BLOCK):  # type: ignore[attr-defined] # an array, not a tuple, for one operand
            part = np.abs(block[start : start + _BLOCK])
            of_block = float(part.sum(dtype=np.float64))
            total = _added(total, Fraction(of_block) if np.isfinite(of_block) else of_block)
            zeros = int(np.count_nonzero(part == 0))
            nonzero += part.size - zeros
            subnormal += int(np.count_nonzero(part < smallest_normal)) - zeros
    error = Fraction(0) if isinstance(total, float) else total * _STEPS / 2**53
    return Bracket(AbsoluteSum(total, x.size, nonzero, subnormal, np.dtype(np.float32)), error)


def _added(a: Fraction | float, b: Fraction | float) -> Fraction | float:
    """Add two sums, of which those that are floats are infinite or NaN."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a + b
    specials = [number for number in (a, b) if isinstance(number, float)]
    return sum(specials[1:], specials[0])
