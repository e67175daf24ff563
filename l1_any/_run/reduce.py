"""The penalty of a pytree of arrays: one sum, one n, rounded once."""

import functools
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

from l1_any._arrays.standard import ArrayOps
from l1_any._arrays.state import State
from l1_any._formulas import penalty as formulas
from l1_any._formulas import sums
from l1_any._formulas.penalty import MAGNITUDE, Penalty
from l1_any._typing import Array, Axes, Leaf

from . import autograd, blocks, mean, plan


class Reductions(NamedTuple):
    """All of every leaf, reduced in both ways; the mean of nothing is NaN."""

    total: Array
    mean: Array
    raw: Array
    """Σ m·w·|x|, a constant."""
    raw_mean: Array


def value(
    leaves: Sequence[Leaf], *, axes: Axes, keepdims: bool, is_mean: bool, penalty: Penalty = MAGNITUDE
) -> Array:
    """Σ m·w·h(x), over n for a mean; ``axes=None`` for all of every leaf."""
    if len(leaves) == 1:
        leaf = leaves[0]
        run = leaf.ops.compiled(_value, "axes", "keepdims", "is_mean", "ops")
        return run(*_arrays(leaf), penalty, axes=axes, keepdims=keepdims, is_mean=is_mean, ops=leaf.ops)
    totals = [_compiled_totals(leaf, penalty, every=False)[0] for leaf in leaves]
    return _finished(totals, mean.count(leaves, None) if is_mean else None, leaves)


def reductions(leaves: Sequence[Leaf], *, penalty: Penalty = MAGNITUDE) -> Reductions:
    """Σ m·w·h(x) and Σ m·w·|x|, and their means, from one reading of arrays that hold their data."""
    totals = [_compiled_totals(leaf, penalty, every=True) for leaf in leaves]
    n = mean.count(leaves, None)
    total, raw = [t[0] for t in totals], [t[-1] for t in totals]
    both = _finished(total, None, leaves), _finished(total, n, leaves)
    detach = leaves[0].ops.detach
    if raw[0] is total[0]:
        return Reductions(*both, detach(both[0]), detach(both[1]))
    return Reductions(*both, detach(_finished(raw, None, leaves)), detach(_finished(raw, n, leaves)))


def subgradient(
    leaves: Sequence[Leaf], *, axes: Axes, is_mean: bool, penalty: Penalty = MAGNITUDE
) -> list[Array]:
    """m·w·h'(x) of each leaf, over n for a mean."""
    leaves = [constant(leaf) for leaf in leaves]
    if len(leaves) == 1:
        leaf = leaves[0]
        run = leaf.ops.compiled(_subgradient, "axes", "is_mean", "ops")
        return [run(*_arrays(leaf), penalty, axes=axes, is_mean=is_mean, ops=leaf.ops)]
    n = mean.count(leaves, axes) if is_mean else None
    return [
        leaf.ops.compiled(_derivative, "ops")(*_arrays(leaf), n, penalty, ops=leaf.ops) for leaf in leaves
    ]


def value_and_subgradient(
    leaves: Sequence[Leaf], *, axes: Axes, keepdims: bool, is_mean: bool
) -> tuple[Array, list[Array]]:
    """Both of them, from one reading of plain arrays."""
    if len(leaves) == 1:
        leaf = leaves[0]
        run = leaf.ops.compiled(_value_and_subgradient, "axes", "keepdims", "is_mean", "ops")
        total, s = run(*_arrays(leaf), axes=axes, keepdims=keepdims, is_mean=is_mean, ops=leaf.ops)
        return total, [s]
    n = mean.count(leaves, axes) if is_mean else None
    both = [
        leaf.ops.compiled(_total_and_signs, "axes", "keepdims", "ops")(
            *_arrays(leaf), n, axes=None, keepdims=False, ops=leaf.ops
        )
        for leaf in leaves
    ]
    totals, signs = zip(*both, strict=True)
    return _finished(totals, n, leaves), list(signs)


def subgradient_norm(leaves: Sequence[Leaf], *, is_mean: bool) -> Array:
    """√Σ (m·w)² over x ≠ 0, over n for a mean."""
    return norm(leaves, is_mean=is_mean, squares=formulas.squared_signs)


def norm(
    leaves: Sequence[Leaf],
    *,
    is_mean: bool,
    squares: sums.Terms = formulas.squares,
    penalty: Penalty = MAGNITUDE,
) -> Array:
    """√Σ (m·w·x)², over n for a mean; or of other squares, by a formula that also takes the penalty."""
    leaves = [constant(leaf) for leaf in leaves]
    if len(leaves) == 1:
        leaf = leaves[0]
        run = leaf.ops.compiled(_norm, "squares", "is_mean", "ops")
        return run(*_arrays(leaf), penalty, squares=squares, is_mean=is_mean, ops=leaf.ops)
    totals = [_compiled_total_of(leaf, squares, 2, penalty) for leaf in leaves]
    n = mean.count(leaves, None) if is_mean else None
    return _root(totals, n, leaves)


