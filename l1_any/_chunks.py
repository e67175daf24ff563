"""Lazy arrays made of chunks (Dask): kernels run on each chunk when the user computes, never before."""

import sys
from collections.abc import Callable
from typing import Any

from . import _array
from ._typing import Array


def reduce(
    kernel: Callable[..., Array], arrays: tuple[Array, ...], axes: tuple[int, ...], *, keepdims: bool
) -> Array:
    """Sum what ``kernel(*chunks, axes=, keepdims=True, xp=)`` gives for the chunks of arrays that broadcast."""
    x = arrays[0]
    chunk_xp = _array.namespace(x._meta)  # noqa: SLF001 - what Dask's protocol calls the chunks' type
    on_chunks = _on_chunks(kernel, arrays, axes=axes, keepdims=True, xp=chunk_xp)
    lengths = tuple((1,) * len(c) if axis in axes else c for axis, c in enumerate(x.chunks))
    meta = chunk_xp.empty((0,) * x.ndim, dtype=_array.accumulator_dtype(x._meta, chunk_xp))  # noqa: SLF001
    present = [x, *(_in_chunks_of(x, a) for a in arrays[1:] if a is not None)]
    sums = _dask().map_blocks(on_chunks, *present, chunks=lengths, dtype=meta.dtype, meta=meta)
    return sums.sum(axis=axes, keepdims=keepdims, split_every=4) if axes else sums


def largest(kernel: Callable[..., Array], arrays: tuple[Array, ...], dtype: Any) -> Array:
    """Return the largest of what ``kernel(*chunks, xp=)`` gives, a 0-d array >= 0, for the chunks of x."""
    x = arrays[0]
    chunk_xp = _array.namespace(x._meta)  # noqa: SLF001
    on_chunks = _on_chunks(kernel, arrays, xp=chunk_xp)

    def largest_of_chunk(first: Array, *others: Array) -> Array:
        if _is_empty(first):
            return _array.full((1,) * first.ndim, 0, dtype, first, chunk_xp)
        return chunk_xp.reshape(on_chunks(first, *others), (1,) * first.ndim)

    present = [x, *(_in_chunks_of(x, a) for a in arrays[1:] if a is not None)]
    meta = chunk_xp.empty((0,) * x.ndim, dtype=dtype)
    lengths = tuple((1,) * len(c) for c in x.chunks)
    return _dask().map_blocks(largest_of_chunk, *present, chunks=lengths, dtype=dtype, meta=meta).max()


def elementwise(kernel: Callable[..., Array], arrays: tuple[Array, ...], whole: tuple[int, ...]) -> Array:
    """Run ``kernel(*chunks, xp=)``, which returns an array like the first; no chunk is cut along some axes."""
    x = merged(arrays[0], whole)
    on_chunks = _on_chunks(kernel, arrays, xp=_array.namespace(x._meta))  # noqa: SLF001

    def on_filled(first: Array, *others: Array) -> Array:
        return first if _is_empty(first) else on_chunks(first, *others)

    others = [_in_chunks_of(x, a) for a in arrays[1:] if a is not None]
    return x.map_blocks(on_filled, *others, dtype=x.dtype, meta=x._meta)  # noqa: SLF001


def is_cut(x: Array, axes: tuple[int, ...]) -> bool:
    """Whether x has more than one chunk along some axis of these."""
    return any(len(x.chunks[axis]) > 1 for axis in axes)


def may_be_empty(x: Array) -> bool:
    """Whether some chunk is known to be empty, or not known to hold something."""
    return not all(n > 0 for lengths in x.chunks for n in lengths)


def merged(x: Array, axes: tuple[int, ...]) -> Array:
    """Return x with one chunk along each of some axes."""
    return x.rechunk(dict.fromkeys(axes, -1)) if is_cut(x, axes) else x


def _is_empty(chunk: Array) -> bool:
    return _array.extent(chunk, tuple(range(chunk.ndim))) == 0


def _on_chunks(
    kernel: Callable[..., Array], arrays: tuple[Array, ...], **options: Any
) -> Callable[..., Array]:
    """Return the kernel for the chunks of those arrays that are not None.

    It holds no array: Dask names a task by its function, and would pickle the data to tell its name.
    """
    absent = [a is None for a in arrays]

    def on_chunks(*chunks: Array) -> Array:
        given = iter(chunks)
        return kernel(*(None if missing else next(given) for missing in absent), **options)

    return on_chunks


def _in_chunks_of(x: Array, a: Array) -> Array:
    """Return a with x's chunks, which `map_blocks` takes for granted; what is unknown is left as it is."""
    first = x.ndim - a.ndim
    alike = [i for i, n in enumerate(a.shape) if n == x.shape[first + i]]  # no length that is unknown
    return a.rechunk({i: x.chunks[first + i] for i in alike})


def _dask() -> Any:
    return sys.modules["dask.array"]
