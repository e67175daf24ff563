"""Sums within the error of the contract: the library's own sum, a sum by halves, or a sum by a tree."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from l1_any._arrays.description import Summation
from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array

Terms = Callable[..., Array]
"""An elementwise formula ``(x, *others, ops=)`` of x and of arrays that broadcast to x."""

# A step of the tree divides an axis into parts, and adds these. XLA's CPU compiler computes what the caller computes
# from x part by part if at most 15 parts use it, and else stores all of it.
_FIRST_PARTS = 12
_PARTS = 32  # of the later steps
_FAN_IN = 8  # neighbours that a step adds along an axis whose length is a symbol
_STEPS = 3  # along such an axis: 512 terms become one, and the library adds these
# Sums of smaller numbers are finite, and so are those of others times the power of two, for as many as fit in memory.
_HIGH = {"float32": (2.0**86, 2.0**-42), "float64": (2.0**960, 2.0**-64)}
_FEW_PIECES = 8  # A sum of 8 terms in any order adds at most 1.1 ulp to their errors.
_INT32 = 2**31
_BITS = {"float32": 24, "float64": 53}  # of a significand
_FEW = 256  # The library's own sum of at most 256 contiguous terms is within 2 ulp.


def total_of(
    terms: Terms,
    x: Array,
    *others: Array | None,
    axes: tuple[int, ...],
    keepdims: bool,
    ops: ArrayOps,
    counts: bool = False,
) -> Array:
    """Sum the terms of a formula along some axes, in the accumulator's dtype; ``counts`` says that they are 0 and 1."""
    way = ops.summation
    if not axes:
        return ops.cast(terms(x, *others, ops=ops), ops.accumulator)
    if way == "library":
        return ops.sum(terms(x, *others, ops=ops), axes, keepdims=keepdims, dtype=ops.accumulator)
    if way == "halves" and len(axes) == x.ndim and math.prod(x.shape) <= _FEW:
        return ops.sum(terms(x, *others, ops=ops), axes, keepdims=keepdims, dtype=ops.accumulator)
    if way == "tree" and _are_numbers(x.shape):
        return _by_tree(terms, (x, *others), axes=axes, keepdims=keepdims, ops=ops, counts=counts)
    return _added(terms(x, *others, ops=ops), way, axes=axes, keepdims=keepdims, ops=ops)


def totals_of(summands: Sequence[Terms], *arrays: Array | None, **options: Any) -> tuple[Array, ...]:
    """Sum the terms of each of several formulas, as `total_of` does for one formula."""
    return tuple([total_of(terms, *arrays, **options) for terms in summands])


def total(terms: Array, *, axes: tuple[int, ...], keepdims: bool, ops: ArrayOps) -> Array:
    """Sum real terms, which have the accumulator's dtype, along some axes."""
    if ops.is_part:
        return ops.over_shards(total(terms, axes=axes, keepdims=keepdims, ops=ops.alone))
    way = ops.wide_summation
    if not axes:
        return terms
    if way == "library":
        return ops.sum(terms, axes, keepdims=keepdims, dtype=ops.accumulator)
    if way == "tree" and _are_numbers(terms.shape):
        return _by_tree(_themselves, (terms,), axes=axes, keepdims=keepdims, ops=ops)
    return _added(terms, way, axes=axes, keepdims=keepdims, ops=ops)


def scale_of(x: Array, where: Array | None, *, axes: tuple[int, ...], ops: ArrayOps) -> Array:
    """Return the power of two that keeps a sum of magnitudes finite, with the axes kept: 1 without large numbers."""
    xp = ops.xp
    a = ops.accumulated(ops.abs(ops.detach(ops.selected(x, where))))
    if 0 in a.shape:
        kept = tuple([1 if axis in axes else n for axis, n in enumerate(a.shape)])
        return ops.full(kept, 1, ops.accumulator, a)
    largest = xp.max(
        a, axis=axes, keepdims=True
    )  # XLA's may ignore NaN, which makes the sum NaN in any scale
    high, scale = _HIGH[ops.accumulator_name]
    return ops.where(largest > high, xp.full_like(largest, scale), xp.ones_like(largest))


