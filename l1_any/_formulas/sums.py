"""Sums within the error of the contract: the library's own sum, a sum by halves, or a sum by a tree."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from l1_any._arrays.description import Summation
from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array

Terms = Callable[..., Array]
"""An elementwise formula ``(x, *others, ops=)`` of x and of arrays that broadcast to x."""

_FAN_IN = 8  # terms that a step of the tree adds, in pairs: XLA fuses such a step
_STEPS = 3  # of a tree whose height is not known: 512 terms become one, and the library adds these
_FEW = 256  # The library's own sum of at most 256 contiguous terms is within 2 ulp.


def total_of(
    terms: Terms, x: Array, *others: Array | None, axes: tuple[int, ...], keepdims: bool, ops: ArrayOps
) -> Array:
    """Sum the terms of a formula along some axes, in the accumulator's dtype."""
    way = ops.summation
    if not axes:
        return ops.cast(terms(x, *others, ops=ops), ops.accumulator)
    if way == "library":
        return ops.sum(terms(x, *others, ops=ops), axes, keepdims=keepdims, dtype=ops.accumulator)
    if way == "halves" and len(axes) == x.ndim and math.prod(x.shape) <= _FEW:
        return ops.sum(terms(x, *others, ops=ops), axes, keepdims=keepdims, dtype=ops.accumulator)
    if way == "halves" or not _are_numbers(x.shape):
        return _added(terms(x, *others, ops=ops), way, axes=axes, keepdims=keepdims, ops=ops)
    # The first step of the tree. The formula is applied to each cut of x separately: then XLA reads x once, and does
    # not store the terms.
    axis = max(axes, key=lambda axis: x.shape[axis])
    end = x.shape[axis] - x.shape[axis] % _FAN_IN
    add = functools.partial(_added, way="tree", axes=axes, keepdims=keepdims, ops=ops)
    totals = []
    if end:  # strided cuts: the terms that are added are neighbours, on one device
        cuts = [_cut((x, *others), axis, slice(i, end, _FAN_IN)) for i in range(_FAN_IN)]
        totals.append(add(_in_pairs([ops.accumulated(terms(*cut, ops=ops)) for cut in cuts])))
    if end < x.shape[axis] or not end:
        rest = _cut((x, *others), axis, slice(end, x.shape[axis]))
        totals.append(add(terms(*rest, ops=ops)))
    return _in_pairs(totals)


def totals_of(summands: Sequence[Terms], *arrays: Array | None, **options: Any) -> tuple[Array, ...]:
    """Sum the terms of each of several formulas, as `total_of` does for one formula."""
    return tuple([total_of(terms, *arrays, **options) for terms in summands])


def total(terms: Array, *, axes: tuple[int, ...], keepdims: bool, ops: ArrayOps) -> Array:
    """Sum real terms, which have the accumulator's dtype, along some axes."""
    way = ops.wide_summation
    if not axes:
        return terms
    if way == "library":
        return ops.sum(terms, axes, keepdims=keepdims, dtype=ops.accumulator)
    return _added(terms, way, axes=axes, keepdims=keepdims, ops=ops)


def _are_numbers(lengths: tuple[Any, ...]) -> bool:
    """Whether all lengths are ints. Under an exporter a length may be a symbol."""
    return all(type(n) is int for n in lengths)


def _cut(arrays: tuple[Any, ...], axis: int, part: slice) -> list[Any]:
    """Cut arrays along an axis of the first array. Arrays that broadcast along the axis, and None, are unchanged."""
    out: list[Any] = []
    first: Array = arrays[0]
    for a in arrays:
        own = -1 if a is None else axis + a.ndim - first.ndim
        broadcast = a is None or own < 0 or a.shape[own] == 1
        out.append(a if broadcast else a[(*(slice(None),) * own, part, ...)])
    return out


def _added(terms: Array, way: Summation, *, axes: tuple[int, ...], keepdims: bool, ops: ArrayOps) -> Array:
    xp = ops.xp
    kept = tuple([axis for axis in range(terms.ndim) if axis not in axes])
    lengths = tuple([terms.shape[axis] for axis in kept])
    n = math.prod([terms.shape[axis] for axis in axes])
    row = xp.reshape(xp.permute_dims(ops.accumulated(terms), (*kept, *axes)), (*lengths, n))
    if n == 0:
        row = ops.sum(row, (len(kept),), keepdims=False, dtype=ops.accumulator)
    elif way == "tree":
        row = _by_tree(row, lengths, n, ops=ops)
    else:
        row = _by_halves(row, n, few=_FAN_IN if kept else _FEW, ops=ops)
    if not keepdims:
        return row
    return xp.reshape(row, tuple([1 if i in axes else m for i, m in enumerate(terms.shape)]))


def _by_tree(row: Array, lengths: tuple[int, ...], n: int, *, ops: ArrayOps) -> Array:
    """Sum neighbours along the last axis in pairs. Compilers fuse this into few passes.

    The error is at most log2(n) roundings. Sums of equal terms are rounded only at the end that is padded with zeros.
    """
    if not isinstance(n, int):  # a symbol, for which the height of a whole tree is not known
        for _ in range(_STEPS):
            row, n = _one_step(row, lengths, n, _FAN_IN, ops=ops)
        return ops.sum(row, (len(lengths),), keepdims=False, dtype=ops.accumulator)
    while n > 1:
        row, n = _one_step(row, lengths, n, min(n, _FAN_IN), ops=ops)
    return ops.xp.reshape(row, lengths)


def _one_step(
    row: Array, lengths: tuple[int, ...], n: int, fan_in: int, *, ops: ArrayOps
) -> tuple[Array, int]:
    """Add groups of `fan_in` neighbours along the last axis. Return the sums and their number."""
    left = (n + fan_in - 1) // fan_in
    missing = left * fan_in - n  # in this form JAX knows that the reshaped sizes agree, also of symbols
    if not isinstance(missing, int) or missing:
        row = ops.xp.concat([row, ops.full((*lengths, missing), 0, row.dtype, row)], axis=-1)
    row = ops.xp.reshape(row, (*lengths, left, fan_in))
    return _in_pairs([row[..., i] for i in range(fan_in)]), left


def _by_halves(row: Array, n: int, *, few: int, ops: ArrayOps) -> Array:
    """Add the second half of the last axis to the first until few terms are left for the library's own sum."""
    xp = ops.xp
    while n > few:
        half, odd = divmod(n, 2)
        folded = xp.add(row[..., :half], row[..., half : 2 * half])
        row = xp.concat([folded, row[..., 2 * half :]], axis=-1) if odd else folded
        n = half + odd
    # A reshape to one dimension copies a strided row into contiguous memory.
    neighbours = xp.reshape(xp.reshape(row, (math.prod(row.shape),)), row.shape)
    return ops.sum(neighbours, (row.ndim - 1,), keepdims=False, dtype=ops.accumulator)


def _in_pairs(terms: list[Array]) -> Array:
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return _in_pairs(terms[:half]) + _in_pairs(terms[half:])
