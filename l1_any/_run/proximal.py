"""Proximal operators and projections of each array of a pytree."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from l1_any._arrays.lookup import known
from l1_any._arrays.shapes import extent
from l1_any._arrays.standard import ArrayOps
from l1_any._formulas import ball, ball_in_parts, proximal
from l1_any._formulas.proximal import Threshold
from l1_any._typing import Array, DType, Leaf

from . import plan, shards
from .leaves import by_operations, size

_LARGEST = {"float32": 3.4028234663852886e38, "float64": 1.7976931348623157e308}


def prox(leaves: Sequence[Leaf], step: Threshold, *, nonnegative: bool) -> list[Array]:
    """Soft threshold of each leaf."""
    out = []
    for leaf in leaves:
        x, ops, where, weights, factor = leaf
        t = step
        if factor is not None or type(t) is not float or t > _LARGEST["float32"]:
            t = times_factor(step, factor, ops)
        p = None
        if ops.is_plain and not nonnegative and isinstance(t, float):
            alone = where is None and weights is None
            fused = plan.kernel("soft_threshold", ops, math.prod(x.shape), alone=alone)
            p = None if fused is None else fused(x, where, weights, t, ops=ops)
        if p is not None:
            out.append(p)
        elif ops.compiles:
            run = ops.compiled(_prox, "nonnegative", "ops")
            out.append(run(x, where, weights, t, nonnegative=nonnegative, ops=ops))
        elif isinstance(t, float):
            formula = functools.partial(proximal.prox, nonnegative=nonnegative, step=t)
            operation = "" if nonnegative else "soft_threshold"
            out.append(plan.elementwise(formula, x, where, weights, ops=ops, operation=operation))
        else:
            out.append(_prox(x, where, weights, t, nonnegative=nonnegative, ops=ops))
    return out


def prox_in_place(arrays: Sequence[Array], step: float) -> None:
    """Soft-threshold plain arrays in place."""
    kinds = [known(x) for x in arrays]
    every = [Leaf(x, ops.at(ops.around(), x)) for x, ops in zip(arrays, kinds, strict=True)]
    for leaves in by_operations(every):
        ops, own = leaves[0].ops, [leaf.x for leaf in leaves]
        t = times_factor(step, None, ops)
        fused = plan.kernel("soft_thresholds", ops, size(leaves)) if ops.is_plain else None
        if fused is not None and fused(own, t, ops=ops) is not None:
            for x in own:
                ops.written(x)
            continue
        for leaf in leaves:
            # The result has no name, so that only one temporary is kept at a time.
            leaf.x[...] = prox([leaf], step, nonnegative=False)[0]


def prox_elastic_net(leaves: Sequence[Leaf], step: Threshold, *, l1_ratio: Threshold) -> list[Array]:
    """Soft threshold and shrinkage of each leaf."""
    return [
        leaf.ops.compiled(_prox_elastic_net, "ops")(
            leaf.x,
            leaf.where,
            leaf.weights,
            times_factor(step, leaf.factor, leaf.ops),
            l1_ratio,
            ops=leaf.ops,
        )
        for leaf in leaves
    ]


def project(leaves: Sequence[Leaf], radius: Threshold, *, axis: int | None, nonnegative: bool) -> list[Array]:
    """Project onto the L1 ball: along an axis of one leaf, or all leaves as one vector."""
    factor = leaves[0].factor
    if factor is not None and all(leaf.factor == factor for leaf in leaves):
        leaves = [leaf._replace(factor=None) for leaf in leaves]
        if factor:
            ops = leaves[0].ops  # an array is divided in the accumulator's dtype, so that it is rounded once
            radius = (radius if isinstance(radius, float) else ops.accumulated(radius)) / factor
        else:  # with weights of 0 every x is inside the ball
            leaves = [
                leaf._replace(weights=leaf.ops.full((), 0, leaf.ops.result_dtype, leaf.x)) for leaf in leaves
            ]
    if axis is None and leaves[0].ops.has_shards:
        return _of_shards(functools.partial(ball.project, nonnegative=nonnegative), leaves, radius)
    whole = leaves[0] if axis is not None else _joined(leaves)
    run = whole.ops.compiled(_project, "axis", "nonnegative", "ops")
    along = 0 if axis is None else axis
    p = run(whole.x, whole.weights, radius, axis=along, nonnegative=nonnegative, ops=whole.ops)
    return [p] if axis is not None else _split(p, leaves)


def prox_max(leaves: Sequence[Leaf], step: Threshold, *, axis: int | None) -> list[Array]:
    """Proximal operator of the largest magnitude: along an axis of one leaf, or of all leaves as one vector."""
    if axis is None and leaves[0].ops.has_shards:
        return _of_shards(lambda x, _, step, **options: ball.residual(x, step, **options), leaves, step)
    whole = leaves[0] if axis is not None else _joined(leaves)
    run = whole.ops.compiled(_prox_max, "axis", "ops")
    p = run(whole.x, step, axis=0 if axis is None else axis, ops=whole.ops)
    return [p] if axis is not None else _split(p, leaves)


def times_factor(step: Threshold, factor: float | None, ops: ArrayOps) -> Threshold:
    """Multiply a step by a weight that is a number, in Python floats, before JAX compiles the operator."""
    if factor is not None:
        step = step * factor
    if isinstance(step, float):  # a large Python float would be infinite in float32
        step = min(step, _LARGEST[ops.result_name])
    return step


def with_step(
    formula: Callable[..., Array], step: Threshold
) -> tuple[Callable[..., Array], tuple[Array, ...]]:
    """Return a formula with the step bound if it is a number, and otherwise the step as an argument to pass."""
    if not isinstance(step, float):
        return formula, (step,)

    def with_number(*arrays: Array | None, ops: ArrayOps) -> Array:
        return formula(*arrays, step, ops=ops)

    return with_number, ()


def by_step(
    formula: Callable[..., Array],
    *arrays: Array | None,
    step: Threshold,
    dtype: DType | None = None,
    ops: ArrayOps,
) -> Array:
    """Run an elementwise formula with a step, which is a number or an array."""
    formula, steps = with_step(formula, step)
    return plan.elementwise(formula, *arrays, *steps, dtype=dtype, ops=ops)


def along(
    formula: Callable[..., Array],
    *arrays: Array | None,
    step: Threshold,
    axes: tuple[int, ...],
    ops: ArrayOps,
    few: int = 0,
) -> Array:
    """Apply a formula with a step to arrays that are not cut along the axes. Empty arrays are returned unchanged."""
    x: Array = arrays[0]
    if extent(x, axes) == 0:
        return x
    formula, steps = with_step(formula, step)
    return plan.along(formula, *arrays, *steps, axes=axes, ops=ops, few=few)


def _prox(
    x: Array,
    where: Array | None,
    weights: Array | None,
    step: Threshold,
    *,
    nonnegative: bool,
    ops: ArrayOps,
) -> Array:
    formula = functools.partial(proximal.prox, nonnegative=nonnegative)
    if isinstance(step, float):
        return plan.elementwise(functools.partial(formula, step=step), x, where, weights, ops=ops)
    return plan.elementwise(formula, x, where, weights, step, ops=ops)


def _prox_elastic_net(
    x: Array,
    where: Array | None,
    weights: Array | None,
    step: Threshold,
    l1_ratio: Threshold,
    *,
    ops: ArrayOps,
) -> Array:
    def formula(
        x: Array, where: Array | None, weights: Array | None, *numbers: Array, ops: ArrayOps
    ) -> Array:
        given = iter(numbers)
        t, share = [n if isinstance(n, float) else next(given) for n in (step, l1_ratio)]
        return proximal.prox_elastic_net(x, where, weights, t, l1_ratio=share, ops=ops)

    arrays = [n for n in (step, l1_ratio) if not isinstance(n, float)]
    return plan.elementwise(formula, x, where, weights, *arrays, ops=ops)


def _project(
    x: Array,
    weights: Array | None,
    radius: Threshold,
    *,
    axis: int,
    nonnegative: bool,
    ops: ArrayOps,
) -> Array:
    formula = functools.partial(ball.project, axis=axis, nonnegative=nonnegative)
    return along(formula, x, weights, step=radius, axes=(axis,), ops=ops, few=ball_in_parts.FEW)


def _prox_max(x: Array, step: Threshold, *, axis: int, ops: ArrayOps) -> Array:
    formula = functools.partial(ball.residual, axis=axis)
    return along(formula, x, step=step, axes=(axis,), ops=ops, few=ball_in_parts.FEW)


def _of_shards(formula: Callable[..., Array], leaves: Sequence[Leaf], radius: Threshold) -> list[Array]:
    """Apply ``formula(x, weights, radius, axis=, ops=)`` to all leaves, whose shards are in several processes."""
    if not any(extent(leaf.x) for leaf in leaves):
        return [leaf.x for leaf in leaves]

    def on_shards(leaves: list[Leaf], radius: Threshold, widened: Callable[..., ArrayOps]) -> list[Array]:
        whole = _joined(leaves)
        return _split(formula(whole.x, whole.weights, radius, axis=0, ops=widened(whole.ops)), leaves)

    return shards.as_one(on_shards, leaves, radius, ops=leaves[0].ops)


def _joined(leaves: Sequence[Leaf]) -> Leaf:
    """All leaves as one vector, with their weights."""
    xp = leaves[0].ops.xp
    dtype: Any = functools.reduce(xp.result_type, [leaf.x.dtype for leaf in leaves])
    ops = _of_dtype(leaves, dtype)
    x = xp.concat([_flat(leaf.ops.cast(leaf.x, dtype), leaf.ops) for leaf in leaves])
    if all(leaf.weights is None and leaf.factor is None for leaf in leaves):
        return Leaf(x, ops)
    weights = [_flat(_weights(leaf, ops.result_dtype), ops) for leaf in leaves]
    return Leaf(x, ops, weights=xp.concat(weights))


def _of_dtype(leaves: Sequence[Leaf], dtype: DType) -> ArrayOps:
    """Return the operations for the vector of all leaves, in the state furthest from plain."""
    state = leaves[0].ops.state
    for leaf in leaves:
        if leaf.ops.state.value > state.value:
            state = leaf.ops.state
    for leaf in leaves:
        if leaf.ops.dtype == dtype:
            return leaf.ops.in_state(state)
    first = leaves[0]  # no leaf has this dtype, as for complex64 and float64
    ops = known(first.ops.cast(first.x, dtype))
    return ops.sibling(state, first.ops.accumulator_name, first.ops.place)


def _flat(x: Array, ops: ArrayOps) -> Array:
    empty = extent(x) == 0  # Dask cannot reshape it
    return ops.full((0,), 0, x.dtype, x) if empty else ops.flat(x)


def _weights(leaf: Leaf, dtype: DType) -> Array:
    ops = leaf.ops
    if leaf.weights is None:
        return ops.full(leaf.x.shape, 1.0 if leaf.factor is None else leaf.factor, dtype, leaf.x)
    return ops.xp.broadcast_to(ops.cast(leaf.weights, dtype), leaf.x.shape)


def _split(vector: Array, leaves: Sequence[Leaf]) -> list[Array]:
    out, start = [], 0
    for leaf in leaves:
        xp = leaf.ops.xp
        stop = start + math.prod(leaf.x.shape)
        part = xp.reshape(vector[start:stop], leaf.x.shape)
        if not leaf.ops.is_complex and known(part).is_complex:
            part = xp.real(part)
        out.append(leaf.ops.cast(part, leaf.x.dtype))
        start = stop
    return out
