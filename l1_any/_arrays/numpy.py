"""NumPy: scalars as well as arrays, and operations with fewer Python calls than those of array-api-compat."""

import contextlib
from typing import Any, Self

import array_api_compat.numpy as xp
import numpy as np

from l1_any._typing import Array, Device, DType

from .dtypes import dtype_name
from .standard import ArrayOps
from .state import State

_HALF = 2
_BITS = {"float16": np.uint16, "bfloat16": np.int16}


class NumpyOps(ArrayOps):
    """Operations for NumPy's arrays and scalars."""

    library = "numpy"
    title = "NumPy"
    sums_in_halves = True
    abs = staticmethod(np.abs)  # type: ignore[assignment]
    abs_to_sum = staticmethod(np.abs)  # type: ignore[assignment]
    where = staticmethod(np.where)  # type: ignore[assignment]
    as_array = staticmethod(np.asanyarray)  # type: ignore[assignment]
    # numpy.sum makes three more Python calls before it reaches this ufunc.
    sum = staticmethod(np.add.reduce)  # type: ignore[assignment]
    has_one_state = True
    has_one_device = True
    has_scalars = True

    @classmethod
    def of(cls, x: Array) -> Self:
        """Return the operations for the dtype of an array."""
        refused = None
        if isinstance(x, np.ma.MaskedArray):
            refused = "a NumPy masked array; pass its data, and what its mask lets through as `where`"
        elif isinstance(x, np.matrix):
            refused = "a NumPy matrix; pass np.asarray of it"
        name = dtype_name(x.dtype)
        return cls(xp=xp, dtype=x.dtype, dtype_name=name, place="cpu", refused=refused)

    def dtype_named(self, name: str) -> DType:
        """Return a dtype object: NumPy handles it faster than a scalar type."""
        return np.dtype(name)

    def at(self, around: State | None, x: Array, *others: Array | None) -> Self:
        """Return these operations: NumPy has one state."""
        del around, x, others
        return self

    def accumulator_of(self, x: Array) -> str:
        """Name float64."""
        del x
        return "float64"

    def device(self, x: Array) -> Device:
        """Return the only device."""
        del x
        return "cpu"

    def quiet(self) -> contextlib.AbstractContextManager[Any]:
        """Return a context without NumPy's warnings."""
        return np.errstate(over="ignore", invalid="ignore")

    def memory(self, x: Array) -> Any:
        """Return a view of one dimension, or None if x is not contiguous in the native byte order."""
        flags = x.flags
        if not (flags.c_contiguous and flags.aligned and x.dtype.isnative):
            return None
        flat = x if type(x) is np.ndarray and x.ndim == 1 else np.asarray(x).reshape(-1)
        return flat.view(_BITS[x.dtype.name]) if x.dtype.itemsize == _HALF and x.dtype.name in _BITS else flat

    def full(self, shape: tuple[int, ...], value: complex, dtype: DType, like: Array) -> Array:
        """Return an array filled with one value, or a scalar."""
        del like
        return np.full(shape, value, dtype) if shape else dtype.type(value)

    def empty_like(self, x: Array, dtype: DType | None = None) -> Array:
        """Return a new contiguous array of x's shape."""
        return np.empty(x.shape, x.dtype if dtype is None else dtype)

    def zero(self, x: Array) -> Array:
        """Return a 0-d zero."""
        return np.zeros((), x.dtype)

    def sign(self, x: Array) -> Array:
        """Return NumPy's own sign, which is NaN at NaN and +0.0 at both zeros."""
        return np.sign(x)

    def clip(self, x: Array, least: float, most: float) -> Array:
        """Bound by numbers. array-api-compat's function writes through masks."""
        return x.clip(least, most)

    def times(self, own: Array, factor: Array | float) -> Array:
        """Multiply in place."""
        own *= factor
        return own

    def positive_zeros(self, own: Array) -> Array:
        """Add 0.0 in place."""
        own += 0.0
        return own

    def cast(self, x: Array, dtype: DType) -> Array:
        """Return x in a dtype, without a copy if x already has it."""
        return x.astype(dtype, copy=False)

    def sum_of_few(self, x: Array, axes: tuple[int, ...]) -> Array | float:
        """Sum the magnitudes of a few elements. None as axes is faster than a tuple of all."""
        del axes
        return np.add.reduce(np.abs(x), None, self.accumulator)

    def finished(self, total: Array) -> Array:
        """Round a total, which may be a scalar, to the dtype of results."""
        return np.asanyarray(total, dtype=self.result_dtype)

    def to_host(self, x: Any) -> np.ndarray[Any, Any]:
        """Return the array itself, but bfloat16 converted to float32."""
        host = np.asarray(x)
        return host.astype(np.float32) if host.dtype.name == "bfloat16" else host
