"""Cubed: lazy arrays made of chunks in Zarr, computed within a bound on memory."""

import math
from collections.abc import Callable
from typing import Any, Self

import cubed as xp
import numpy as np

from l1_any._typing import Array, Device, DType

from .dtypes import dtype_name
from .standard import ArrayOps
from .state import State

_OF_BLOCKS = 1 << 24
"""Bytes for the temporaries of a formula that runs on a large chunk block by block."""
_WIDE = 4
"""Temporaries as long as a chunk, in float64, of a formula that runs on a small chunk."""


class CubedOps(ArrayOps):
    """Operations for Cubed's arrays."""

    title = "Cubed"
    is_chunked = True
    fuses = False
    has_one_state = True
    has_one_device = True

    @classmethod
    def of(cls, x: Array) -> Self:
        """Return the operations for the dtype of an array."""
        return cls(xp=xp, dtype=x.dtype, dtype_name=dtype_name(x.dtype), state=State.LAZY)

    def at(self, around: State | None, x: Array, *others: Array | None) -> Self:
        """Return these operations: Cubed's arrays are always lazy, and have float64."""
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
        """Return the only device that Cubed knows."""
        del x
        return "cpu"

    def full(self, shape: tuple[int, ...], value: complex, dtype: DType, like: Array) -> Array:
        """Return an array filled with one value, with the memory and storage (`cubed.Spec`) of another array."""
        return self.xp.full(shape, value, dtype=dtype, spec=like.spec)

    def to_host(self, x: Array) -> np.ndarray[Any, Any]:
        """Compute the array."""
        return np.asarray(x.compute())

    def flat(self, x: Array) -> Array:
        """Return an array as a vector of one chunk: Cubed cannot reshape chunks of any lengths."""
        return self.xp.reshape(self.rechunk(x, dict.fromkeys(range(x.ndim), -1)), (-1,))

    def meta(self, x: Array) -> Any:
        """Return an empty array of the type and dtype of the chunks."""
        return np.empty((0,) * x.ndim, dtype=x.dtype)

    def map_chunks(
        self,
        function: Callable[..., Array],
        *arrays: Array,
        dtype: DType,
        meta: Array,
        copies: int = 0,
        **lengths: Any,
    ) -> Array:
        """Return the lazy array of the results of a function on the chunks of arrays with equal chunks.

        Cubed refuses to compute what it expects to exceed its memory, so that it must know of temporaries.
        """
        del meta
        size = max(math.prod(a.chunksize) for a in arrays) * np.dtype(self.wide_dtype).itemsize
        temporaries = min(_WIDE * size, _OF_BLOCKS) + copies * size
        return self.xp.map_blocks(
            function, *arrays, dtype=np.dtype(dtype), extra_projected_mem=temporaries, **lengths
        )

    def sum_of_chunks(self, sums: Array, axes: tuple[int, ...], *, keepdims: bool) -> Array:
        """Add the sums of chunks in rounds, four at a time."""
        return self.xp.sum(sums, axis=axes, dtype=self.accumulator, keepdims=keepdims)

    def rechunk(self, x: Array, lengths: dict[int, Any]) -> Array:
        """Return x with other chunks along some axes."""
        try:
            return x.rechunk(lengths)
        except ValueError as error:
            raise ValueError(
                f"the axes of `x` along which to look are too long for Cubed: {error} Cubed cannot sort across chunks, "
                "so that a whole vector must fit into the memory; pass shorter vectors, by `axis=`, or a `cubed.Spec` "
                "with a larger `allowed_mem`."
            ) from error
