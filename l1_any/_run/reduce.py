"""The penalty of a pytree of arrays: one sum and one n, rounded once.

A function of one leaf has the leaf's fields as arguments, in the order of `Leaf`, because JAX compiles it: the
operations are static arguments, and arrays and numbers are traced.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from l1_any._arrays.standard import ArrayOps
from l1_any._arrays.state import State
from l1_any._formulas import penalty as penalties
from l1_any._formulas import sums
from l1_any._formulas.penalty import MAGNITUDE, Penalty
from l1_any._typing import Array, Axes, Leaf

from . import autograd, many, mean, plan, signs, weighted
from .leaves import beside, constant, on_leaf, summed, widest


class Reductions(NamedTuple):
    """Sums and means over all elements of all leaves. The mean over no elements is NaN."""

    total: Array
    mean: Array
    raw: Array
    """Σ m·w·|x|, a constant of automatic differentiation."""
    raw_mean: Array


def value(
    leaves: Sequence[Leaf],
    *,
    axes: Axes,
    keepdims: bool,
    is_mean: bool,
    penalty: Penalty = MAGNITUDE,
    watched: bool = True,
) -> Array:
    """Σ m·w·h(x), divided by n for a mean. ``axes=None`` means all elements of all leaves.

    ``watched`` says to compute a result again whose sum overflowed, where that can be seen.
    """
    # `weighted.may_shrink` is called only if it may say yes.
    by_weights = len(leaves) > 1 or leaves[0].factor is not None or leaves[0].weights is not None
    if watched and (is_mean or (by_weights and weighted.may_shrink(leaves))):
        ops = leaves[0].ops
        if (ops.result_name == ops.accumulator_name or len(leaves) > 1) and mean.may_overflow(leaves):
            found = functools.partial(value, axes=axes, keepdims=keepdims, is_mean=is_mean, watched=False)
            return mean.in_range(found, leaves, penalty)
    if len(leaves) > 1:
        totals: list[Array] = []
        others: Sequence[Leaf] = leaves
        if leaves[0].ops.is_plain or leaves[0].ops.is_recorded:
            totals, others = many.totals(leaves, penalty)
        for leaf in others:
            run = leaf.ops.compiled(_total, "ops", "axes", "keepdims") if leaf.ops.compiles else _total
            totals.append(run(*leaf, penalty, axes=None, keepdims=False))
        return _finished(totals, mean.count(leaves, None) if is_mean else None, leaves)
    (leaf,) = leaves
    ops = leaf.ops
    if ops.compiles:
        run = ops.compiled(_value, "ops", "axes", "keepdims", "is_mean")
        return run(*leaf, penalty, axes=axes, keepdims=keepdims, is_mean=is_mean)
    total = _total(*leaf, penalty, axes=axes, keepdims=keepdims)
    if is_mean:
        total = mean.divided(total, mean.count(leaves, axes), axes, ops=ops)
    return ops.finished(total)


def reductions(leaves: Sequence[Leaf], *, penalty: Penalty = MAGNITUDE) -> Reductions:
    """Σ m·w·h(x) and Σ m·w·|x|, and their means; plain arrays are read once."""
    ops = leaves[0].ops
    wide = (ops.result_name == ops.accumulator_name or len(leaves) > 1) and mean.may_overflow(leaves)
    if wide:
        with ops.quiet():
            totals = [on_leaf(_totals, leaf, penalty) for leaf in leaves]
    else:
        totals = [on_leaf(_totals, leaf, penalty) for leaf in leaves]
    n = mean.count(leaves, None)
    value, average = _with_mean([t[0] for t in totals], n, leaves)
    raw, raw_average = value, average
    if len(totals[0]) > 1:
        raw, raw_average = _with_mean([t[-1] for t in totals], n, leaves)
    if wide:
        # Both sums of elements are beyond the dtype if the first is; their means may not be.
        value, average, raw, raw_average = (
            _again(found, leaves, is_mean=of_n, penalty=own)
            for found, of_n, own in (
                (value, False, penalty),
                (average, True, penalty),
                (raw, False, MAGNITUDE),
                (raw_average, True, MAGNITUDE),
            )
        )
    if ops.is_differentiated:
        raw, raw_average = ops.detach(raw), ops.detach(raw_average)
    return Reductions(value, average, raw, raw_average)


def subgradient(
    leaves: Sequence[Leaf], *, axes: Axes, is_mean: bool, penalty: Penalty = MAGNITUDE
) -> list[Array]:
    """m·w·h'(x) of each leaf, divided by n for a mean."""
    leaves = [constant(leaf) for leaf in leaves]
    penalty = penalties.constant(penalty, leaves[0].ops)
    # n is an argument, because XLA would multiply by the reciprocal of a constant.
    n = mean.count(leaves, axes) if is_mean else None
    leaves = [beside(leaf, n) for leaf in leaves]
    if len(leaves) > 1:
        together = many.derivatives(leaves, n, penalty)
        if together is not None:
            return together
    return [on_leaf(signs.derivative, leaf, n, penalty) for leaf in leaves]


