"""Decides how to apply a formula: to the whole array, by blocks, by chunks, or by a fused kernel.

Plain arrays in the CPU's memory that are larger than a block are processed by blocks, without a temporary of their
size. Lazy arrays are processed by chunks, when the user computes the result. For all other arrays the formula is
applied to the whole array.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

from l1_any._arrays import decision
from l1_any._arrays.standard import ArrayOps
from l1_any._kernels import options, table
from l1_any._typing import Array, DType

from . import blocks, chunks, shards

Arrays = tuple[Array | None, ...]
"""An array, and arrays that broadcast to it, or None."""

Formula = Callable[..., Any]

Way = tuple[decision.How, str]
"""How a formula is applied, in one word and in a few."""
WHOLE: Way = "whole", "the formula on the whole array"
LAZY: Way = "chunks", "the formula, written for later"
CHUNKS: Way = "chunks", "the formula on each chunk, when the result is computed"


def is_by_blocks(ops: ArrayOps, x: Array, block: int) -> bool:
    """Whether to apply a formula to blocks of x, with at most `block` elements each.

    The state is checked first, because under a compiler the size may be a symbol.
    """
    return ops.is_plain and ops.place == "cpu" and math.prod(x.shape) > block


kernel = table.find
"""Return the fused kernel of a formula for plain arrays of some size, or None if the formula has none."""


def reduce(
    formula: Formula,
    *arrays: Array | None,
    axes: tuple[int, ...],
    keepdims: bool,
    ops: ArrayOps,
    operation: str = "",
    numbers: Iterable[float] = (),
) -> Any:
    """Return ``formula(*arrays, axes=, keepdims=, ops=)``, a sum along some axes or a tuple of sums.

    ``operation`` is the name of the formula in the table of kernels, and ``numbers`` are the numbers of the penalty.
    """
    x: Array = arrays[0]
    if ops.is_plain:
        size = math.prod(x.shape)
        if size >= options.fewest and operation and axes:
            total = _by_kernel(operation, size, arrays, numbers, axes=axes, keepdims=keepdims, ops=ops)
            if total is not None:
                return total
        block = blocks.READ[ops.result_name]
        if size > block and ops.place == "cpu":
            tell_blocks(ops, block, operation, x)
            return blocks.reduce(formula, arrays, axes=axes, keepdims=keepdims, ops=ops, block=block)
    elif ops.is_lazy or ops.has_shards:
        if decision.asked and ops.is_lazy:
            _tell(ops, CHUNKS)

        def on_part(*arrays: Array | None, ops: ArrayOps, **options: Any) -> Any:
            return reduce(formula, *arrays, ops=ops, operation=operation, numbers=numbers, **options)

        return (shards if ops.has_shards else chunks).reduce(
            on_part, arrays, axes, keepdims=keepdims, ops=ops
        )
    if decision.asked:
        _tell(ops, WHOLE, operation, x)
    return formula(*arrays, axes=axes, keepdims=keepdims, ops=ops)


def _by_kernel(
    operation: str,
    size: int,
    arrays: Arrays,
    numbers: Iterable[float],
    *,
    axes: tuple[int, ...],
    keepdims: bool,
    ops: ArrayOps,
) -> Any:
    """Return a sum from a fused kernel, or None."""
    x, where, weights = arrays
    alone = where is weights is None and len(axes) == len(x.shape)  # type: ignore[union-attr]
    fused = kernel(operation, ops, size, alone=alone)
    return (
        None if fused is None else fused(x, where, weights, *numbers, axes=axes, keepdims=keepdims, ops=ops)
    )


def elementwise(
    formula: Formula,
    *arrays: Array | None,
    ops: ArrayOps,
    whole: tuple[int, ...] = (),
    dtype: DType | None = None,
    block: int = 0,
    operation: str = "",
    few: int = 0,
) -> Array:
    """Return ``formula(*arrays, ops=)``, an array with the shape of the first, and its dtype or ``dtype``.

    Along the axes in ``whole`` the formula need not be elementwise: blocks are not cut along them. ``operation`` is the
    name of a kernel that the caller has tried. Up to ``few`` elements along an axis in ``whole`` are gathered.
    """
    if ops.has_shards:

        def on_shard(*arrays: Array | None, ops: ArrayOps) -> Array:
            if ops.is_part:  # blocks would be added up one by one
                return formula(*arrays, ops=ops)
            return elementwise(
                formula, *arrays, ops=ops, whole=whole, dtype=dtype, block=block, operation=operation
            )

        return shards.elementwise(on_shard, arrays, whole, few=few, ops=ops)
    block = block or blocks.WRITTEN
    if is_by_blocks(ops, arrays[0], block):
        tell_blocks(ops, block, operation, arrays[0])
        return blocks.elementwise(formula, arrays, ops=ops, whole=whole, dtype=dtype, block=block)
    if ops.is_lazy and not ops.fuses:
        return _on_chunks(formula, arrays, whole, dtype=dtype, ops=ops)
    if decision.asked:
        _tell(ops, LAZY if ops.is_lazy else WHOLE, operation, arrays[0])
    if ops.is_complex:  # NumPy would warn of products and quotients of NaN and infinity
        with ops.quiet():
            out = formula(*arrays, ops=ops)
    else:
        out = formula(*arrays, ops=ops)
    dtype = ops.dtype if dtype is None else dtype
    if out.dtype != dtype:  # NumPy's operations return native byte order
        out = ops.cast(out, dtype)
    return ops.as_array(out) if ops.has_scalars else out


def along(
    formula: Formula, *arrays: Array | None, axes: tuple[int, ...], ops: ArrayOps, few: int = 0
) -> Array:
    """As `elementwise`, for a formula that needs some axes uncut; Dask's chunks are merged along them."""
    if not ops.is_lazy:
        return elementwise(formula, *arrays, ops=ops, whole=axes, few=few)
    return _on_chunks(formula, arrays, axes, dtype=None, ops=ops)


