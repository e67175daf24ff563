"""The threshold of a vector on the L1 ball whose elements are in several processes.

The whole vector is never in one place, and is not sorted. τ is the root of f(τ) = Σ w²·max(τ - q, 0) - radius, which
is convex, piecewise linear and increasing; its tangent at any point meets 0 at or above the root, at t(τ) =
(radius + Σ w²·q) / Σ w² over the elements with q < τ. Each round evaluates t at some points between two bounds, by
two sums over all processes for each point: the least t is the next upper bound (a step of Newton's method, which is
exact once the set of elements is found), the largest τ < t(τ) the next lower one. Their number is fixed, so that nobody
looks at a value: what travels does not depend on the vector's length.
"""

import functools
from typing import Any

from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array

FEW = 256
"""An axis of at most so many elements is gathered instead: that moves no more numbers than the rounds do."""

_ROUNDS = 16
_POINTS = 8


def least(
    ratio: Array,
    w: Array | None,
    radius: Array | float,
    top: Array,
    scale: Array,
    *,
    axis: int,
    ops: ArrayOps,
) -> Array:
    """Find the least (radius + Σ w²·(top - |x|/w)) / Σ w² over sets of elements, as `ball` does by a sort.

    All processes get the same numbers from each sum, and so the same bound.
    """
    xp = ops.xp

    def last(a: Array) -> Array:
        return xp.moveaxis(a, axis, -1)

    gaps = last(top - ops.accumulated(ratio))
    squares = xp.ones_like(gaps) if w is None else last(w * w)
    gaps, squares = ops.sorted_with(gaps, squares)
    masses = squares * (gaps * last(scale))
    scale, radius = last(scale), last(xp.zeros_like(top) + radius)
    zero, one, infinity = xp.zeros_like(scale), xp.ones_like(scale), xp.full_like(scale, float("inf"))
    sums = [
        _with_zero(ops.cumulative_sum(terms, -1, ops.accumulator), zero, ops) for terms in (squares, masses)
    ]

    def tangent(found: Any, otherwise: Array) -> Array:
        some = found[0] > 0
        number = xp.where(some, found[0], one)
        return xp.where(some, found[1] / number / scale + radius / number, otherwise)

    at_top = xp.sum(xp.where(gaps == 0, squares, xp.zeros_like(squares)), axis=-1, keepdims=True)
    whole = [total[..., -1:] for total in sums]
    number, mass, number_at_top = ops.over_shards(xp.stack([*whole, at_top]))
    low = radius / xp.where(number > 0, number, one)
    high = xp.minimum(tangent((number, mass), radius), tangent((number_at_top, zero), infinity))
    shares = xp.arange(1, _POINTS + 1, dtype=ops.accumulator, device=ops.device(ratio)) / _POINTS
    for _ in range(_ROUNDS):
        points = xp.minimum(low + (high - low) * shares, high)
        below = ops.number_below(gaps, points)
        t = tangent(ops.over_shards(xp.stack([ops.take_along(total, below, -1) for total in sums])), infinity)
        low = functools.reduce(xp.maximum, _each(xp.where(points < t, points, low)), low)
        high = functools.reduce(xp.minimum, _each(t), high)
    return xp.moveaxis(high, -1, axis)


def _with_zero(sums: Array, zero: Array, ops: ArrayOps) -> Array:
    """Put 0, the sum of no elements, before cumulative sums."""
    return ops.xp.concat([zero, sums], axis=-1)


def _each(points: Array) -> list[Array]:
    return [points[..., i : i + 1] for i in range(_POINTS)]
