"""CuPy. array-api-compat's `sign` and `clip` index with masks, and then the host waits for the GPU."""

import sys
from typing import Any, Self

import numpy as np

from l1_any._typing import Array

from .standard import ArrayOps
from .state import State


class CupyOps(ArrayOps):
    """Operations for CuPy's arrays."""

    library = "cupy"
    title = "CuPy"
    sums_in_halves = True

    def at(self, around: State | None, x: Array, *others: Array | None) -> Self:
        """Return the operations of the plain state: CuPy has one state, and float64 everywhere."""
        del around, x, others
        return self.sibling(State.PLAIN, "float64", "cuda")

    def accumulator_of(self, x: Array) -> str:
        """Name float64."""
        del x
        return "float64"

    def sign(self, x: Array) -> Array:
        """Return the sign with NaN at NaN, where CuPy gives 0."""
        return self.xp.where(self.xp.isnan(x), x, sys.modules["cupy"].sign(x))

    def clip(self, x: Array, least: float, most: float) -> Array:
        """Bound by numbers, with CuPy's own operation."""
        return sys.modules["cupy"].clip(x, least, most)

    def to_host(self, x: Array) -> np.ndarray[Any, Any]:
        """Return the values in NumPy."""
        return np.asarray(x.get())
