"""Eager arrays on the CPU, block by block: no temporary of the array's size, and sums in float64."""

import functools
import math
from collections.abc import Callable

from . import _array
from ._typing import Array, Namespace

Arrays = tuple[Array | None, ...]
Kernel = Callable[..., tuple[Array, ...]]


def reduce(
    kernel: Kernel, arrays: Arrays, *, axes: tuple[int, ...], keepdims: bool, xp: Namespace
) -> tuple[Array, ...]:
    """Run a reduction over blocks of arrays that broadcast to the first of them.

    ``kernel(*arrays, axes=, keepdims=, xp=)`` returns sums along the axes. A library that is traced, lazy or
    not on the CPU gets the arrays whole.
    """
    x = arrays[0]
    if not _in_blocks(arrays, xp):
        return kernel(*arrays, axes=axes, keepdims=keepdims, xp=xp)
    sums = _fold(functools.partial(kernel, axes=axes, keepdims=True, xp=xp), _views(arrays, xp), axes, xp)
    if keepdims:
        return sums
    shape = tuple(n for axis, n in enumerate(x.shape) if axis not in axes)
    return tuple(xp.reshape(s, shape) for s in sums)


def elementwise(kernel: Callable[..., Array], arrays: Arrays, *, xp: Namespace) -> Array:
    """Run ``kernel(*arrays, xp=)``, which returns an array like the first, without temporaries of its size."""
    x = arrays[0]
    if not _in_blocks(arrays, xp):
        return kernel(*arrays, xp=xp)
    out = _array.empty_like(x, xp)

    def write(out: Array, *arrays: Array | None) -> tuple[()]:
        out[...] = kernel(*arrays, xp=xp)
        return ()

    _fold(write, (out, *_views(arrays, xp)), (), xp)
    return out


def _in_blocks(arrays: Arrays, xp: Namespace) -> bool:
    """Whether the arrays are large and can be read, with no graph being recorded, as we please."""
    free = (a is None or (_array.is_eager_cpu(a, xp) and not _array.records_gradient(a)) for a in arrays)
    return all(free) and math.prod(arrays[0].shape) > _array.BLOCK_ELEMENTS


def _views(arrays: Arrays, xp: Namespace) -> Arrays:
    shape = arrays[0].shape
    return tuple(a if a is None or a.shape == shape else xp.broadcast_to(a, shape) for a in arrays)


def _fold(kernel: Kernel, arrays: Arrays, axes: tuple[int, ...], xp: Namespace) -> tuple[Array, ...]:
    """Halve along the outermost axis, down to blocks; add what comes back, or lay it side by side."""
    x = arrays[0]
    size, block = math.prod(x.shape), _array.BLOCK_ELEMENTS
    if size <= block:
        return kernel(*arrays)
    axis = next(axis for axis, n in enumerate(x.shape) if n > 1)
    n = x.shape[axis]
    step = max(1, block // (size // n))
    middle = -(-n // step) // 2 * step
    outer = (slice(None),) * axis
    low, high = (
        _fold(kernel, tuple(None if a is None else a[(*outer, part, ...)] for a in arrays), axes, xp)
        for part in (slice(None, middle), slice(middle, None))
    )
    if axis in axes:
        return tuple(a + b for a, b in zip(low, high, strict=True))
    return tuple(xp.concat([a, b], axis=axis) for a, b in zip(low, high, strict=True))
