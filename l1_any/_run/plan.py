"""Decides how to apply a formula: to the whole array, by blocks, by chunks, or by a fused kernel.

Plain arrays in the CPU's memory that are larger than a block are processed by blocks, without a temporary of their
size. Lazy arrays are processed by chunks, when the user computes the result. For all other arrays the formula is
applied to the whole array.
"""

import math
from collections.abc import Callable
from typing import Any

from l1_any._arrays.standard import ArrayOps
from l1_any._kernels import table
from l1_any._typing import Array, DType

from . import blocks, chunks

Arrays = tuple[Array | None, ...]
"""An array, and arrays that broadcast to it, or None."""

Formula = Callable[..., Any]


def is_by_blocks(ops: ArrayOps, x: Array, block: int) -> bool:
    """Whether to apply a formula to blocks of x, with at most `block` elements each.

    The state is checked first, because under a compiler the size may be a symbol.
    """
    return ops.is_plain and ops.place == "cpu" and math.prod(x.shape) > block


def kernel(operation: str, ops: ArrayOps) -> Callable[..., Any] | None:
    """Return the fused kernel of a formula, or None if there is none or the arrays are not plain."""
    known = ops.is_plain and (operation, ops.library, ops.place, ops.dtype_name) in table.BY_KEY
    return table.find(operation, ops) if known else None


def reduce(
    formula: Formula,
    *arrays: Array | None,
    axes: tuple[int, ...],
    keepdims: bool,
    ops: ArrayOps,
    operation: str = "",
) -> Any:
    """Return ``formula(*arrays, axes=, keepdims=, ops=)``, a sum along some axes or a tuple of sums.

    ``operation`` is the name of the formula in the table of kernels.
    """
    if ops.is_plain:
        if axes and operation in table.OPERATIONS.get((ops.library, ops.place), ()):
            fused = kernel(operation, ops)
            if fused is not None:
                return fused(*arrays, axes=axes, keepdims=keepdims, ops=ops)
        block = blocks.READ[ops.result_name]
        if is_by_blocks(ops, arrays[0], block):
            return blocks.reduce(formula, arrays, axes=axes, keepdims=keepdims, ops=ops, block=block)
    elif ops.is_lazy:

        def on_chunk(*arrays: Array | None, ops: ArrayOps, **options: Any) -> Any:
            return reduce(formula, *arrays, ops=ops, operation=operation, **options)

        return chunks.reduce(on_chunk, arrays, axes, keepdims=keepdims, ops=ops)
    return formula(*arrays, axes=axes, keepdims=keepdims, ops=ops)


def elementwise(
    formula: Formula,
    *arrays: Array | None,
    ops: ArrayOps,
    whole: tuple[int, ...] = (),
    dtype: DType | None = None,
    block: int = 0,
) -> Array:
    """Return ``formula(*arrays, ops=)``, an array with the shape of the first, and its dtype or ``dtype``.

    Along the axes in ``whole`` the formula need not be elementwise: blocks are not cut along them.
    """
    block = block or blocks.WRITTEN
    if is_by_blocks(ops, arrays[0], block):
        return blocks.elementwise(formula, arrays, ops=ops, whole=whole, dtype=dtype, block=block)
    out = formula(*arrays, ops=ops)
    if dtype is None and out.dtype != ops.dtype:  # NumPy's operations return native byte order
        out = ops.cast(out, ops.dtype)
    return ops.as_array(out) if ops.has_scalars else out


def along(formula: Formula, *arrays: Array | None, axes: tuple[int, ...], ops: ArrayOps) -> Array:
    """As `elementwise`, for a formula that needs some axes uncut; Dask's chunks are merged along them."""
    if not ops.is_lazy:
        return elementwise(formula, *arrays, ops=ops, whole=axes)

    def on_chunk(*arrays: Array | None, ops: ArrayOps) -> Array:
        return elementwise(formula, *arrays, ops=ops, whole=axes)

    return chunks.elementwise(on_chunk, arrays, axes, ops=ops)


def largest(formula: Formula, *arrays: Array | None, dtype: DType, ops: ArrayOps) -> Array:
    """Return the largest result of ``formula(*arrays, ops=)``, 0-d and >= 0, or NaN if one result is NaN."""
    block = blocks.READ["float32"]
    if is_by_blocks(ops, arrays[0], block):
        return blocks.largest(formula, arrays, ops=ops, block=block)
    if ops.is_lazy:
        return chunks.largest(formula, arrays, dtype, ops=ops)
    return formula(*arrays, ops=ops)