def _are_numbers(lengths: tuple[Any, ...]) -> bool:
    """Whether all lengths are ints. Under an exporter a length may be a symbol."""
    return all(type(n) is int for n in lengths)


def _themselves(x: Array, *, ops: ArrayOps) -> Array:
    del ops
    return x


def _by_tree(
    terms: Terms,
    arrays: tuple[Array | None, ...],
    *,
    axes: tuple[int, ...],
    keepdims: bool,
    ops: ArrayOps,
    counts: bool = False,
) -> Array:
    """Sum along each axis by a tree.

    The error is at most the number of additions above a term, which is about log2(n) + 2, in roundings. Measured for
    equal terms, the worst case of naive sums: at most 2 ulp. Sums of 12·2^k equal terms are rounded only once.
    """
    x: Any = arrays[0]
    if 0 in x.shape:
        return ops.sum(terms(*arrays, ops=ops), axes, keepdims=keepdims, dtype=ops.accumulator)
    most = ops.most_devices(x)
    pieces = {axis: math.gcd(x.shape[axis], most) for axis in sorted(axes)}
    number = math.prod(pieces.values())
    order = sorted(axes, key=lambda axis: -x.shape[axis])
    if number > 1:
        # A part must not span devices. Therefore each axis becomes two: pieces, and the elements of a piece.
        arrays = tuple([_in_pieces(a, x.ndim, pieces) for a in arrays])
        order = [axis + 1 + sum(other < axis for other in axes) for axis in order]
    for axis in order:
        terms, arrays = _themselves, (_along(terms, arrays, axis, ops=ops),)
    (total,) = arrays
    if number > 1:
        total = ops.xp.squeeze(total, axis=tuple(order))
        if counts and number > _FEW_PIECES and math.prod([x.shape[axis] for axis in axes]) < _INT32:
            total = ops.xp.astype(total, ops.xp.int32)  # whose sum is exact in any order
            total = ops.xp.sum(total, axis=tuple(pieces), keepdims=True, dtype=ops.xp.int32)
            total = ops.accumulated(total)
        else:
            total = _of_pieces(total, tuple(pieces), number, ops=ops)
    return total if keepdims else ops.xp.squeeze(total, axis=axes)


