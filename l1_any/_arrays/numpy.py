"""NumPy: scalars beside arrays, and operations with fewer calls than array-api-compat's."""

from typing import Any, Self

import array_api_compat.numpy as xp
import numpy as np

from l1_any._typing import Array, Device, DType

from .dtypes import dtype_name
from .standard import ArrayOps
from .state import State


class NumpyOps(ArrayOps):
    """Operations for NumPy's arrays and scalars."""

    library = "numpy"
    sums_in_halves = True
    abs = staticmethod(np.abs)
    clip = staticmethod(np.clip)  # array-api-compat writes through masks
    where = staticmethod(np.where)
    as_array = staticmethod(np.asanyarray)

    @classmethod
    def of(cls, x: Array) -> Self:
        """Return the operations for the dtype of an array."""
        return cls(xp=xp, dtype=x.dtype, dtype_name=dtype_name(x.dtype), place="cpu")

    def at(self, around: State, x: Array, *others: Array | None) -> Self:
        """Return these operations: NumPy has one state."""
        del around, x, others
        return self

    def accumulator_of(self, x: Array) -> str:
        """Name float64."""
        del x
        return "float64"

    def why_refused(self, x: Array) -> str | None:
        """Say why not: arrays with a mask, and matrices, whose operators are their own."""
        if isinstance(x, np.ma.MaskedArray):
            return "a NumPy masked array; pass its data, and what its mask lets through as `where`"
        return "a NumPy matrix; pass np.asarray of it" if isinstance(x, np.matrix) else None

    def device(self, x: Array) -> Device:
        """Return the one device."""
        del x
        return "cpu"

    def zero(self, x: Array) -> Array:
        """Return a 0-d zero."""
        return np.zeros((), x.dtype)

    def sign(self, x: Array) -> Array:
        """Return NumPy's own sign, which is NaN at NaN and +0.0 at both zeros."""
        return np.sign(x)

    def times(self, own: Array, factor: Array | float) -> Array:
        """Multiply in place."""
        own *= factor
        return own

    def positive_zeros(self, own: Array) -> Array:
        """Add 0.0 in place."""
        own += 0.0
        return own

    def sum(self, x: Array, axes: tuple[int, ...], *, keepdims: bool, dtype: DType) -> Array:
        """Sum without the three calls of `numpy.sum`."""
        return np.add.reduce(x, axis=axes, dtype=dtype, keepdims=keepdims)

    def to_host(self, x: Any) -> np.ndarray[Any, Any]:
        """Return the array itself; of bfloat16 in float32."""
        host = np.asarray(x)
        return host.astype(np.float32) if host.dtype.name == "bfloat16" else host
