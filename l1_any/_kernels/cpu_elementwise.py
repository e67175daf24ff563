"""Kernels for a CPU: signs, signs with their sum, soft thresholds, and the gradient of the Huber function."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from l1_any._arrays import decision
from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array, Leaf

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


def signs_of_each(
    leaves: Sequence[Leaf], scales: Sequence[Array | float | None], *, ops: ArrayOps
) -> list[Array] | None:
    """m·s·scale of several arrays, with a scale for each."""
    tasks: list[tuple[Any, ...]] = []
    out = []
    known: dict[Any, Any] = {}
    size = 0
    for leaf, scale in zip(leaves, scales, strict=True):
        arrays = memory(leaf.x, leaf.where, None, ops)
        if arrays is None:
            return None
        s = ops.empty_like(leaf.x)
        size += arrays[0].size
        key = scale if scale is None or isinstance(scale, float) else id(scale)
        if key not in known:
            known[key] = numbers(scale, ops)
        tasks += _tasks(arrays[0].size, arrays[0], arrays[1], known[key], ops.memory(s))
        out.append(s)
    run(loops.signs_of_part, tasks, size, ops, "signs_of_each")
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


def soft_thresholds(arrays: Sequence[Array], step: float, *, ops: ArrayOps) -> Sequence[Array] | None:
    """Soft-threshold several arrays in place. Not those that share memory: threads would write to it at once."""
    t = FLOATS[ops.result_name](step)
    own = [ops.memory(x) for x in arrays]
    if any(x is None for x in own) or _share_memory(own):
        return None
    tasks = [task for x in own for task in _tasks(x.size, x, None, None, t, None)]
    run(loops.soft_threshold_of_part, tasks, sum([x.size for x in own]), ops, "soft_thresholds")
    return arrays


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


def _share_memory(arrays: Sequence[Any]) -> bool:
    """Whether two of some contiguous arrays share memory."""
    ranges = sorted([(x.__array_interface__["data"][0], x.nbytes) for x in arrays if x.size])
    return any(start + n > after for (start, n), (after, _) in itertools.pairwise(ranges))