def value_and_subgradient(
    leaves: Sequence[Leaf], *, axes: Axes, keepdims: bool, is_mean: bool, watched: bool = True
) -> tuple[Array, list[Array]]:
    """Value and subgradient, from one read of plain arrays."""
    ops = leaves[0].ops
    if watched and (ops.result_name == ops.accumulator_name or len(leaves) > 1) and mean.may_overflow(leaves):
        with ops.quiet():
            total, s = value_and_subgradient(
                leaves, axes=axes, keepdims=keepdims, is_mean=is_mean, watched=False
            )
        return _again(total, leaves, axes=axes, keepdims=keepdims, is_mean=is_mean), s
    n = mean.count(leaves, axes) if is_mean else None
    if len(leaves) == 1:
        (leaf,) = leaves
        run = _value_and_subgradient
        if leaf.ops.compiles:
            run = leaf.ops.compiled(run, "ops", "axes", "keepdims")
        total, s = run(*leaf, n, axes=axes, keepdims=keepdims)
        return total, [s]
    both = [on_leaf(_total_and_signs, beside(leaf, n), n, axes=None, keepdims=False) for leaf in leaves]
    return _finished([total for total, _ in both], n, leaves), [s for _, s in both]


def _again(found: Array, leaves: Sequence[Leaf], *, is_mean: bool, **options: Any) -> Array:
    """Return a sum or mean that was found, or compute it in another way if it is infinite."""
    ops = leaves[0].ops
    if not (is_mean or weighted.may_shrink(leaves)) or not ops.to_host(ops.xp.isinf(ops.detach(found))).any():
        return found
    return value(leaves, is_mean=is_mean, **{"axes": None, "keepdims": False, **options})


def _value(
    x: Array,
    ops: ArrayOps,
    where: Array | None,
    weights: Array | None,
    factor: float | None,
    penalty: Penalty,
    *,
    axes: Axes,
    keepdims: bool,
    is_mean: bool,
) -> Array:
    total = _total(x, ops, where, weights, factor, penalty, axes=axes, keepdims=keepdims)
    if is_mean:
        total = mean.divided(total, mean.count([Leaf(x, ops, where)], axes), axes, ops=ops)
    return ops.finished(total)


def _total(
    x: Array,
    ops: ArrayOps,
    where: Array | None,
    weights: Array | None,
    factor: float | None,
    penalty: Penalty,
    *,
    axes: Axes,
    keepdims: bool,
) -> Array:
    """Σ m·w·h(x), in the accumulator's dtype."""
    reduced = tuple(range(x.ndim)) if axes is None else axes
    if factor is not None and reduced and weighted.may_overflow(ops):
        leaf = Leaf(x, ops, where, None, factor)
        return weighted.total(leaf, penalty, _total, value, axes=reduced, keepdims=keepdims)
    large = ops.is_recorded and (math.prod(x.shape) >= autograd.FUNCTION_OF_KERNELS or ops.is_complex)
    if large and autograd.is_one_function(x, ops, weights, penalty):
        (total,) = autograd.tied(
            (penalty.terms,), penalty, x, where, weights, axes=reduced, keepdims=keepdims, ops=ops
        )
    elif ops.is_traced and ops.differentiates == "by transformation":
        own = (x, where, weights, *penalty.arrays)
        total = _tied_sum(penalties.terms_of(penalty), *own, axes=reduced, keepdims=keepdims, ops=ops)
    else:
        total = plan.reduce(
            functools.partial(sums.total_of, penalties.terms_of(penalty))
            if penalty.arrays
            else penalty.total,
            x,
            where,
            weights,
            *penalty.arrays,
            axes=reduced,
            keepdims=keepdims,
            ops=ops,
            operation=penalty.kernels.total,
            numbers=penalty,
        )
    return total if factor is None else total * factor


