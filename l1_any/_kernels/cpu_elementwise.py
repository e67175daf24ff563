"""Kernels for a CPU: signs, signs with their sum, soft thresholds, and the gradient of the Huber function."""

from typing import Any

import numpy as np

from l1_any._arrays import decision
from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array

from . import numba_elementwise as loops
from . import numba_sums
from .cpu_memory import FLOATS, NO_SUM, PART, RUN, call, memory, numbers, parts, run, tell


def signs(x: Array, where: Array | None, scale: Array | float | None, *, ops: ArrayOps) -> Array | None:
    """m·s·scale, in the dtype of x; the scale is a number or an array of one element."""
    arrays = memory(x, where, None, ops)
    if arrays is None:
        return None
    out = ops.empty_like(x)
    products = numbers(scale, ops)
    tasks = _tasks(arrays[0].size, arrays[0], arrays[1], products, ops.memory(out))
    run(loops.signs_of_part, tasks, arrays[0].size, ops, "signs")
    return out


def magnitudes_and_signs(
    x: Array,
    where: Array | None,
    scale: Array | float | None,
    *,
    axes: tuple[int, ...],
    keepdims: bool,
    ops: ArrayOps,
) -> tuple[Array | float, Array] | None:
    """Σ m·|x| over all axes, and m·s·scale, from one read of x."""
    arrays = memory(x, where, None, ops)
    if arrays is None or len(axes) != x.ndim:
        return None
    s = ops.empty_like(x)
    own, mask, _ = arrays
    products, out, terms = numbers(scale, ops), ops.memory(s), RUN.get(ops.dtype_name, PART)
    if own.size <= PART:
        if decision.asked:
            tell(ops, "magnitudes_and_signs", 1, 1)
        total = call(loops.sum_and_signs_of_part, own, mask, products, out, 0, own.size, terms, NO_SUM, 0)
    else:
        sums = np.empty((len(parts(own.size)), 2))
        tasks = [
            (own, mask, products, out, start, end, terms, sums, i)
            for i, (start, end) in enumerate(parts(own.size))
        ]
        run(loops.sum_and_signs_of_part, tasks, own.size, ops, "magnitudes_and_signs")
        total = call(numba_sums.total, sums)
    return ops.full((1,) * x.ndim, float(total), ops.accumulator, x) if keepdims else float(total), s


def soft_threshold(
    x: Array,
    where: Array | None,
    weights: Array | None,
    step: float,
    *,
    out: Array | None = None,
    ops: ArrayOps,
) -> Array | None:
    """Soft-threshold by step·w where the mask is true; `out` is None for a new array, or x."""
    arrays = memory(x, where, weights, ops)
    if arrays is None:
        return None
    own, mask, w = arrays
    p = ops.empty_like(x) if out is None else out
    t = FLOATS[ops.result_name](step)
    tasks = _tasks(own.size, own, mask, w, t, ops.memory(p) if out is None else None)
    run(loops.soft_threshold_of_part, tasks, own.size, ops, "soft_threshold")
    return p


def huber_gradient(
    x: Array, where: Array | None, scale: Array | float | None, delta: float, *, ops: ArrayOps
) -> Array | None:
    """m·h'(x)·scale of the Huber function with half-width `delta`; the scale is a number or an array of one element."""
    arrays = memory(x, where, None, ops)
    if arrays is None:
        return None
    g = numbers(scale, ops)[0]
    out = ops.empty_like(x)
    tasks = _tasks(arrays[0].size, arrays[0], arrays[1], g, delta, ops.memory(out))
    run(loops.slopes_of_part, tasks, arrays[0].size, ops, "huber_gradient")
    return out


def _tasks(size: int, *arguments: Any) -> list[tuple[Any, ...]]:
    return [(*arguments, start, end) for start, end in parts(size)]
