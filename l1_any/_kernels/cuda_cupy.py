"""Kernels for CuPy's arrays, in CUDA C++. Each returns None for arrays that it does not take.

They take contiguous arrays, with masks and weights of the shape of x or of its last axes. Sums use no atomic operation
and a number of blocks that depends on the shape alone, so that they have the same bits each time.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import cupy
import numpy as np

from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array

from . import layout
from .cuda_code import TYPES
from .cuda_code import kernel as compiled

T = TypeVar("T")

THREADS = 256
"""Threads of a block, a power of two."""
BLOCKS = 2048
"""About as many blocks as a large GPU runs at once."""
_FEWEST = 16  # elements that a thread adds up
_C_TYPES = {int: np.int64, float: np.float64}


class _Beside(NamedTuple):
    """A mask or weights."""

    array: Array | None
    way: int
    """0 if there are none, 1 if they have the shape of x, 2 if they are repeated along x."""
    period: int


_NOTHING = _Beside(None, 0, 1)


def _device(x: Array) -> Any:
    """Return a context in which the device of x is the current one. CuPy allocates and launches on that device."""
    return x.device


def _on_its_device(kernel: Callable[..., T]) -> Callable[..., T]:
    @functools.wraps(kernel)
    def run(x: Array, *args: Any, **options: Any) -> T:
        with _device(x):
            return kernel(x, *args, **options)

    return run


@_on_its_device
def sum_of_magnitudes(
    x: Array,
    where: Array | None,
    weights: Array | None,
    *,
    axes: tuple[int, ...],
    keepdims: bool,
    ops: ArrayOps,
) -> Array | None:
    """Σ m·w·|x| along some axes, in float64."""
    del ops
    return _summed(x, where, weights, axes=axes, keepdims=keepdims)


@_on_its_device
def sum_of_huber(
    x: Array,
    where: Array | None,
    weights: Array | None,
    delta: float,
    *,
    axes: tuple[int, ...],
    keepdims: bool,
    ops: ArrayOps,
) -> Array | None:
    """Σ m·w·h(x) along some axes, in float64."""
    del ops
    return _summed(x, where, weights, axes=axes, keepdims=keepdims, delta=delta)


@_on_its_device
def magnitudes_and_signs(
    x: Array,
    where: Array | None,
    scale: Array | float | None,
    *,
    axes: tuple[int, ...],
    keepdims: bool,
    ops: ArrayOps,
) -> tuple[Array, Array] | None:
    """Σ m·|x| along some axes, and m·sign(x)·scale, from one read of x."""
    del ops
    if not _is_flat(x) or not _fits(scale):
        return None
    s = cupy.empty_like(x)
    total = _summed(x, where, None, axes=axes, keepdims=keepdims, signs=s, scale=scale)
    return None if total is None else (total, s)


@_on_its_device
def signs(x: Array, where: Array | None, scale: Array | float | None, *, ops: ArrayOps) -> Array | None:
    """m·sign(x)·scale."""
    del ops
    return _slopes(x, where, scale, None)


@_on_its_device
def huber_gradient(
    x: Array, where: Array | None, scale: Array | float | None, delta: float, *, ops: ArrayOps
) -> Array | None:
    """m·h'(x)·scale."""
    del ops
    return _slopes(x, where, scale, delta)


@_on_its_device
def soft_threshold(
    x: Array,
    where: Array | None,
    weights: Array | None,
    step: float,
    *,
    out: Array | None = None,
    ops: ArrayOps,
) -> Array | None:
    """Soft-threshold by step·w where the mask is true."""
    del ops
    mask, w = _beside(x, where, ("bool",)), _beside(x, weights, TYPES)
    if mask is None or w is None or not _is_flat(x):
        return None
    p = cupy.empty_like(x) if out is None else out
    kernel = compiled(
        "soft_threshold",
        threads=THREADS,
        x=x.dtype.name,
        mask=mask.way,
        weights=w.way,
        dtype_of_weights=_name(w.array),
    )
    _elementwise(kernel, x, mask.array, mask.period, w.array, w.period, float(step), p)
    return p


def _slopes(x: Array, where: Array | None, scale: Array | float | None, delta: float | None) -> Array | None:
    mask = _beside(x, where, ("bool",))
    if mask is None or not _is_flat(x) or not _fits(scale):
        return None
    s = cupy.empty_like(x)
    kernel = compiled(
        "slopes",
        threads=THREADS,
        x=x.dtype.name,
        mask=mask.way,
        scale=_name(scale),
        is_huber=delta is not None,
    )
    _elementwise(kernel, x, mask.array, mask.period, *_factor(scale), delta or 0.0, s)
    return s


