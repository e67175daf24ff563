"""Eager arrays on the CPU, block by block: no temporary of the array's size, and sums in float64."""

import functools
import math
from collections.abc import Callable
from typing import Any

from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array, DType

Arrays = tuple[Array | None, ...]

READ = {"float32": 1 << 20, "float64": 1 << 19}
"""Elements of a block to sum, by the dtype of the result: few calls, with temporaries of a few MiB."""

WRITTEN = 1 << 18
"""Elements of a block of an elementwise result. These formulas have more temporaries."""

FEW = 1 << 15
"""For fewer elements, calls take longer than arithmetic."""

SIGNS = 1 << 20
"""Elements of a block of signs. Their formula has few temporaries."""


def reduce(
    formula: Callable[..., Any],
    arrays: Arrays,
    *,
    axes: tuple[int, ...],
    keepdims: bool,
    ops: ArrayOps,
    block: int,
) -> Any:
    """Add up the sums of a formula over the blocks, along some axes: one array, or a tuple of several."""
    on_block = functools.partial(formula, axes=axes, keepdims=True, ops=ops)
    totals = _fold(on_block, _aligned(arrays, ops), axes, ops, block=block)
    if keepdims:
        return totals
    kept = tuple([n for axis, n in enumerate(_shape(arrays)) if axis not in axes])
    if isinstance(totals, tuple):
        return tuple(ops.xp.reshape(total, kept) for total in totals)
    return ops.xp.reshape(totals, kept)


def elementwise(
    formula: Callable[..., Array],
    arrays: Arrays,
    *,
    ops: ArrayOps,
    whole: tuple[int, ...],
    dtype: DType | None,
    block: int,
) -> Array:
    """Return the result of a formula, computed block by block. Blocks are not cut along the axes in ``whole``."""
    out = ops.empty_like(arrays[0], dtype)

    def write(out: Array, *arrays: Array | None) -> None:
        out[...] = formula(*arrays, ops=ops)

    _fold(write, _aligned((out, *arrays), ops), (), ops, block=block, whole=whole)
    return out


def largest(formula: Callable[..., Array], arrays: Arrays, *, ops: ArrayOps, block: int) -> Array:
    """Return the largest result of a formula over the blocks, or NaN if one of the results is NaN."""
    found: list[Array] = []

    def collect(*arrays: Array | None) -> None:
        found.append(formula(*arrays, ops=ops))

    _fold(collect, _aligned(arrays, ops), (), ops, block=block)
    return ops.xp.max(ops.xp.stack(found))


def _shape(arrays: Arrays) -> tuple[int, ...]:
    first: Array = arrays[0]
    return tuple(first.shape)


def _aligned(arrays: Arrays, ops: ArrayOps) -> Arrays:
    """Give all arrays as many dimensions as the first; new dimensions have length 1."""
    n = len(_shape(arrays))
    return tuple(
        [a if a is None or a.ndim == n else ops.xp.reshape(a, (1,) * (n - a.ndim) + a.shape) for a in arrays]
    )


def _fold(
    on_block: Callable[..., Any],
    arrays: Arrays,
    axes: tuple[int, ...],
    ops: ArrayOps,
    *,
    block: int,
    whole: tuple[int, ...] = (),
) -> Any:
    """Halve the arrays along the outermost axis, down to blocks, and add or concatenate the results."""
    shape = _shape(arrays)
    size = math.prod(shape)
    axis = next((axis for axis, n in enumerate(shape) if n > 1 and axis not in whole), None)
    if size <= block or axis is None:
        return on_block(*arrays)
    n = shape[axis]
    step = max(1, block // (size // n))
    middle = -(-n // step) // 2 * step
    outer = (slice(None),) * axis
    low, high = (
        _fold(
            on_block,
            tuple([a if a is None or a.shape[axis] == 1 else a[(*outer, part, ...)] for a in arrays]),
            axes,
            ops,
            block=block,
            whole=whole,
        )
        for part in (slice(None, middle), slice(middle, None))
    )
    if low is None:
        return None
    if isinstance(low, tuple):
        return tuple(_together(*pair, axis, axes, ops) for pair in zip(low, high, strict=True))
    return _together(low, high, axis, axes, ops)


def _together(low: Array, high: Array, axis: int, axes: tuple[int, ...], ops: ArrayOps) -> Array:
    return low + high if axis in axes else ops.xp.concat([low, high], axis=axis)
