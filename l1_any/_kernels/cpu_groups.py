"""Kernels for a CPU: the norms of groups along the last axes, and their shrinkage."""

import math

from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array

from . import numba_groups as loops
from .cpu_memory import PART, RUN, run


def group_norms(x: Array, *, axes: tuple[int, ...], ops: ArrayOps) -> Array | None:
    """‖x‖₂ of each group, in the accumulator's dtype, with the axes kept."""
    own, rows, columns = ops.memory(x), *_matrix(x, axes)
    if own is None or not own.size or not columns:
        return None
    shape = tuple([1 if axis in axes else n for axis, n in enumerate(x.shape)])
    out = ops.full(shape, 0.0, ops.accumulator, x)
    at_once = max(1, PART // columns)
    tasks = [
        (own, row, min(row + at_once, rows), columns, RUN.get(ops.dtype_name, PART), ops.memory(out))
        for row in range(0, rows, at_once)
    ]
    run(loops.norms_of_rows, tasks, own.size, ops, "group_norms")
    return out


def shrink_groups(x: Array, step: float, *, axes: tuple[int, ...], ops: ArrayOps) -> Array | None:
    """x·max(1 - step/‖x‖₂, 0) for each group."""
    own, rows, columns = ops.memory(x), *_matrix(x, axes)
    if own is None or not own.size or not columns:
        return None
    out = ops.empty_like(x)
    at_once = max(1, PART // columns)
    tasks = [
        (
            own,
            float(step),
            row,
            min(row + at_once, rows),
            columns,
            RUN.get(ops.dtype_name, PART),
            ops.memory(out),
        )
        for row in range(0, rows, at_once)
    ]
    run(loops.shrink_rows, tasks, own.size, ops, "shrink_groups")
    return out


def _matrix(x: Array, axes: tuple[int, ...]) -> tuple[int, int]:
    """Return the number of rows and columns of x as a matrix with groups as rows; no columns if it is none."""
    kept = x.ndim - len(axes)
    if sorted(axes) != list(range(kept, x.ndim)):
        return 0, 0
    return math.prod(x.shape[:kept]), math.prod(x.shape[kept:])
