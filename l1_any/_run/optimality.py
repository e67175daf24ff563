"""Optimality conditions of each array of a pytree."""

import functools
from collections.abc import Sequence

from l1_any._arrays.shapes import extent
from l1_any._arrays.standard import ArrayOps
from l1_any._formulas import optimality
from l1_any._formulas.proximal import Threshold
from l1_any._typing import Array, Leaf

from . import plan
from .proximal import by_step, times_factor


def subdiff_distance(leaves: Sequence[Leaf], gradients: Sequence[Array], strength: Threshold) -> list[Array]:
    """Distance of -gradient to strength·w·∂|x| for each element of each leaf."""
    return [
        leaf.ops.compiled(_subdiff_distance, "ops")(
            leaf.x,
            gradient,
            leaf.where,
            leaf.weights,
            times_factor(strength, leaf.factor, leaf.ops),
            ops=leaf.ops,
        )
        for leaf, gradient in zip(leaves, gradients, strict=True)
    ]


def strength_max(leaves: Sequence[Leaf]) -> Array:
    """Largest |g|/w over all leaves."""
    largest = [
        leaf.ops.compiled(_strength_max, "ops")(leaf.x, leaf.weights, leaf.factor, ops=leaf.ops)
        for leaf in leaves
    ]
    ops = leaves[0].ops
    return ops.as_array(functools.reduce(lambda a, b: ops.xp.max(ops.xp.stack([a, b])), largest))


def _subdiff_distance(
    x: Array,
    gradient: Array,
    where: Array | None,
    weights: Array | None,
    strength: Threshold,
    *,
    ops: ArrayOps,
) -> Array:
    formula = optimality.subdiff_distance
    # For numbers that are as wide as results, the dtype of x has the byte order of x too.
    dtype = ops.dtype if ops.is_result else ops.result_dtype
    return by_step(formula, x, gradient, where, weights, step=strength, dtype=dtype, ops=ops)


def _strength_max(x: Array, weights: Array | None, factor: float | None, *, ops: ArrayOps) -> Array:
    if extent(x) == 0:
        return ops.full((), 0, ops.result_dtype, x)

    def formula(x: Array, weights: Array | None = None, *, ops: ArrayOps) -> Array:
        return ops.largest(optimality.strengths(x, weights, factor, ops=ops))

    return plan.largest(formula, x, weights, dtype=ops.result_dtype, ops=ops)
