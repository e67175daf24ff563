"""Kernels for a CPU: sums of magnitudes, of Huber functions, and of ones where x is not 0.

A sum of all elements is a float, because an array of it would have to be made and rounded in two steps.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from l1_any._arrays import decision
from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array

from . import numba_sums as loops
from .cpu_memory import NO_SUM, PART, RUN, Memory, call, memory, parts, run, tell

_FEWEST_COLUMNS = 16
_STRIP = 1 << 14
_ROWS = 64
_ONES = True  # the loops tell it from a half-width by its type


def sum_of_magnitudes(
    x: Array,
    where: Array | None,
    weights: Array | None,
    *,
    axes: tuple[int, ...],
    keepdims: bool,
    ops: ArrayOps,
) -> Array | float | None:
    """Σ m·w·|x| along some axes."""
    return _sum(None, "sum_of_magnitudes", x, where, weights, axes, keepdims, ops)


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
    """Σ m·w·h(x) of the Huber function with half-width `delta`, along some axes."""
    return _sum(delta, "sum_of_huber", x, where, weights, axes, keepdims, ops)


def sum_of_squared_signs(
    x: Array,
    where: Array | None,
    weights: Array | None,
    *,
    axes: tuple[int, ...],
    keepdims: bool,
    ops: ArrayOps,
) -> Array | None:
    """Σ (m·w)² over the elements that are not 0, along some axes."""
    return _sum(_ONES, "sum_of_squared_signs", x, where, weights, axes, keepdims, ops)


def _sum(
    h: float | None,
    operation: str,
    x: Array,
    where: Array | None,
    weights: Array | None,
    axes: tuple[int, ...],
    keepdims: bool,  # noqa: FBT001
    ops: ArrayOps,
) -> Array | float | None:
    arrays = (ops.memory(x), None, None) if where is weights is None else memory(x, where, weights, ops)
    if arrays is None or arrays[0] is None:
        return None
    if len(axes) == x.ndim:
        own, mask, w = arrays
        run_length = RUN.get(ops.dtype_name, PART)
        if own.size > PART:
            total = _total(h, operation, own, mask, w, run_length, ops)
        else:
            if decision.asked:
                tell(ops, operation, 1, 1)
            total = call(loops.sum_of_part, own, mask, w, h, 0, own.size, run_length, NO_SUM, 0)
        return ops.full((1,) * x.ndim, total, ops.accumulator, x) if keepdims else total
    shape = tuple(x.shape)
    reduced = sorted(axes)
    kept = [axis for axis in range(len(shape)) if axis not in reduced]
    n_kept, n_reduced = (
        math.prod([shape[axis] for axis in kept]),
        math.prod([shape[axis] for axis in reduced]),
    )
    out = ops.full(tuple([shape[axis] for axis in kept]), 0.0, ops.accumulator, x)
    found = ops.memory(out)
    if n_kept and n_reduced:
        if reduced[0] == len(kept):
            _rows(h, operation, arrays, n_kept, n_reduced, found, ops)
        elif reduced[-1] == len(reduced) - 1 and n_kept >= _FEWEST_COLUMNS:
            if not _columns(h, operation, arrays, n_reduced, n_kept, found, ops):
                return None
        else:
            return None
    return (
        ops.xp.reshape(out, tuple([1 if i in reduced else n for i, n in enumerate(shape)]))
        if keepdims
        else out
    )


def _total(
    h: float | None,
    operation: str,
    x: Memory,
    where: Memory | None,
    weights: Memory | None,
    run_length: int,
    ops: ArrayOps,
) -> float:
    own = parts(x.size)
    sums = np.empty((len(own), 2))
    tasks = [(x, where, weights, h, start, end, run_length, sums, i) for i, (start, end) in enumerate(own)]
    run(loops.sum_of_part, tasks, x.size, ops, operation)
    return float(call(loops.total, sums))


def _rows(
    h: float | None,
    operation: str,
    arrays: Sequence[Any],
    rows: int,
    columns: int,
    out: Memory,
    ops: ArrayOps,
) -> None:
    x, where, weights = arrays
    at_once = max(1, PART // columns)
    tasks = [
        (x, where, weights, h, row, min(row + at_once, rows), RUN.get(ops.dtype_name, PART), columns, out)
        for row in range(0, rows, at_once)
    ]
    run(loops.sums_of_rows, tasks, x.size, ops, operation)


def _columns(
    h: float | None,
    operation: str,
    arrays: Sequence[Any],
    rows: int,
    columns: int,
    out: Memory,
    ops: ArrayOps,
) -> bool:
    """Sum rows of columns in strips, and return whether masks and weights have the shape for it."""
    x, where, weights = arrays
    if any(a is not None and a.size % columns for a in (where, weights)):
        return False
    strips = range(0, columns, _STRIP)
    at_once = max(_ROWS, PART // min(columns, _STRIP)) if len(strips) == 1 else rows
    chunks = range(0, rows, at_once)
    sums = np.zeros((len(chunks), 2, columns))
    tasks = [
        (
            x,
            where,
            weights,
            h,
            row,
            min(row + at_once, rows),
            columns,
            first,
            min(first + _STRIP, columns),
            sums[i],
        )
        for i, row in enumerate(chunks)
        for first in strips
    ]
    run(loops.sums_of_columns, tasks, x.size, ops, operation)
    call(loops.totals_of_columns, sums, out)
    return True
