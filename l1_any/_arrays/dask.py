"""Dask: lazy arrays made of chunks. The lengths of chunks may be unknown."""

from collections.abc import Callable
from typing import Any, Self

import array_api_compat.dask.array as xp
import dask.array

from l1_any._typing import Array, Device, DType

from .dtypes import dtype_name
from .standard import ArrayOps
from .state import State


class DaskOps(ArrayOps):
    """Operations for Dask's arrays."""

    title = "Dask"
    is_chunked = True
    has_one_state = True
    has_one_device = True

    @classmethod
    def of(cls, x: Array) -> Self:
        """Return the operations for the dtype of an array."""
        return cls(xp=xp, dtype=x.dtype, dtype_name=dtype_name(x.dtype), state=State.LAZY)

    def at(self, around: State | None, x: Array, *others: Array | None) -> Self:
        """Return these operations: Dask's arrays are always lazy, and have float64."""
        del around, x, others
        return self

    def accumulator_of(self, x: Array) -> str:
        """Name float64."""
        del x
        return "float64"

    def sign(self, x: Array) -> Array:
        """Return the sign; that of NumPy's chunks is +0.0 at both zeros."""
        return self.xp.sign(x)

    def device(self, x: Array) -> Device:
        """Return the only device that Dask knows."""
        del x
        return "cpu"

    def meta(self, x: Array) -> Any:
        """Return an empty array of the type and dtype of the chunks."""
        return x._meta  # noqa: SLF001

    def map_chunks(
        self,
        function: Callable[..., Array],
        *arrays: Array,
        dtype: DType,
        meta: Array,
        copies: int = 0,
        **lengths: Any,
    ) -> Array:
        """Return the lazy array of the results of a function on the chunks of arrays with equal chunks."""
        del copies  # Dask does not ask how much memory a task needs
        return dask.array.map_blocks(function, *arrays, dtype=dtype, meta=meta, **lengths)

    def sum_of_chunks(self, sums: Array, axes: tuple[int, ...], *, keepdims: bool) -> Array:
        """Add the sums of chunks in rounds, four at a time."""
        return sums.sum(axis=axes, keepdims=keepdims, split_every=4)

    def rechunk(self, x: Array, lengths: dict[int, Any]) -> Array:
        """Return x with other chunks along some axes."""
        return x.rechunk(lengths)
