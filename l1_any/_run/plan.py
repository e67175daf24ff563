"""The one decision: whether a formula runs whole, by blocks, by chunks, or gives way to a fused kernel.

Plain arrays in the CPU's memory that are larger than a block run by blocks, with no temporary of their size. Lazy
arrays run chunk by chunk, when the user computes. All others run whole: a compiler or a GPU does the rest.
"""

import math
from collections.abc import Callable
from typing import Any

from l1_any._arrays.standard import ArrayOps
from l1_any._arrays.state import State
from l1_any._kernels import table
from l1_any._typing import Array, DType

from . import blocks, chunks

Arrays = tuple[Array | None, ...]
"""An array, and others or None that broadcast to it."""

Formula = Callable[..., Any]


def is_by_blocks(ops: ArrayOps, x: Array, block: int) -> bool:
    """Whether a formula runs on blocks of x of so many elements at most.

    No size is compared before the state: under a compiler it may be a symbol.
    """
    return ops.state is State.PLAIN and ops.place == "cpu" and math.prod(x.shape) > block


def kernel(operation: str, ops: ArrayOps) -> Callable[..., Any] | None:
    """Return the fused kernel of a formula for plain arrays, or None."""
    return table.find(operation, ops) if ops.state is State.PLAIN else None


def reduce(
    formula: Formula,
    *arrays: Array | None,
    axes: tuple[int, ...],
    keepdims: bool,
    ops: ArrayOps,
    operation: str = "",
) -> Any:
    """Return the sums along some axes that ``formula(*arrays, axes=, keepdims=, ops=)`` takes: one, or a tuple.

    ``operation`` names the formula in the table of kernels.
    """
    if ops.state is State.PLAIN:
        if axes and (operation, ops.library, ops.place) in table.PLACES:
            fused = kernel(operation, ops)
            if fused is not None:
                return fused(*arrays, axes=axes, keepdims=keepdims, ops=ops)
        block = blocks.READ[ops.result_name]
        if is_by_blocks(ops, arrays[0], block):
            return blocks.reduce(formula, arrays, axes=axes, keepdims=keepdims, ops=ops, block=block)
    elif ops.state is State.LAZY:

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
    """Return what ``formula(*arrays, ops=)`` gives: an array like the first, but for its dtype.

    No block is cut along the axes in ``whole``, where the formula is not elementwise.
    """
    block = block or blocks.WRITTEN
    if is_by_blocks(ops, arrays[0], block):
        return blocks.elementwise(formula, arrays, ops=ops, whole=whole, dtype=dtype, block=block)
    out = formula(*arrays, ops=ops)
    if dtype is None and out.dtype != ops.dtype:  # NumPy's operations forget the byte order
        out = ops.cast(out, ops.dtype)
    return ops.as_array(out) if ops.has_scalars else out


def along(formula: Formula, *arrays: Array | None, axes: tuple[int, ...], ops: ArrayOps) -> Array:
    """Return what `elementwise` gives, for a formula that needs some axes whole, also of chunks."""
    if ops.state is not State.LAZY:
        return elementwise(formula, *arrays, ops=ops, whole=axes)

    def on_chunk(*arrays: Array | None, ops: ArrayOps) -> Array:
        return elementwise(formula, *arrays, ops=ops, whole=axes)

    return chunks.elementwise(on_chunk, arrays, axes, ops=ops)


def largest(formula: Formula, *arrays: Array | None, dtype: DType, ops: ArrayOps) -> Array:
    """Return the largest, 0-d and >= 0, of what ``formula(*arrays, ops=)`` gives; NaN if there is one."""
    block = blocks.READ["float32"]
    if is_by_blocks(ops, arrays[0], block):
        return blocks.largest(formula, arrays, ops=ops, block=block)
    if ops.state is State.LAZY:
        return chunks.largest(formula, arrays, dtype, ops=ops)
    return formula(*arrays, ops=ops)