def _totals(
    x: Array,
    ops: ArrayOps,
    where: Array | None,
    weights: Array | None,
    factor: float | None,
    penalty: Penalty,
) -> tuple[Array, ...]:
    """Σ m·w·h(x), and the constant Σ m·w·|x| if it is a different sum; plain arrays are read once."""
    summands = penalty.summands
    if len(summands) == 1:
        return (_total(x, ops, where, weights, factor, penalty, axes=None, keepdims=False),)
    options: dict[str, Any] = {"axes": tuple(range(x.ndim)), "keepdims": False, "ops": ops}
    if ops.is_recorded and autograd.is_one_function(x, ops, weights, penalty):
        out = autograd.tied(summands, penalty, x, where, weights, **options)
    elif ops.is_plain and (factor is None or not weighted.may_overflow(ops)):
        out = plan.reduce(functools.partial(sums.totals_of, summands), x, where, weights, **options)
    else:
        leaf = constant(Leaf(x, ops, where, weights, factor))
        own = _total(x, ops, where, weights, factor, penalty, axes=None, keepdims=False)
        return own, _total(*leaf, MAGNITUDE, axes=None, keepdims=False)
    return out if factor is None else tuple([total * factor for total in out])


def _tied_sum(
    terms: sums.Terms, *arrays: Array | None, axes: tuple[int, ...], keepdims: bool, ops: ArrayOps
) -> Array:
    """Return a sum of traced arrays with the derivative of the library's own sum."""

    def value(*arrays: Array | None) -> Array:
        # This sum is never differentiated, so its terms need not be differentiable.
        plain = ops.in_state(State.PLAIN)
        return sums.total_of(terms, *arrays, axes=axes, keepdims=keepdims, ops=plain)

    def simple(*arrays: Array | None) -> Array:
        return ops.sum(terms(*arrays, ops=ops), axes, keepdims=keepdims, dtype=ops.accumulator)

    return ops.tied_sum(value, simple, *arrays)


def _value_and_subgradient(
    x: Array,
    ops: ArrayOps,
    where: Array | None,
    weights: Array | None,
    factor: float | None,
    n: Array | float | None,
    *,
    axes: Axes,
    keepdims: bool,
) -> tuple[Array, Array]:
    total, s = _total_and_signs(x, ops, where, weights, factor, n, axes=axes, keepdims=keepdims)
    if n is not None:
        total = mean.divided(total, n, axes, ops=ops)
    return ops.finished(total), s


def _total_and_signs(
    x: Array,
    ops: ArrayOps,
    where: Array | None,
    weights: Array | None,
    factor: float | None,
    n: Array | float | None,
    *,
    axes: Axes,
    keepdims: bool,
) -> tuple[Array, Array]:
    if ops.is_plain:
        reduced = tuple(range(x.ndim)) if axes is None else axes
        both = signs.with_sum(x, ops, where, weights, factor, n, axes=reduced, keepdims=keepdims)
        if both is not None:
            total, s = both
            return total if factor is None else total * factor, s
    total = _total(x, ops, where, weights, factor, MAGNITUDE, axes=axes, keepdims=keepdims)
    if ops.is_differentiated:
        x, ops, where, weights, factor = constant(Leaf(x, ops, where, weights, factor))
    return total, signs.derivative(x, ops, where, weights, factor, n, MAGNITUDE)


def _with_mean(totals: Sequence[Array], n: Array | float, leaves: Sequence[Leaf]) -> tuple[Array, Array]:
    ops, total = widest(leaves), summed(totals, leaves)
    return ops.finished(total), ops.finished(mean.divided(total, n, None, ops=ops))


def _finished(totals: Sequence[Array], n: Array | float | None, leaves: Sequence[Leaf]) -> Array:
    """Add up the results of the leaves, divide by n for a mean, and round once."""
    ops, total = widest(leaves), summed(totals, leaves)
    return ops.finished(total if n is None else mean.divided(total, n, None, ops=ops))
