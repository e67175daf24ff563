"""The one decision: whether a formula runs whole, by blocks, by chunks, or gives way to a fused kernel."""

import enum
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


class Way(enum.Enum):
    """How a formula runs."""

    WHOLE = enum.auto()
    """On the whole arrays: they are small, or a compiler or a GPU will do the rest."""
    BLOCKS = enum.auto()
    """On blocks of arrays in the CPU's memory, with no temporary of their size."""
    CHUNKS = enum.auto()
    """On each chunk of lazy arrays, when the user computes."""


def way(ops: ArrayOps, x: Array, block: int) -> Way:
    """Return how a formula runs on x, in blocks of so many elements at most."""
    if ops.state is State.PLAIN:  # no size is compared under a compiler, where it may be a symbol
        return Way.BLOCKS if ops.place == "cpu" and math.prod(x.shape) > block else Way.WHOLE
    return Way.CHUNKS if ops.state is State.LAZY else Way.WHOLE


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
    if ops.is_differentiated:
        return formula(*arrays, axes=axes, keepdims=keepdims, ops=ops)
    if (operation, ops.library, ops.place, ops.dtype_name) in table.BY_KEY and axes:
        found = kernel(operation, ops)
        if found is not None:
            return found(*arrays, axes=axes, keepdims=keepdims, ops=ops)
    block = blocks.READ // 2 if ops.result_name == "float64" else blocks.READ
    chosen = way(ops, arrays[0], block)
    if chosen is Way.WHOLE:
        return formula(*arrays, axes=axes, keepdims=keepdims, ops=ops)
    if chosen is Way.BLOCKS:
        return blocks.reduce(formula, arrays, axes=axes, keepdims=keepdims, ops=ops, block=block)

    def on_chunk(*arrays: Array | None, ops: ArrayOps, **options: Any) -> Any:
        return reduce(formula, *arrays, ops=ops, operation=operation, **options)

    return chunks.reduce(on_chunk, arrays, axes, keepdims=keepdims, ops=ops)


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
    if way(ops, arrays[0], block) is Way.BLOCKS:
        return blocks.elementwise(formula, arrays, ops=ops, whole=whole, dtype=dtype, block=block)
    out = formula(*arrays, ops=ops)
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
    match way(ops, arrays[0], blocks.READ):
        case Way.WHOLE:
            return formula(*arrays, ops=ops)
        case Way.BLOCKS:
            return blocks.largest(formula, arrays, ops=ops, block=blocks.READ)
        case Way.CHUNKS:
            return chunks.largest(formula, arrays, dtype, ops=ops)
