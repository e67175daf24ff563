"""Kernels for a CPU: all arrays of a list together.

A model has many small parameters, and a call of a loop takes as long as the work on some thousand elements. Therefore
the loops get the addresses of many arrays at once.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array, Leaf

from . import numba_elementwise, numba_sums
from .cpu_memory import FLOATS, PART, RUN, Memory, call, memory, numbers, parts, run

_AT_ONCE = 4
"""How many parts' elements a thread takes at a time: the threads take turns in Python between two calls of a loop."""

_BITS = {"float16": np.uint16, "bfloat16": np.int16}


class Parts(NamedTuple):
    """The parts of several contiguous arrays of one dtype."""

    like: Memory
    """An array of the dtype of the parts, in which float16 and bfloat16 are given by their bits."""
    owners: Memory
    """Which of the arrays a part belongs to."""
    starts: Memory
    """Where in its array a part begins, in bytes."""
    addresses: Memory
    sizes: Memory

    @classmethod
    def of(cls, arrays: Sequence[Array], ops: ArrayOps) -> Self | None:
        """Return the parts of some arrays, or None if the loops cannot read one of them."""
        like = np.empty(0, _BITS.get(ops.dtype_name, ops.dtype_name))
        first = [ops.address(x) for x in arrays]
        if None in first:
            return None
        own, sizes = np.asarray(first, np.int64), np.asarray([math.prod(x.shape) for x in arrays], np.int64)
        if (own % like.itemsize).any():
            return None
        counts = -(-sizes // PART)
        owners = np.repeat(np.arange(len(arrays)), counts)
        starts = PART * (np.arange(len(owners)) - (np.cumsum(counts) - counts)[owners])
        return cls(
            like,
            owners,
            starts * like.itemsize,
            own[owners] + starts * like.itemsize,
            np.minimum(PART, sizes[owners] - starts),
        )

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(self.sizes.sum())

    def share_memory(self) -> bool:
        """Whether two parts share memory, so that threads cannot write to both."""
        order = np.argsort(self.addresses)
        ends = (self.addresses + self.sizes * self.like.itemsize)[order]
        return bool((ends[:-1] > self.addresses[order][1:]).any())

    def run(self, loop: Callable[..., Any], *arguments: Any, ops: ArrayOps, operation: str) -> None:
        """Call a loop for parts that follow one another, as many elements at a time as a few whole parts have."""
        tasks = []
        if len(self.sizes):
            filled = (np.cumsum(self.sizes) - 1) // (_AT_ONCE * PART)
            cuts = [0, *(np.flatnonzero(np.diff(filled)) + 1).tolist(), len(self.sizes)]
            tasks = [
                (self.like, self.addresses, self.sizes, *arguments, start, stop)
                for start, stop in itertools.pairwise(cuts)
            ]
        run(loop, tasks, self.size, ops, operation)


def sums_of_magnitudes(leaves: Sequence[Leaf], *, ops: ArrayOps) -> float | None:
    """Σ m·w·|x| of several arrays together."""
    return _sum(None, "sums_of_magnitudes", leaves, ops)


def sums_of_huber(leaves: Sequence[Leaf], delta: float, *, ops: ArrayOps) -> float | None:
    """Σ m·w·h(x) of several arrays together."""
    return _sum(delta, "sums_of_huber", leaves, ops)


def _sum(h: float | None, operation: str, leaves: Sequence[Leaf], ops: ArrayOps) -> float | None:
    pairs = []
    bare = [leaf for leaf in leaves if _is_bare(leaf)]
    others = [leaf for leaf in leaves if not _is_bare(leaf)]
    for own, sums_of in ((bare, _sums_of_bare), (others, _sums_of_masked)):
        if own:
            found = sums_of(h, operation, own, ops)
            if found is None:
                return None
            sums, owners = found
            factors = np.asarray([1.0 if leaf.factor is None else leaf.factor for leaf in own])
            if (factors != 1).any():
                with np.errstate(
                    over="ignore", invalid="ignore"
                ):  # torch would not warn; NumPy's finished() does
                    sums *= factors[owners, None]
            pairs.append(sums)
    return float(call(numba_sums.total, np.concatenate(pairs)))


def _sums_of_bare(
    h: float | None, operation: str, leaves: Sequence[Leaf], ops: ArrayOps
) -> tuple[Memory, Memory] | None:
    """Return the sums of parts with their rounding errors, and which leaf each part belongs to."""
    found = Parts.of([leaf.x for leaf in leaves], ops)
    if found is None:
        return None
    sums = np.empty((len(found.sizes), 2))
    terms = RUN.get(ops.dtype_name, PART)
    found.run(numba_sums.sums_of_parts, h, terms, sums, ops=ops, operation=operation)
    return sums, found.owners


def _sums_of_masked(
    h: float | None, operation: str, leaves: Sequence[Leaf], ops: ArrayOps
) -> tuple[Memory, Memory] | None:
    arrays = [memory(leaf.x, leaf.where, leaf.weights, ops) for leaf in leaves]
    if any(own is None for own in arrays):
        return None
    own_parts = [(i, *part) for i, own in enumerate(arrays) if own for part in parts(own[0].size)]
    sums, terms = np.empty((len(own_parts), 2)), RUN.get(ops.dtype_name, PART)
    tasks = [
        (*(arrays[i] or ()), h, start, end, terms, sums, k) for k, (i, start, end) in enumerate(own_parts)
    ]
    size = sum(end - start for _, start, end in own_parts)
    run(numba_sums.sum_of_part, tasks, size, ops, operation)
    return sums, np.asarray([i for i, _, _ in own_parts], np.int64)


def signs_of_each(
    leaves: Sequence[Leaf], scales: Sequence[Array | float | None], *, ops: ArrayOps
) -> list[Array] | None:
    """m·s·scale of several arrays, with a scale for each."""
    table, rows = _table(scales, ops)
    out = [ops.empty_like(leaf.x) for leaf in leaves]
    bare = [i for i, leaf in enumerate(leaves) if leaf.where is None]
    if bare:
        found = Parts.of([leaves[i].x for i in bare], ops)
        if found is None:
            return None
        outs = np.asarray([ops.address(out[i]) for i in bare], np.int64)[found.owners] + found.starts
        numbers_of = np.asarray([rows[i] for i in bare], np.int64)[found.owners]
        loop = numba_elementwise.signs_of_parts
        found.run(loop, table, numbers_of, outs, ops=ops, operation="signs_of_each")
    tasks: list[tuple[Any, ...]] = []
    for leaf, row, s in zip(leaves, rows, out, strict=True):
        if leaf.where is not None:
            arrays = memory(leaf.x, leaf.where, None, ops)
            if arrays is None:
                return None
            own, where, _ = arrays
            tasks += [(own, where, table[row], ops.memory(s), *part) for part in parts(own.size)]
    if tasks:
        size = sum(end - start for *_, start, end in tasks)
        run(numba_elementwise.signs_of_part, tasks, size, ops, "signs_of_each")
    return out


def soft_thresholds(arrays: Sequence[Array], step: float, *, ops: ArrayOps) -> Sequence[Array] | None:
    """Soft-threshold several arrays in place. Not those that share memory: threads would write to it at once."""
    found = Parts.of(arrays, ops)
    if found is None or found.share_memory():
        return None
    t = FLOATS[ops.result_name](step)
    loop = numba_elementwise.soft_thresholds_of_parts
    found.run(loop, t, ops=ops, operation="soft_thresholds")
    return arrays


def _table(scales: Sequence[Array | float | None], ops: ArrayOps) -> tuple[Memory, list[int]]:
    """Return the numbers of all different scales as rows, and the row of each scale."""
    known: dict[Any, int] = {}
    found: list[Memory] = []
    rows: list[int] = []
    for scale in scales:
        key = scale if scale is None or isinstance(scale, float) else id(scale)
        if key not in known:
            known[key] = len(found)
            found.append(numbers(scale, ops))
        rows.append(known[key])
    table = np.stack(found)
    table.flags.writeable = False
    return table, rows


def _is_bare(leaf: Leaf) -> bool:
    return leaf.where is leaf.weights is None