def dot(leaves: Sequence[Leaf]) -> Array:
    """Σ m·w·x, in the accumulator's dtype."""
    leaves = [constant(leaf) for leaf in leaves]
    return _sum([_compiled_total_of(leaf, formulas.products, 1, MAGNITUDE) for leaf in leaves], leaves)


def constant(leaf: Leaf) -> Leaf:
    """Return the leaf as a constant of automatic differentiation."""
    ops = leaf.ops
    if ops.differentiates is None:
        return leaf
    weights = None if leaf.weights is None else ops.detach(leaf.weights)
    if ops.state is State.RECORDED:
        ops = ops.in_state(State.PLAIN)
    return leaf._replace(x=ops.detach(leaf.x), weights=weights, ops=ops)


def _arrays(leaf: Leaf) -> tuple[Array, Array | None, Array | None, float | None]:
    return leaf.x, leaf.where, leaf.weights, leaf.factor


def _compiled_totals(leaf: Leaf, penalty: Penalty, *, every: bool) -> tuple[Array, ...]:
    run = leaf.ops.compiled(_totals, "axes", "keepdims", "every", "ops")
    return run(*_arrays(leaf), penalty, axes=None, keepdims=False, every=every, ops=leaf.ops)


def _compiled_total_of(leaf: Leaf, terms: sums.Terms, power: int, penalty: Penalty) -> Array:
    run = leaf.ops.compiled(_total_of, "terms", "power", "ops")
    return run(*_arrays(leaf), penalty, terms=terms, power=power, ops=leaf.ops)


def _value(
    x: Array,
    where: Array | None,
    weights: Array | None,
    factor: float | None,
    penalty: Penalty,
    *,
    axes: Axes,
    keepdims: bool,
    is_mean: bool,
    ops: ArrayOps,
) -> Array:
    total = _totals(
        x, where, weights, factor, penalty, axes=axes, keepdims=keepdims, every=False, ops=ops
    )[0]
    if is_mean:
        n = mean.count([Leaf(x, ops, where)], axes)
        total = mean.divided(total, n, axes, ops=ops)
    return ops.as_array(ops.result(total))


def _totals(
    x: Array,
    where: Array | None,
    weights: Array | None,
    factor: float | None,
    penalty: Penalty,
    *,
    axes: Axes,
    keepdims: bool,
    every: bool,
    ops: ArrayOps,
) -> tuple[Array, ...]:
    """Σ m·w·h(x), and Σ m·w·|x| as a constant if both are asked for, which may be the same array."""
    reduced = tuple(range(x.ndim)) if axes is None else axes
    summands = penalty.summands if every else (penalty.terms,)
    if ops.state is State.RECORDED and autograd.is_worth_a_function(x, weights, ops=ops):
        out = autograd.tied(summands, penalty, x, where, weights, axes=reduced, keepdims=keepdims, ops=ops)
    elif ops.state is State.PLAIN and len(summands) > 1:
        both = functools.partial(sums.totals_of, summands)
        out = plan.reduce(both, x, where, weights, axes=reduced, keepdims=keepdims, ops=ops)
    else:
        options = {"axes": reduced, "keepdims": keepdims, "ops": ops}
        out = (_sum_of(summands[0], penalty.operation, x, where, weights, **options),)
        if len(summands) > 1:
            leaf = constant(Leaf(x, ops, where, weights))
            options["ops"] = leaf.ops
            out = (*out, _sum_of(summands[-1], MAGNITUDE.operation, *_arrays(leaf)[:3], **options))
    return out if factor is None else tuple([total * factor for total in out])


def _sum_of(
    terms: sums.Terms,
    operation: str,
    x: Array,
    where: Array | None,
    weights: Array | None,
    *,
    axes: tuple[int, ...],
    keepdims: bool,
    ops: ArrayOps,
) -> Array:
    formula = functools.partial(sums.total_of, terms)
    if ops.state is not State.TRACED or ops.differentiates != "by transformation":
        kernel = operation if weights is None and axes else ""
        return plan.reduce(
            formula, x, where, weights, axes=axes, keepdims=keepdims, ops=ops, operation=kernel
        )

    def value(*arrays: Array | None) -> Array:
        # No derivative is taken of this sum: that is the one of `simple`.
        return formula(*arrays, axes=axes, keepdims=keepdims, ops=ops.in_state(State.PLAIN))

    def simple(*arrays: Array | None) -> Array:
        return ops.sum(terms(*arrays, ops=ops), axes, keepdims=keepdims, dtype=ops.accumulator)

    return ops.tied_sum(value, simple, x, where, weights)


def _subgradient(
    x: Array,
    where: Array | None,
    weights: Array | None,
    factor: float | None,
    penalty: Penalty,
    *,
    axes: Axes,
    is_mean: bool,
    ops: ArrayOps,
) -> Array:
    n = mean.count([Leaf(x, ops, where)], axes) if is_mean else None
    return _derivative(x, where, weights, factor, n, penalty, ops=ops)


