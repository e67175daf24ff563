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
    chunk_xp = _array.namespace(x._meta)  # noqa: SLF001 - what Dask's protocol calls the chunks' type
    on_chunks = _on_chunks(kernel, arrays, axes=axes, keepdims=True, xp=chunk_xp)
    lengths = tuple((1,) * len(c) if axis in axes else c for axis, c in enumerate(x.chunks))
    meta = chunk_xp.empty((0,) * x.ndim, dtype=_array.accumulator_dtype(x._meta, chunk_xp))  # noqa: SLF001
    present = [_in_chunks_of(x, a) for a in arrays if a is not None]
    sums = _dask().map_blocks(on_chunks, *present, chunks=lengths, dtype=meta.dtype, meta=meta)
    return sums.sum(axis=axes, keepdims=keepdims, split_every=4) if axes else sums


def elementwise(
    kernel: Callable[..., Array], arrays: tuple[Array, ...], whole: tuple[int, ...], xp: Namespace
) -> Array:
    """Run ``kernel(*chunks, xp=)``, which returns an array like the first; no chunk is cut along some axes."""
    x = arrays[0].rechunk(dict.fromkeys(whole, -1))
    chunk_xp = _array.namespace(x._meta)  # noqa: SLF001
    on_chunks = _on_chunks(kernel, arrays, xp=chunk_xp)
    others = [xp.broadcast_to(a, x.shape).rechunk(x.chunks) for a in arrays[1:] if a is not None]
    return x.map_blocks(on_chunks, *others, dtype=x.dtype, meta=x._meta)  # noqa: SLF001


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
