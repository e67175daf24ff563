"""Lazy arrays made of chunks (Dask, Cubed): formulas run on each chunk, when the user computes the result."""

from collections.abc import Callable
from typing import Any

from l1_any._arrays.lookup import known
from l1_any._arrays.shapes import extent
from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array, DType

Arrays = tuple[Array | None, ...]

_OF_VECTORS = 12  # temporaries of the formulas that look along an axis: projections sort, add up and select


def reduce(
    formula: Callable[..., Array], arrays: Arrays, axes: tuple[int, ...], *, keepdims: bool, ops: ArrayOps
) -> Array:
    """Sum the results of ``formula(*chunks, axes=, keepdims=True, ops=)`` over the chunks of the arrays."""
    on_chunks = _on_chunks(formula, arrays, axes=axes, keepdims=True)
    sums = _one_of_each(on_chunks, arrays, axes, ops.accumulator)
    return ops.sum_of_chunks(sums, axes, keepdims=keepdims) if axes else sums


def largest(formula: Callable[..., Array], arrays: Arrays, dtype: DType, *, ops: ArrayOps) -> Array:
    """Return the largest result of ``formula(*chunks, ops=)``, a 0-d array >= 0, over the chunks of x."""
    x = _first(arrays)
    every = tuple(range(x.ndim))
    on_chunks = _on_chunks(formula, arrays)

    def largest_of_chunk(first: Array, *others: Array) -> Array:
        ops = known(first)
        if extent(first) == 0:
            return ops.full((1,) * first.ndim, 0, dtype, first)
        return ops.xp.reshape(on_chunks(first, *others), (1,) * first.ndim)

    return ops.largest(_one_of_each(largest_of_chunk, arrays, every, dtype))


def elementwise(
    formula: Callable[..., Array],
    arrays: Arrays,
    whole: tuple[int, ...],
    *,
    ops: ArrayOps,
    dtype: DType | None = None,
) -> Array:
    """Return the results of ``formula(*chunks, ops=)`` as one array. Axes in ``whole`` have one chunk."""
    x = merged(_first(arrays), whole)
    arrays = x, *arrays[1:]
    on_chunks = _on_chunks(formula, arrays)

    dtype = x.dtype if dtype is None else dtype

    def on_filled(first: Array, *others: Array) -> Array:
        return known(first).empty_like(first, dtype) if extent(first) == 0 else on_chunks(first, *others)

    meta = ops.meta(x)
    meta = known(meta).empty_like(meta, dtype)
    copies = _OF_VECTORS if whole else 0
    return ops.map_chunks(on_filled, *_present(arrays), dtype=dtype, meta=meta, copies=copies)


def of_each(
    formula: Callable[..., Array], arrays: Arrays, axes: tuple[int, ...], *, ops: ArrayOps, results: int = 1
) -> Array:
    """Return the results of ``formula(*chunks, axes=, ops=)`` side by side.

    The formula reduces the axes of each chunk to the length 1, but the first of them to the length ``results``.
    """

    def quietly(*arrays: Array | None, ops: ArrayOps) -> Array:
        with ops.quiet():  # NumPy would warn of complex quotients of NaN
            return formula(*arrays, axes=axes, ops=ops)

    return _one_of_each(_on_chunks(quietly, arrays), arrays, axes, ops.accumulator, results)


def is_cut(x: Array, axes: tuple[int, ...]) -> bool:
    """Whether x has more than one chunk along one of the axes."""
    return any(len(x.chunks[axis]) > 1 for axis in axes)


def merged(x: Array, axes: tuple[int, ...]) -> Array:
    """Return x with only one chunk along each of the axes."""
    return known(x).rechunk(x, dict.fromkeys(axes, -1)) if is_cut(x, axes) else x


def _first(arrays: Arrays) -> Array:
    return arrays[0]


def _one_of_each(
    on_chunks: Callable[..., Array], arrays: Arrays, axes: tuple[int, ...], dtype: DType, results: int = 1
) -> Array:
    """Run a function that reduces the axes of each chunk to length 1, the first of them to ``results``."""
    x = _first(arrays)
    of_axis = {axis: results if axis == axes[0] else 1 for axis in axes}
    lengths = tuple((of_axis[axis],) * len(c) if axis in axes else c for axis, c in enumerate(x.chunks))
    ops = known(x)
    meta = known(ops.meta(x)).xp.empty((0,) * x.ndim, dtype=dtype)
    return ops.map_chunks(on_chunks, *_present(arrays), chunks=lengths, dtype=dtype, meta=meta)


def _present(arrays: Arrays) -> list[Array]:
    """Return the arrays that are not None, with the chunks of the first."""
    x = _first(arrays)
    return [x, *(_in_chunks_of(x, a) for a in arrays[1:] if a is not None)]


def _on_chunks(formula: Callable[..., Array], arrays: Arrays, **options: Any) -> Callable[..., Array]:
    """Return the formula as a function of the chunks of the arrays that are not None.

    The function holds no array: Dask hashes a function to name its task, and would pickle the data of the array.
    """
    absent = [a is None for a in arrays]

    def on_chunks(*chunks: Array) -> Array:
        given = iter(chunks)
        own = [None if missing else next(given) for missing in absent]
        ops = known(own[0])
        return formula(*own, ops=ops.at(ops.around(), *own), **options)

    return on_chunks


def _in_chunks_of(x: Array, a: Array) -> Array:
    """Return a with the chunks of x, which `map_chunks` needs. Axes of unknown length are not changed."""
    first = x.ndim - a.ndim
    alike = [i for i, n in enumerate(a.shape) if n == x.shape[first + i]]  # an unknown length is NaN
    return known(a).rechunk(a, {i: x.chunks[first + i] for i in alike})