def _derivative(
    x: Array,
    where: Array | None,
    weights: Array | None,
    factor: float | None,
    n: Array | float | None,
    penalty: Penalty,
    *,
    ops: ArrayOps,
) -> Array:
    """m·w·h'(x), over n."""
    n = None if n is None else mean.divisor(n, ops=ops)
    if n is None or isinstance(n, float):

        def formula(x: Array, where: Array | None, weights: Array | None, *, ops: ArrayOps) -> Array:
            return penalty.derivative(x, where, weights, factor, n, ops=ops)

        return ops.detach(plan.elementwise(formula, x, where, weights, ops=ops))

    def by_array(
        x: Array, where: Array | None, weights: Array | None, n: Array, *, ops: ArrayOps
    ) -> Array:
        return penalty.derivative(x, where, weights, factor, n, ops=ops)

    return ops.detach(plan.elementwise(by_array, x, where, weights, n, ops=ops))


def _value_and_subgradient(
    x: Array,
    where: Array | None,
    weights: Array | None,
    factor: float | None,
    *,
    axes: Axes,
    keepdims: bool,
    is_mean: bool,
    ops: ArrayOps,
) -> tuple[Array, Array]:
    n = mean.count([Leaf(x, ops, where)], axes) if is_mean else None
    total, s = _total_and_signs(x, where, weights, factor, n, axes=axes, keepdims=keepdims, ops=ops)
    if n is not None:
        total = mean.divided(total, n, axes, ops=ops)
    return ops.as_array(ops.result(total)), s


def _total_and_signs(
    x: Array,
    where: Array | None,
    weights: Array | None,
    factor: float | None,
    n: Array | float | None,
    *,
    axes: Axes,
    keepdims: bool,
    ops: ArrayOps,
) -> tuple[Array, Array]:
    if plan.way(ops, x, blocks.WRITTEN) is not plan.Way.BLOCKS:
        (total,) = _totals(
            x, where, weights, factor, MAGNITUDE, axes=axes, keepdims=keepdims, every=False, ops=ops
        )
        leaf = constant(Leaf(x, ops, where, weights))
        return total, _derivative(*_arrays(leaf)[:3], factor, n, MAGNITUDE, ops=leaf.ops)
    divisor = None if n is None else mean.divisor(n, ops=ops)
    number = divisor if divisor is None or isinstance(divisor, float) else None
    s = ops.empty_like(x)

    def formula(
        x: Array,
        out: Array,
        where: Array | None,
        weights: Array | None,
        n: Array | None,
        *,
        ops: ArrayOps,
        **options: Any,
    ) -> Array:
        out[...] = MAGNITUDE.derivative(
            x, where, weights, factor, number if n is None else n, ops=ops
        )
        return sums.total_of(MAGNITUDE.terms, x, where, weights, ops=ops, **options)

    arrays = x, s, where, weights, divisor if number is None else None
    reduced = mean.named_axes(x, axes)
    total = blocks.reduce(
        formula, arrays, axes=reduced, keepdims=keepdims, ops=ops, block=blocks.WRITTEN
    )
    return total if factor is None else total * factor, s


def _norm(
    x: Array,
    where: Array | None,
    weights: Array | None,
    factor: float | None,
    penalty: Penalty,
    *,
    squares: sums.Terms,
    is_mean: bool,
    ops: ArrayOps,
) -> Array:
    total = _total_of(x, where, weights, factor, penalty, terms=squares, power=2, ops=ops)
    leaf = Leaf(x, ops, where)
    return _root([total], mean.count([leaf], None) if is_mean else None, [leaf])


def _total_of(
    x: Array,
    where: Array | None,
    weights: Array | None,
    factor: float | None,
    penalty: Penalty,
    *,
    terms: sums.Terms,
    power: int,
    ops: ArrayOps,
) -> Array:
    formula = functools.partial(sums.total_of, functools.partial(terms, penalty=penalty))
    total = plan.reduce(formula, x, where, weights, axes=tuple(range(x.ndim)), keepdims=False, ops=ops)
    return total if factor is None else total * factor**power


def _root(totals: Sequence[Array], n: Array | float | None, leaves: Sequence[Leaf]) -> Array:
    ops = leaves[0].ops
    length = ops.xp.sqrt(_sum(totals, leaves))
    if n is not None:  # 0 where a mask selects nothing, as the gradient is there
        length = length / mean.divisor(n, ops=ops)
    return _finished([length], None, leaves)


def _sum(totals: Sequence[Array], leaves: Sequence[Leaf]) -> Array:
    total = totals[0] if len(totals) == 1 else functools.reduce(operator.add, totals)
    return leaves[0].ops.as_array(total)


def _finished(totals: Sequence[Array], n: Array | float | None, leaves: Sequence[Leaf]) -> Array:
    """Add up what the leaves give, over n for a mean, rounded once."""
    ops = leaves[0].ops
    total = _sum(totals, leaves)
    if n is not None:
        total = mean.divided(total, n, None, ops=ops)
    dtype = ops.result_dtype
    for leaf in leaves:
        if leaf.ops.result_name == "float64":
            dtype = leaf.ops.result_dtype
    return ops.as_array(ops.cast(total, dtype))
