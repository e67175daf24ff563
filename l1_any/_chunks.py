"""Lazy arrays made of chunks (Dask): kernels run on each chunk when the user computes, never before."""

import sys
from collections.abc import Callable
from typing import Any

from . import _array
from ._typing import Array, Namespace


def reduce(
    kernel: Callable[..., Array], arrays: tuple[Array, ...], axes: tuple[int, ...], *, keepdims: bool
) -> Array:
    """Sum what ``kernel(*chunks, axes=, keepdims=True, xp=)`` gives for the chunks of arrays that broadcast."""
    x = arrays[0]
    chunk_xp = _chunk_namespace(x)
    on_chunks = _on_chunks(kernel, arrays, axes=axes, keepdims=True, xp=chunk_xp)
    dtype = _array.accumulator_dtype(x._meta, chunk_xp)  # noqa: SLF001 - what Dask's protocol calls the chunks' type
    sums = _one_of_each(on_chunks, arrays, axes, dtype)
    return sums.sum(axis=axes, keepdims=keepdims, split_every=4) if axes else sums


def largest(kernel: Callable[..., Array], arrays: tuple[Array, ...], dtype: Any) -> Array:
    """Return the largest of what ``kernel(*chunks, xp=)`` gives, a 0-d array >= 0, for the chunks of x."""
    every = tuple(range(arrays[0].ndim))
    chunk_xp = _chunk_namespace(arrays[0])
    on_chunks = _on_chunks(kernel, arrays, xp=chunk_xp)

    def largest_of_chunk(first: Array, *others: Array) -> Array:
        if _array.extent(first) == 0:
            return _array.full((1,) * first.ndim, 0, dtype, first, chunk_xp)
        return chunk_xp.reshape(on_chunks(first, *others), (1,) * first.ndim)

    return _one_of_each(largest_of_chunk, arrays, every, dtype).max()


def _one_of_each(
    on_chunks: Callable[..., Array], arrays: tuple[Array, ...], axes: tuple[int, ...], dtype: Any
) -> Array:
    """Run a function that leaves length 1 along some axes of each chunk."""
    x = arrays[0]
    lengths = tuple((1,) * len(c) if axis in axes else c for axis, c in enumerate(x.chunks))
    meta = _chunk_namespace(x).empty((0,) * x.ndim, dtype=dtype)
    return _dask().map_blocks(on_chunks, *_present(arrays), chunks=lengths, dtype=dtype, meta=meta)


def elementwise(kernel: Callable[..., Array], arrays: tuple[Array, ...], whole: tuple[int, ...]) -> Array:
    """Run ``kernel(*chunks, xp=)``, which returns an array like the first; no chunk is cut along some axes."""
    x = merged(arrays[0], whole)
    arrays = x, *arrays[1:]
    on_chunks = _on_chunks(kernel, arrays, xp=_chunk_namespace(x))

    def on_filled(first: Array, *others: Array) -> Array:
        return first if _array.extent(first) == 0 else on_chunks(first, *others)

    return _dask().map_blocks(on_filled, *_present(arrays), dtype=x.dtype, meta=x._meta)  # noqa: SLF001


def is_cut(x: Array, axes: tuple[int, ...]) -> bool:
    """Whether x has more than one chunk along some axis of these."""
    return any(len(x.chunks[axis]) > 1 for axis in axes)


def may_be_empty(x: Array) -> bool:
    """Whether some chunk is known to be empty, or not known to hold something."""
    return not all(n > 0 for lengths in x.chunks for n in lengths)


def merged(x: Array, axes: tuple[int, ...]) -> Array:
    """Return x with one chunk along each of some axes."""
    return x.rechunk(dict.fromkeys(axes, -1)) if is_cut(x, axes) else x


def _chunk_namespace(x: Array) -> Namespace:
    return _array.namespace(x._meta)  # noqa: SLF001


def _present(arrays: tuple[Array, ...]) -> list[Array]:
    """Return the arrays that are not None, in chunks of the first."""
    x = arrays[0]
    return [x, *(_in_chunks_of(x, a) for a in arrays[1:] if a is not None)]


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
