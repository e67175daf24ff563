"""Kernels that are part of torch."""

from typing import Any

import torch

from l1_any._typing import Array

_FEW = 1 << 16
_SMALLEST_NORMAL = 2.0**-126


def soft_threshold(
    x: Array, where: Array | None, weights: Array | None, step: float, *, out: Array | None = None, ops: Any
) -> Array | None:
    """Soft-threshold by a number. torch's zeros may be -0.0; adding 0.0 makes them +0.0."""
    del ops
    if where is not None or weights is not None or out is not None:
        return None
    if step >= _SMALLEST_NORMAL and x.numel() <= _FEW:  # faster for few elements; x - x is +0.0
        return x - torch.clamp(x, -step, step)
    return torch.nn.functional.softshrink(x, step).add_(0.0)


def sum_of_magnitudes(
    x: Array, where: Array | None, weights: Array | None, *, axes: tuple[int, ...], keepdims: bool, ops: Any
) -> Array | None:
    """Σ m·|x| on a GPU, with at most one copy of x; abs and sum would make two."""
    if weights is not None:
        return None
    x = ops.selected(x, where)
    return torch.linalg.vector_norm(x, 1, dim=axes, keepdim=keepdims, dtype=ops.accumulator)