def _in_pieces(a: Array | None, ndim: int, pieces: dict[int, int]) -> Array | None:
    """Divide axes of an array that broadcasts to `ndim` dimensions into pieces. Each axis becomes two."""
    if a is None:
        return None
    missing = ndim - a.ndim
    for axis in sorted(pieces, reverse=True):  # one at a time: JAX then knows how the result is sharded
        own = axis - missing
        if own >= 0:
            n = a.shape[own]
            number = 1 if n == 1 else pieces[axis]
            a = a.reshape((*a.shape[:own], number, n // number, *a.shape[own + 1 :]))
    return a


def _of_pieces(partial: Array, axes: tuple[int, ...], number: int, *, ops: ArrayOps) -> Array:
    """Sum a number of partial sums along some axes, which are kept. The devices may add them in any order.

    The error of a sum in an unknown order grows with the number of terms. Therefore each term becomes a multiple of a
    power of two and a small remainder: the sum of the multiples is exact (Demmel and Nguyen, "Fast reproducible
    floating-point summation", 2013), and the rounding errors of the sum of the remainders are small beside the result.
    """
    if number <= _FEW_PIECES or ops.result_name != ops.accumulator_name:
        return ops.sum(partial, axes, keepdims=True, dtype=ops.accumulator)
    xp, bits = ops.xp, _BITS[ops.accumulator_name]
    fixed = ops.detach(partial)
    largest = xp.max(xp.abs(fixed), axis=axes, keepdims=True)
    in_range = (largest > 2.0**-64) & (largest < 2.0**64)  # also false for NaN
    one = xp.ones_like(largest)
    _, exponent = xp.frexp(xp.where(in_range, largest, one))
    unit = xp.ldexp(one, exponent + ((number - 1).bit_length() + 1 - bits))
    multiple = xp.where(in_range, xp.round(fixed / unit) * unit, xp.zeros_like(fixed))
    exact, remainder = (
        ops.sum(each, axes, keepdims=True, dtype=ops.accumulator) for each in (multiple, partial - multiple)
    )
    return exact + remainder


def _along(terms: Terms, arrays: tuple[Array | None, ...], axis: int, *, ops: ArrayOps) -> Array:
    """Sum along one axis, which is kept, in the accumulator's dtype.

    The elements that a step adds lie far apart, so that compilers vectorize it. Parts have equal lengths: the last one
    ends with the axis, and what it shares with the part before it is replaced by 0. Other ways to treat the remainder
    keep XLA from fusing.
    """
    xp = ops.xp
    x: Any = arrays[0]
    n, ndim, most = x.shape[axis], x.ndim, _FIRST_PARTS
    while n > 1:
        length = (n + most - 1) // most
        starts = [*range(0, n - length, length), n - length]
        parts = _parts(arrays, axis, [slice(i, i + length) for i in starts], ops=ops)
        own = [ops.accumulated(terms(*part, ops=ops)) for part in parts]
        shared = len(starts) * length - n
        if shared:
            is_new = xp.reshape(
                xp.arange(length, dtype=xp.int32, device=ops.device(own[-1])) >= shared,
                (length, *(1,) * (ndim - axis - 1)),
            )
            own[-1] = xp.where(is_new, own[-1], ops.zero(own[-1]))
        terms, arrays = _themselves, (_in_pairs(own),)
        most, n = _PARTS, length
    return ops.accumulated(terms(*arrays, ops=ops))


def _parts(
    arrays: tuple[Array | None, ...], axis: int, cuts: list[slice], *, ops: ArrayOps
) -> list[tuple[Array | None, ...]]:
    """Cut arrays along an axis of the first array. Arrays that broadcast along the axis, and None, are unchanged."""
    first: Any = arrays[0]
    out: list[list[Array | None]] = []
    for a in arrays:
        own = -1 if a is None else axis + a.ndim - first.ndim
        is_whole = a is None or own < 0 or a.shape[own] == 1
        out.append([a] * len(cuts) if is_whole else ops.parts(a, own, cuts))
    return list(zip(*out, strict=True))


def _added(terms: Array, way: Summation, *, axes: tuple[int, ...], keepdims: bool, ops: ArrayOps) -> Array:
    xp = ops.xp
    kept = tuple([axis for axis in range(terms.ndim) if axis not in axes])
    lengths = tuple([terms.shape[axis] for axis in kept])
    n = math.prod([terms.shape[axis] for axis in axes])
    row = xp.reshape(xp.permute_dims(ops.accumulated(terms), (*kept, *axes)), (*lengths, n))
    if n == 0:
        row = ops.sum(row, (len(kept),), keepdims=False, dtype=ops.accumulator)
    elif way == "tree":
        row = _by_steps(row, lengths, n, ops=ops)
    else:
        row = _by_halves(row, n, few=_FAN_IN if kept else _FEW, ops=ops)
    if not keepdims:
        return row
    return xp.reshape(row, tuple([1 if i in axes else m for i, m in enumerate(terms.shape)]))


def _by_steps(row: Array, lengths: tuple[int, ...], n: Any, *, ops: ArrayOps) -> Array:
    """Sum neighbours along the last axis in pairs. The number n of neighbours is a symbol, or another length is one."""
    for _ in range(_STEPS):
        row, n = _one_step(row, lengths, n, _FAN_IN, ops=ops)
    return ops.sum(row, (len(lengths),), keepdims=False, dtype=ops.accumulator)


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
    """Add terms in pairs: the sum of the first 2^k of them, and the sum of the others."""
    if len(terms) == 1:
        return terms[0]
    most = 1 << ((len(terms) - 1).bit_length() - 1)
    return _in_pairs(terms[:most]) + _in_pairs(terms[most:])