def _on_chunks(
    formula: Formula, arrays: Arrays, whole: tuple[int, ...], *, dtype: DType | None, ops: ArrayOps
) -> Array:
    """Apply an elementwise formula to each chunk, when the result is computed."""
    if decision.asked:
        _tell(ops, CHUNKS)

    def on_chunk(*arrays: Array | None, ops: ArrayOps) -> Array:
        return elementwise(formula, *arrays, ops=ops, whole=whole, dtype=dtype)

    return chunks.elementwise(on_chunk, arrays, whole, dtype=dtype, ops=ops)


def largest(formula: Formula, *arrays: Array | None, dtype: DType, ops: ArrayOps) -> Array:
    """Return the largest result of ``formula(*arrays, ops=)``, 0-d and >= 0, or NaN if one result is NaN."""
    block = blocks.READ["float32"]
    if is_by_blocks(ops, arrays[0], block):
        tell_blocks(ops, block)
        return blocks.largest(formula, arrays, ops=ops, block=block)
    if ops.has_shards:

        def on_shard(*arrays: Array | None, ops: ArrayOps) -> Array:
            return largest(formula, *arrays, dtype=dtype, ops=ops)

        return shards.largest(on_shard, arrays, dtype, ops=ops)
    if decision.asked:
        _tell(ops, CHUNKS if ops.is_lazy else WHOLE)
    if ops.is_lazy:
        return chunks.largest(formula, arrays, dtype, ops=ops)
    return formula(*arrays, ops=ops)


def tell_blocks(ops: ArrayOps, block: int, operation: str = "", x: Array | None = None) -> None:
    """Tell `explain` that a formula is applied by blocks."""
    if decision.asked:
        _tell(ops, ("blocks", f"the formula on blocks of {block} elements"), operation, x)


def _tell(ops: ArrayOps, way: Way, operation: str = "", x: Array | None = None) -> None:
    """Tell `explain` that a formula is applied, how, and why no kernel is used."""

    def text() -> str:
        why = (
            table.why_not(operation, ops, math.prod(x.shape))
            if operation and x is not None and ops.is_plain
            else ""
        )
        return f"{words}; {why}" if why else words

    how, words = way
    decision.tell(ops, how, text)
