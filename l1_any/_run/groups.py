"""The operators on groups, applied to each array of a pytree."""

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from l1_any._arrays.shapes import extent
from l1_any._arrays.standard import ArrayOps
from l1_any._arrays.state import State
from l1_any._formulas import groups as formulas
from l1_any._formulas import sums
from l1_any._formulas.penalty import MAGNITUDE, Penalty
from l1_any._formulas.proximal import Threshold
from l1_any._typing import Array, Leaf

from . import chunks, mean, plan, shards
from .leaves import summed
from .proximal import along, with_step

Groups = Sequence[tuple[int, ...]]
"""For each array, the axes along which its groups extend."""


def prox_group(leaves: Sequence[Leaf], steps: Sequence[Threshold], axes: Groups) -> list[Array]:
    """Shrink the norm of each group of each array."""
    return [
        leaf.ops.compiled(_prox_group, "axes", "ops")(leaf.x, step, axes=a, ops=leaf.ops)
        for leaf, step, a in zip(leaves, steps, axes, strict=True)
    ]


def group_value(
    leaves: Sequence[Leaf], weights: Sequence[Threshold | None], axes: Groups, *, is_mean: bool
) -> Array:
    """Σ w·‖x‖₂ over the groups of all arrays, divided by the number of groups for a mean."""

    def found(leaves: Sequence[Leaf], penalty: Penalty) -> Array:
        del penalty
        return _group_value(leaves, weights, axes, is_mean=is_mean)

    if (is_mean or any(w is not None for w in weights)) and mean.may_overflow(leaves):
        return mean.in_range(found, leaves, MAGNITUDE)
    return found(leaves, penalty=MAGNITUDE)


def _group_value(
    leaves: Sequence[Leaf], weights: Sequence[Threshold | None], axes: Groups, *, is_mean: bool
) -> Array:
    totals = [
        leaf.ops.compiled(_group_total, "axes", "ops")(leaf.x, w, axes=a, ops=leaf.ops)
        for leaf, w, a in zip(leaves, weights, axes, strict=True)
    ]
    ops = leaves[0].ops
    total = summed(totals, leaves)
    if is_mean:
        total = mean.divided(total, _count(leaves, axes), None, ops=ops)
    dtype = functools.reduce(ops.xp.result_type, [leaf.ops.result_dtype for leaf in leaves])
    return ops.as_array(ops.cast(total, dtype))


def group_subgradient(
    leaves: Sequence[Leaf], weights: Sequence[Threshold | None], axes: Groups, *, is_mean: bool
) -> list[Array]:
    """w·x/‖x‖₂ of each group of each array, divided by the number of groups for a mean."""
    out = []
    n = mean.divisor(_count(leaves, axes), ops=leaves[0].ops) if is_mean else 1.0
    for leaf, w, a in zip(leaves, weights, axes, strict=True):
        ops = leaf.ops
        scale = 1.0 if w is None else w
        x, scale = leaf.x, (scale if isinstance(scale, float) else ops.accumulated(scale)) / n
        if ops.differentiates is not None:
            x, scale = ops.detach(x), scale if isinstance(scale, float) else ops.detach(scale)
            ops = ops.in_state(State.PLAIN) if ops.is_recorded else ops
        out.append(ops.compiled(_group_subgradient, "axes", "ops")(x, scale, axes=a, ops=ops))
    return out


def _prox_group(x: Array, step: Threshold, *, axes: tuple[int, ...], ops: ArrayOps) -> Array:
    if ops.is_plain and isinstance(step, float):
        fused = plan.kernel("shrink_groups", ops, math.prod(x.shape))
        p = None if fused is None else fused(x, step, axes=axes, ops=ops)
        if p is not None:
            return p
    return _on_groups(functools.partial(formulas.prox, axes=axes), x, step, axes=axes, ops=ops)


def _group_subgradient(x: Array, scale: Threshold, *, axes: tuple[int, ...], ops: ArrayOps) -> Array:
    formula = functools.partial(formulas.subgradient, axes=axes)
    return _on_groups(formula, x, scale, axes=axes, ops=ops)


