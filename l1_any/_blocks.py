"""Eager arrays on the CPU, block by block: no temporary of the array's size, and sums in float64."""

import functools
import math
from collections.abc import Callable
from typing import Any

from . import _array, _chunks
from ._typing import Array, Axes, DType, Namespace

Arrays = tuple[Array, ...]
"""An array, and others or None that broadcast to it."""

Kernel = Callable[..., Any]

READ_ELEMENTS = 1 << 20
"""Elements of a block to sum, half as many in float64: few calls, whose temporaries take a few MiB."""

WRITTEN_ELEMENTS = 1 << 18
"""Elements of a block to write, which has more temporaries."""

SIGNS_ELEMENTS = 1 << 20
"""Elements of a block of signs, whose one temporary is small: the fewer blocks, the faster."""

SCRATCH_ELEMENTS = 1 << 18
"""Elements from which kept memory for the temporaries is worth its cost."""


def reduce(kernel: Kernel, arrays: Arrays, *, axes: tuple[int, ...], keepdims: bool, xp: Namespace) -> Any:
    """Run a reduction over blocks.

    ``kernel(*arrays, axes=, keepdims=, xp=)`` returns sums along the axes: one, or for arrays that are not lazy
    a tuple of several. A library that is traced or not on the CPU gets the arrays whole, a lazy one chunk by
    chunk.
    """
    x = arrays[0]
    if _array.is_chunked(x):

        def chunk(*arrays: Array, **options: Any) -> Array:
            return reduce(kernel, arrays, **options)

        return _chunks.reduce(chunk, arrays, axes, keepdims=keepdims)
    if not _in_blocks(arrays, xp, READ_ELEMENTS):
        return kernel(*arrays, axes=axes, keepdims=keepdims, xp=xp)
    block = READ_ELEMENTS // 2 if _array.result_dtype_name(x) == "float64" else READ_ELEMENTS
    kernel = functools.partial(kernel, axes=axes, keepdims=True)
    totals = _by_blocks(kernel, arrays, axes, xp, block=block)
    if keepdims:
        return totals
    kept = tuple(n for axis, n in enumerate(x.shape) if axis not in axes)
    if isinstance(totals, tuple):
        return tuple(xp.reshape(total, kept) for total in totals)
    return xp.reshape(totals, kept)


def elementwise(
    kernel: Kernel,
    arrays: Arrays,
    *,
    xp: Namespace,
    whole: tuple[int, ...] = (),
    dtype: DType | None = None,
    block: int = WRITTEN_ELEMENTS,
) -> Array:
    """Run ``kernel(*arrays, xp=)``, which returns an array like the first, without temporaries of its size.

    Its dtype may be another. Along the axes in ``whole``, which are elementwise no more, no block is cut.
    """
    if not _in_blocks(arrays, xp, block):
        return _array.as_array(kernel(*arrays, xp=xp))
    out = _array.empty_like(arrays[0], xp, dtype)

    def write(out: Array, *arrays: Array, xp: Namespace) -> None:
        out[...] = kernel(*arrays, xp=xp)

    _by_blocks(write, (out, *arrays), (), xp, block=block, whole=whole)
    return out


def largest(kernel: Kernel, arrays: Arrays, *, xp: Namespace) -> Array:
    """Return the largest of what ``kernel(*arrays, xp=)`` gives, 0-d, for all blocks; NaN if there is one."""
    if not _in_blocks(arrays, xp, READ_ELEMENTS):
        return kernel(*arrays, xp=xp)
    found: list[Array] = []

    def collect(*arrays: Array, xp: Namespace) -> None:
        found.append(kernel(*arrays, xp=xp))

    _by_blocks(collect, arrays, (), xp, block=READ_ELEMENTS)
    return xp.max(xp.stack(found))


def named_axes(x: Array, axes: Axes) -> tuple[int, ...]:
    """Return the axes one by one, where None stands for all of them."""
    return tuple(range(x.ndim)) if axes is None else axes


def _in_blocks(arrays: Arrays, xp: Namespace, block: int) -> bool:
    """Whether the arrays are plain, and large; or not so large, but their temporaries are kept for the next."""
    size = math.prod(arrays[0].shape)
    if not size > SCRATCH_ELEMENTS:  # nor where the shape is not known
        return False
    return are_plain(arrays, xp) and (size > block or _array.keeps_scratch(arrays[0]))


def are_plain(arrays: Arrays, xp: Namespace) -> bool:
    """Whether the arrays can be read and written as we please, with no graph being recorded."""
    return all(a is None or _array.is_plain(a, xp) for a in arrays)


def _aligned(arrays: Arrays, xp: Namespace) -> Arrays:
    """Give all arrays the dimensions of the first, of length 1 where they broadcast."""
    n = arrays[0].ndim
    return tuple(
        a if a is None or a.ndim == n else xp.reshape(a, (1,) * (n - a.ndim) + a.shape) for a in arrays
    )


def _by_blocks(
    kernel: Callable[..., Any], arrays: Arrays, axes: tuple[int, ...], xp: Namespace, **options: Any
) -> Any:
    with _array.scratch(arrays[0], xp) as namespace:

        def run(*arrays: Array) -> Any:
            return kernel(*arrays, xp=namespace())

        return _fold(run, _aligned(arrays, xp), axes, xp, **options)


def _fold(
    kernel: Callable[..., Any],
    arrays: Arrays,
    axes: tuple[int, ...],
    xp: Namespace,
    *,
    block: int,
    whole: tuple[int, ...] = (),
) -> Any:
    """Halve along the outermost axis, down to blocks; add what comes back, or lay it side by side."""
    shape = arrays[0].shape
    size = math.prod(shape)
    axis = next((axis for axis, n in enumerate(shape) if n > 1 and axis not in whole), None)
    if size <= block or axis is None:
        return kernel(*arrays)
    n = shape[axis]
    step = max(1, block // (size // n))
    middle = -(-n // step) // 2 * step
    outer = (slice(None),) * axis
    low, high = (
        _fold(
            kernel,
            tuple(a if a is None or a.shape[axis] == 1 else a[(*outer, part, ...)] for a in arrays),
            axes,
            xp,
            block=block,
            whole=whole,
        )
        for part in (slice(None, middle), slice(middle, None))
    )
    if low is None:
        return None
    if isinstance(low, tuple):
        return tuple(_together(*pair, axis, axes, xp) for pair in zip(low, high, strict=True))
    return _together(low, high, axis, axes, xp)


def _together(low: Array, high: Array, axis: int, axes: tuple[int, ...], xp: Namespace) -> Array:
    return low + high if axis in axes else xp.concat([low, high], axis=axis)
