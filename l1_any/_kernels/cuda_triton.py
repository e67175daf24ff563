"""Kernels for torch's tensors on a GPU, in Triton. Each returns None for tensors that it does not take.

They take contiguous tensors, with masks and weights of the shape of x or of its last axes. Sums use no atomic operation
and a number of programs that depends on the shape alone, so that they have the same bits each time.
"""

import math
import struct
from typing import Any

import torch
import triton

from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array

from . import layout, triton_code

TILE = 2048
"""Elements that a program holds at once, a power of two."""
PROGRAMS = 2048
"""About as many programs as a large GPU runs at once."""
_FEWEST_TILES = 2  # that a program adds up
_COLUMNS = 32, 128, 512, 2048  # of a tile whose rows are contiguous
_ROWS = 4, 32, 128  # of a tile whose columns are contiguous
_LARGE = 1 << 30  # offsets of more elements may not fit into 32 bits
_REAL = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_BOOLEAN = (torch.bool,)

_Factor = tuple[Array | None, int | None]
"""A scale: an array with one element, or the bits of a number, or neither."""


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
    return _summed(x, where, weights, axes=axes, keepdims=keepdims, delta=_bits(delta))


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
    factor = _factor(x, scale)
    if factor is None or not _is_flat(x):
        return None
    s = torch.empty_like(x)
    total = _summed(x, where, None, axes=axes, keepdims=keepdims, signs=s, factor=factor)
    return None if total is None else (total, s)


def signs(x: Array, where: Array | None, scale: Array | float | None, *, ops: ArrayOps) -> Array | None:
    """m·sign(x)·scale."""
    del ops
    return _slopes(x, where, scale, None)


def huber_gradient(
    x: Array, where: Array | None, scale: Array | float | None, delta: float, *, ops: ArrayOps
) -> Array | None:
    """m·h'(x)·scale."""
    del ops
    return _slopes(x, where, scale, _bits(delta))


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
    mask, w = _beside(x, where, _BOOLEAN), _beside(x, weights, _REAL)
    if mask is None or w is None or not _is_flat(x):
        return None
    p = torch.empty_like(x) if out is None else out
    _elementwise(triton_code.soft_threshold, x, *mask, *w, _bits(step), p)
    if out is not None:  # so that autograd sees that the memory was written to
        torch.autograd.graph.increment_version(out)
    return p


def _slopes(x: Array, where: Array | None, scale: Array | float | None, delta: int | None) -> Array | None:
    mask, factor = _beside(x, where, _BOOLEAN), _factor(x, scale)
    if mask is None or factor is None or not _is_flat(x):
        return None
    s = torch.empty_like(x)
    _elementwise(triton_code.slopes, x, *mask, *factor, delta, s)
    return s


def _elementwise(kernel: Any, x: Array, *args: Any) -> None:
    size = x.numel()
    if size:
        _launch(kernel, (triton.cdiv(size, TILE),), x, *args, size, TILE, size >= _LARGE)


def _summed(
    x: Array,
    where: Array | None,
    weights: Array | None,
    *,
    axes: tuple[int, ...],
    keepdims: bool,
    delta: int | None = None,
    signs: Array | None = None,
    factor: _Factor = (None, None),
) -> Array | None:
    mask, w = _beside(x, where, _BOOLEAN), _beside(x, weights, _REAL)
    if mask is None or w is None or not axes or not _is_flat(x):
        return None
    first, last = axes[0], axes[-1] + 1
    if last - first != len(axes):
        return None
    outer, reduced, inner = (
        tuple(x.shape[part]) for part in (slice(first), slice(first, last), slice(last, None))
    )
    total = x.new_empty((*outer, *(1 for _ in reduced if keepdims), *inner), dtype=torch.float64)
    if not x.numel():
        return total.zero_()
    n, repeats, length = math.prod(reduced), math.prod(outer), math.prod(inner)
    # The axes outer, kept, reduced of the kernel. If no inner axis is kept, the outer ones are.
    shape, strides = (
        ((1, repeats, n), (0, n, 1)) if length == 1 else ((repeats, length, n), (n * length, 1, length))
    )
    _sum(x, *mask, *w, total, signs, *factor, delta, shape=shape, strides=strides)
    return total


def _sum(x: Array, *args: Any, shape: tuple[int, int, int], strides: tuple[int, int, int]) -> None:
    """Sum in one launch, or in two if the reduced axis is cut into segments."""
    mask, mask_period, w, w_period, total, signs, scale, number, delta = args
    outer, kept, reduced = shape
    if strides[2] > 1:
        rows = _enough(kept, _ROWS)
        columns = TILE // rows
    else:
        columns = TILE if kept == 1 else _enough(reduced, _COLUMNS)
        rows = TILE // columns
    groups, tiles = outer * triton.cdiv(kept, rows), triton.cdiv(reduced, columns)
    segments = min(triton.cdiv(PROGRAMS, groups), triton.cdiv(tiles, _FEWEST_TILES))
    segment = triton.cdiv(tiles, segments) * columns
    segments = triton.cdiv(reduced, segment)
    out = total if segments == 1 else total.new_empty(outer * kept * segments)
    arrays = x, mask, mask_period, w, w_period, out, signs, scale, number, delta
    sizes = kept, reduced, segment, strides[1], strides[2], strides[0]
    _launch(triton_code.sums, (groups, segments), *arrays, *sizes, rows, columns, x.numel() >= _LARGE)
    if segments > 1:
        alone = out, None, None, None, None, total, None, None, None, None
        _sum(*alone, shape=(1, outer * kept, segments), strides=(0, segments, 1))


def _launch(kernel: Any, grid: tuple[int, ...], x: Array, *args: Any) -> None:
    """Run a kernel on the device of x; Triton itself takes the current one.

    Products and sums are not fused, so that they are rounded as in the formulas.
    """
    if x.is_cuda and x.device.index != torch.cuda.current_device():
        with torch.cuda.device(x.device):
            kernel[grid](x, *args, enable_fp_fusion=False)
    else:
        kernel[grid](x, *args, enable_fp_fusion=False)


def _is_flat(x: Array) -> bool:
    """Whether the memory of x holds its elements in order. Views of conjugates hold them negated."""
    return bool(x.is_contiguous() and not x.is_neg())


def _beside(
    x: Array, a: Array | None, dtypes: tuple[torch.dtype, ...]
) -> tuple[Array | None, int | None] | None:
    """Return a mask or weights and their period, or None if they do not repeat along the memory of x."""
    if a is None:
        return None, None
    if a.dtype not in dtypes or a.device != x.device or not _is_flat(a):
        return None
    if a.shape == x.shape:
        return a, None
    return (a, a.numel()) if layout.repeats(tuple(a.shape), tuple(x.shape)) else None


def _factor(x: Array, scale: Array | float | None) -> _Factor | None:
    """Return a scale as an array, or as the bits of a number, or None if it is an array that kernels do not take."""
    if scale is None:
        return None, None
    if isinstance(scale, float):
        return None, _bits(scale)
    fits = scale.numel() == 1 and scale.device == x.device and scale.dtype in _REAL and not scale.is_neg()
    return (scale, None) if fits else None


def _bits(number: float) -> int:
    """Return the bits of a float64 as an integer with a sign."""
    return int(struct.unpack("q", struct.pack("d", number))[0])


def _enough(n: int, sizes: tuple[int, ...]) -> int:
    """Return the first size that is at least n, or the largest. Few sizes mean that few kernels are compiled."""
    return next((size for size in sizes if size >= n), sizes[-1])