def _elementwise(kernel: Any, x: Array, *args: Any) -> None:
    size = x.size
    if size:
        _launch(kernel, (-(-size // THREADS),), x, *args, size)


def _summed(
    x: Array,
    where: Array | None,
    weights: Array | None,
    *,
    axes: tuple[int, ...],
    keepdims: bool,
    delta: float | None = None,
    signs: Array | None = None,
    scale: Array | float | None = None,
) -> Array | None:
    mask, w = _beside(x, where, ("bool",)), _beside(x, weights, TYPES)
    if mask is None or w is None or not axes or not _is_flat(x):
        return None
    first, last = axes[0], axes[-1] + 1
    if last - first != len(axes):
        return None
    outer, reduced, inner = x.shape[:first], x.shape[first:last], x.shape[last:]
    total = cupy.empty((*outer, *(1 for _ in reduced if keepdims), *inner), np.float64)
    if not x.size:
        total.fill(0.0)
        return total
    n, repeats, length = math.prod(reduced), math.prod(outer), math.prod(inner)
    # The axes outer, kept, reduced of the kernel. If no inner axis is kept, the outer ones are.
    shape, strides = (1, repeats, n), (0, n, 1)
    if length > 1:
        shape, strides = (repeats, length, n), (n * length, 1, length)
    kernel = compiled(
        "sums",
        threads=THREADS,
        x=x.dtype.name,
        mask=mask.way,
        weights=w.way,
        dtype_of_weights=_name(w.array),
        scale=_name(scale),
        is_huber=delta is not None,
        has_signs=signs is not None,
    )
    args = mask.array, mask.period, w.array, w.period, signs, *_factor(scale), delta or 0.0
    _sum(kernel, x, total, *args, shape=shape, strides=strides)
    return total


def _sum(
    kernel: Any,
    x: Array,
    total: Array,
    *args: Any,
    shape: tuple[int, int, int],
    strides: tuple[int, int, int],
) -> None:
    """Sum in one launch, or in two if the reduced axis is cut into segments."""
    mask, mask_period, w, w_period, signs, scale, number, delta = args
    outer, kept, reduced = shape
    columns = THREADS
    if strides[2] > 1:  # neighbours in memory are of different rows
        columns = max(1, THREADS // _power_of_two(kept))
    elif kept > 1:
        columns = min(THREADS, _power_of_two(reduced))
    groups = outer * -(-kept // (THREADS // columns))
    steps = -(-reduced // columns)
    segments = min(-(-BLOCKS // groups), -(-steps // _FEWEST))
    segment = -(-steps // segments) * columns
    segments = -(-reduced // segment)
    out = total if segments == 1 else cupy.empty(outer * kept * segments, np.float64)
    arrays = mask, mask_period, w, w_period, out, signs, scale, number, delta
    sizes = kept, reduced, segment, strides[1], strides[2], strides[0], columns
    _launch(kernel, (groups, segments), x, *arrays, *sizes)
    if segments > 1:
        alone = None, 1, None, 1, None, None, 0.0, 0.0
        _sum(
            compiled("sums", threads=THREADS, x="float64"),
            out,
            total,
            *alone,
            shape=(1, outer * kept, segments),
            strides=(0, segments, 1),
        )


def _launch(kernel: Any, grid: tuple[int, ...], x: Array, *args: Any) -> None:
    """Run a kernel on the current device. Arrays that are None are not read: x takes their place."""
    given = [x if a is None else _C_TYPES[type(a)](a) if type(a) in _C_TYPES else a for a in args]
    kernel(grid, (THREADS,), (x, *given))


def _name(a: Array | float | None) -> str:
    """Name the dtype of an array, or "number"; empty for None."""
    if a is None:
        return ""
    return "number" if isinstance(a, float) else str(a.dtype.name)


def _factor(scale: Array | float | None) -> tuple[Array | None, float]:
    """Return a scale as an array and a number, of which the kernel uses one."""
    return (None, scale) if isinstance(scale, float) else (scale, 0.0)


def _fits(scale: Array | float | None) -> bool:
    """Whether a scale is a number, or an array with one real element."""
    return scale is None or isinstance(scale, float) or (scale.size == 1 and scale.dtype.name in TYPES)


def _is_flat(x: Array) -> bool:
    """Whether the memory of x holds its elements in order."""
    return bool(x.flags.c_contiguous)


def _beside(x: Array, a: Array | None, dtypes: Any) -> _Beside | None:
    """Return a mask or weights beside x, or None if they do not repeat along the memory of x."""
    if a is None:
        return _NOTHING
    if a.dtype.name not in dtypes or not _is_flat(a):
        return None
    if a.shape == x.shape:
        return _Beside(a, 1, 1)
    return _Beside(a, 2, a.size) if layout.repeats(a.shape, x.shape) else None


def _power_of_two(n: int) -> int:
    """Return the least power of two that is at least n."""
    return 1 << max(n - 1, 0).bit_length()
