"""Optimality conditions."""

from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array

from . import penalty
from .proximal import Threshold, nonnegative_part, threshold


def subdiff_distance(
    x: Array,
    gradient: Array,
    where: Array | None,
    weights: Array | None,
    strength: Threshold,
    *,
    ops: ArrayOps,
) -> Array:
    """|g + t·s| where x ≠ 0, the distance of |g| to [0, t] where x = 0; 0 where masked out."""
    x, g = ops.selected(x, where), ops.selected(gradient, where)
    if not ops.is_complex:
        x, g = ops.result(x), ops.result(g)
    t = threshold(strength, weights, where, ops=ops)
    s = ops.detach(penalty.sign(x, ops=ops))
    at_zero = nonnegative_part(penalty.magnitude(g, ops=ops), t, ops=ops)
    distance = ops.where(x == ops.zero(x), at_zero, penalty.magnitude(g + s * t, ops=ops))
    return distance if where is None else ops.where(where, distance, ops.zero(distance))


def strengths(g: Array, weights: Array | None, factor: float | None, *, ops: ArrayOps) -> Array:
    """|g|/w, and 0 where w is 0, because that element is not penalised."""
    a = ops.result(penalty.magnitude(g, ops=ops))
    if factor is not None:
        w = ops.full((), factor, a.dtype, a)
    elif weights is not None:
        w = ops.result(weights)
    else:
        return a
    xp = ops.xp
    return xp.where(w > 0, a / xp.where(w > 0, w, xp.ones_like(w)), xp.zeros_like(a))
