"""Kernels for a CPU: the norms of groups along the last axes, and their shrinkage."""

import functools
import math
from collections.abc import Callable
from typing import Any

from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array

from . import numba_groups as loops
from .cpu_memory import PART, RUN, run


def group_norms(x: Array, *, axes: tuple[int, ...], ops: ArrayOps) -> Array | None:
    """‖x‖₂ of each group, in the accumulator's dtype, with the axes kept."""
    shape = tuple([1 if axis in axes else n for axis, n in enumerate(x.shape)])
    out = functools.partial(ops.full, shape, 0.0, ops.accumulator, x)
    return _by_rows(loops.norms_of_rows, (), x, out, axes, ops, "group_norms")


def shrink_groups(x: Array, step: float, *, axes: tuple[int, ...], ops: ArrayOps) -> Array | None:
    """x·max(1 - step/‖x‖₂, 0) for each group."""
    out = functools.partial(ops.empty_like, x)
    return _by_rows(loops.shrink_rows, (float(step),), x, out, axes, ops, "shrink_groups")


def _by_rows(
    loop: Callable[..., Any],
    numbers: tuple[float, ...],
    x: Array,
    make: Callable[[], Array],
    axes: tuple[int, ...],
    ops: ArrayOps,
    operation: str,
) -> Array | None:
    """Run a loop over the groups of x as the rows of a matrix, and return the array that it writes, or None."""
    own, rows, columns = ops.memory(x), *_matrix(x, axes)
    if own is None or not own.size or not columns:
        return None
    out = make()
    written, terms, at_once = ops.memory(out), RUN.get(ops.dtype_name, PART), max(1, PART // columns)
    tasks = [
        (own, *numbers, row, min(row + at_once, rows), columns, terms, written)
        for row in range(0, rows, at_once)
    ]
    run(loop, tasks, own.size, ops, operation)
    return out


def _matrix(x: Array, axes: tuple[int, ...]) -> tuple[int, int]:
    """Return the number of rows and columns of x as a matrix with groups as rows; no columns if it is none."""
    kept = x.ndim - len(axes)
    if sorted(axes) != list(range(kept, x.ndim)):
        return 0, 0
    return math.prod(x.shape[:kept]), math.prod(x.shape[kept:])
