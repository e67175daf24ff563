"""The memory and the process in which the elements of a tensor are."""

import sys
from typing import Any

import torch


def memory_place(p: torch.Tensor) -> tuple[Any, ...]:
    """Return a key that is equal for tensors that share all of their memory, even with other shapes or axes."""
    dims = sorted((stride, n) for stride, n in zip(p.stride(), p.shape, strict=True) if n > 1)
    runs: list[tuple[int, int]] = []
    for stride, n in dims:  # contiguous axes merge into one
        if runs and runs[-1][0] * runs[-1][1] == stride:
            runs[-1] = (runs[-1][0], runs[-1][1] * n)
        else:
            runs.append((stride, n))
    return p.data_ptr() or id(p), *runs


def local_part(p: torch.Tensor) -> torch.Tensor:
    """Return this process's shard of a DTensor, and any other tensor unchanged."""
    return p.to_local() if _is_distributed(p) else p


def whole(p: torch.Tensor) -> torch.Tensor:
    """Return a DTensor gathered from all processes, and any other tensor unchanged."""
    return p.full_tensor() if _is_distributed(p) else p


def _is_distributed(p: torch.Tensor) -> bool:
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(p, module.DTensor)
