"""Kernels of arrays and a step: by blocks where they are eager, by chunks where they are Dask's."""

from collections.abc import Callable

from . import _array, _blocks, _chunks
from ._threshold import Threshold
from ._typing import Array, DType, Namespace


def blocked(
    kernel: Callable[..., Array],
    arrays: tuple[Array | None, ...],
    step: Threshold,
    *,
    whole: tuple[int, ...] = (),
    dtype: DType | None = None,
    xp: Namespace,
) -> Array:
    """Run ``kernel(*arrays, step, xp=)`` in blocks, whether the step is a number or has its own elements."""
    if not isinstance(step, float):

        def with_array(*blocks: Array, xp: Namespace) -> Array:
            *others, own = blocks
            axes = range(others[0].ndim - own.ndim, others[0].ndim)
            if own.ndim:  # blocks are broadcast, also along what is whole
                own = own[tuple(slice(1) if axis in whole else slice(None) for axis in axes)]
            return kernel(*others, own, xp=xp)

        return _blocks.elementwise(with_array, (*arrays, step), xp=xp, whole=whole, dtype=dtype)

    def with_number(*blocks: Array | None, xp: Namespace) -> Array:
        return kernel(*blocks, step, xp=xp)

    return _blocks.elementwise(with_number, arrays, xp=xp, whole=whole, dtype=dtype)


def along(
    kernel: Callable[..., Array],
    arrays: tuple[Array, ...],
    step: Threshold,
    *,
    axes: tuple[int, ...],
    xp: Namespace,
) -> Array:
    """Run ``kernel(*arrays, step, xp=)`` on blocks or chunks that are not cut along some axes."""
    x = arrays[0]
    if _array.extent(x, axes) == 0:
        return x
    if not _array.is_chunked(x):
        return blocked(kernel, arrays, step, whole=axes, xp=xp)
    if isinstance(step, float):
        step = _array.full((), step, _array.accumulator_dtype(x, xp), x, xp)

    def on_chunk(*chunks: Array, xp: Namespace) -> Array:
        return blocked(kernel, chunks[:-1], chunks[-1], whole=axes, xp=xp)

    return _chunks.elementwise(on_chunk, (*arrays, step), axes)