def _on_groups(
    formula: Callable[..., Array], x: Array, step: Threshold, *, axes: tuple[int, ...], ops: ArrayOps
) -> Array:
    if ops.is_chunked and chunks.is_cut(x, axes):
        largest, length = [
            chunks.of_each(functools.partial(_one_of, which), (_parts(x, axes, ops),), axes, ops=ops)
            for which in (0, 1)
        ]
        return along(formula, x, largest, length, step=step, axes=(), ops=ops)
    if ops.is_chunked or ops.has_shards:
        return along(formula, x, None, None, step=step, axes=axes, ops=ops)
    formula, steps = with_step(formula, step)
    return plan.elementwise(formula, x, None, None, *steps, whole=axes, ops=ops)


def _parts(x: Array, axes: tuple[int, ...], ops: ArrayOps) -> Array:
    """Return what `of_chunk` finds in each chunk; that of all chunks of a group is in one chunk."""
    return chunks.merged(chunks.of_each(formulas.of_chunk, (x,), axes, results=2, ops=ops), axes)


def _one_of(which: int, pairs: Array, *, axes: tuple[int, ...], ops: ArrayOps) -> Array:
    return formulas.of_chunks(pairs, axes=axes, ops=ops)[which]


def _count(leaves: Sequence[Leaf], axes: Groups) -> Array | float:
    """Count the groups: a number, or an array if a lazy shape is unknown."""
    counts: list[Array | float] = []
    for leaf, own in zip(leaves, axes, strict=True):
        x = leaf.x
        n = extent(x, tuple([axis for axis in range(x.ndim) if axis not in own]))
        if type(n) is int:
            counts.append(float(n))
        else:
            one_of_each = x[tuple([slice(1) if axis in own else slice(None) for axis in range(x.ndim)])]
            counts.append(mean.count([Leaf(one_of_each, leaf.ops)], None))
    return functools.reduce(operator.add, counts)


def _group_total(x: Array, weights: Threshold | None, *, axes: tuple[int, ...], ops: ArrayOps) -> Array:
    every = tuple(range(x.ndim))
    if ops.has_shards and extent(x, axes) == 0:
        return ops.full((), 0, ops.accumulator, x)
    number = weights if isinstance(weights, float) else None
    array = weights if number is None else None
    formula: Callable[..., Array] = _weighted_norms
    if ops.is_chunked and chunks.is_cut(x, axes):
        x, formula = _parts(x, axes, ops), _norms_of_parts

    def on_part(x: Array, weights: Array | None, **options: Any) -> Array:
        return formula(x, weights if number is None else number, groups=axes, **options)

    if ops.has_shards:
        return shards.on_groups(on_part, x, array, axes, ops=ops)
    if ops.is_chunked:
        return chunks.reduce(on_part, (x, array), every, keepdims=False, ops=ops)
    return on_part(x, array, axes=every, keepdims=False, ops=ops)


def _weighted_norms(
    x: Array,
    weights: Threshold | None,
    *,
    groups: tuple[int, ...],
    axes: tuple[int, ...],
    keepdims: bool,
    ops: ArrayOps,
) -> Array:
    """Σ w·‖x‖₂, in the accumulator's dtype."""
    norms = None
    if ops.is_plain and not ops.is_part:
        fused = plan.kernel("group_norms", ops, math.prod(x.shape))
        norms = None if fused is None else fused(x, axes=groups, ops=ops)
    if norms is None:
        with ops.quiet():  # NumPy would warn of complex quotients of NaN
            norms = formulas.norms(x, axes=groups, ops=ops, weights=weights)
    elif weights is not None:
        norms = norms * (weights if isinstance(weights, float) else ops.accumulated(weights))
    return sums.total(norms, axes=axes, keepdims=keepdims, ops=ops.alone if ops.is_part else ops)


def _norms_of_parts(
    pairs: Array,
    weights: Threshold | None,
    *,
    groups: tuple[int, ...],
    axes: tuple[int, ...],
    keepdims: bool,
    ops: ArrayOps,
) -> Array:
    """Σ w·‖x‖₂ of groups that lie in several chunks, from what `of_chunk` found in them."""
    norms = formulas.norms_of_chunks(pairs, axes=groups, ops=ops, weights=weights)
    return sums.total(norms, axes=axes, keepdims=keepdims, ops=ops)
