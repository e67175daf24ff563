"""The penalty as one autograd function, for large arrays that torch's eager autograd records.

A graph of elementwise operations keeps temporaries of the array's size. One function keeps none, but its Python calls
take time. Therefore small arrays use the graph.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

from l1_any._arrays import decision
from l1_any._arrays.standard import ArrayOps
from l1_any._arrays.state import State
from l1_any._formulas import sums
from l1_any._formulas.penalty import Penalty
from l1_any._typing import Array, Leaf

from . import blocks, plan
from .leaves import size

FUNCTION = 1 << 18
"""The number of elements from which one function is faster than a graph of library operations."""

FUNCTION_OF_KERNELS = 1 << 15
"""The same, if there are kernels for the function and its gradient."""


_RECORDED = "recorded by autograd as one function"


def is_one_function(x: Array, ops: ArrayOps, weights: Array | None, penalty: Penalty) -> bool:
    """Whether to make one autograd function of the penalty of a recorded array.

    Complex arrays have a function at any n: a graph with a constant sign would have no second derivative.
    """
    n = math.prod(x.shape)
    large = n >= FUNCTION or ops.is_complex
    if n >= FUNCTION_OF_KERNELS and not large:
        plain, kernels = ops.in_state(State.PLAIN), (penalty.kernels.total, penalty.kernels.derivative)
        large = all(plan.kernel(name, plain, n) is not None for name in kernels)
    return large and ops.records_alone(x, weights, *penalty.arrays)


def tied(
    summands: Sequence[sums.Terms],
    penalty: Penalty,
    x: Array,
    where: Array | None,
    weights: Array | None,
    *,
    axes: tuple[int, ...],
    keepdims: bool,
    ops: ArrayOps,
    finished: bool = False,
) -> tuple[Array, ...]:
    """Return the sums of all summands; the gradient of the first is the penalty's derivative.

    ``finished`` says to round a sum inside the function, which saves autograd an operation.
    """
    plain = ops.in_state(State.PLAIN)
    if decision.asked:
        decision.inside(_RECORDED)

    def value(x: Array, where: Array | None, weights: Array | None) -> tuple[Array, ...]:
        options: dict[str, Any] = {"axes": axes, "keepdims": keepdims, "ops": plain}
        if len(summands) > 1:
            both = functools.partial(sums.totals_of, summands)
            found: tuple[Array, ...] = plan.reduce(both, x, where, weights, **options)
            return found
        one = functools.partial(sums.total_of, summands[0])
        operation = penalty.kernels.total
        total = plan.reduce(one, x, where, weights, operation=operation, numbers=penalty, **options)
        if finished:
            return (plain.finished(total),)
        return (plain.full((), total, plain.accumulator, x) if type(total) is float else total,)

    def gradient(g: Array, x: Array, where: Array | None, weights: Array | None) -> tuple[Array]:
        now = ops.at(ops.around(), x, where, weights, g)
        if len(axes) == x.ndim and weights is None and now.is_plain:
            fused = plan.kernel(penalty.kernels.derivative, now, math.prod(x.shape))
            s = None if fused is None else fused(x, where, g, *penalty, ops=now)
            if s is not None:
                return (s,)
        g = now.xp.reshape(g, tuple([1 if axis in axes else n for axis, n in enumerate(x.shape)]))
        has_few_temporaries = weights is None and not ops.is_complex
        block = blocks.SIGNS if has_few_temporaries else blocks.WRITTEN

        def derivative(
            x: Array, where: Array | None, weights: Array | None, g: Array, *, ops: ArrayOps
        ) -> Array:
            return penalty.derivative(x, where, weights, g, ops=ops)

        return (plan.elementwise(derivative, x, where, weights, g, ops=now, block=block),)

    return ops.tied(value, gradient, 1, x, where, weights)


def tied_together(leaves: Sequence[Leaf], penalty: Penalty) -> Array | None:
    """Return Σ m·w·h(x) of recorded arrays of one type and dtype as one autograd function of kernels, or None."""
    ops = leaves[0].ops
    plain, kernels = ops.in_state(State.PLAIN), penalty.kernels
    total_of = plan.kernel(kernels.totals, plain, size(leaves))
    signs_of = plan.kernel(kernels.derivatives, plain, size(leaves)) if kernels.derivatives else None
    if total_of is None or signs_of is None:
        return None
    if not all(leaf.weights is None and ops.records_alone(leaf.x) for leaf in leaves):
        return None
    if decision.asked:
        decision.inside(_RECORDED)
    total = total_of([leaf._replace(ops=plain) for leaf in leaves], *penalty, ops=plain)
    if total is None:
        return None
    factors = [leaf.factor for leaf in leaves]

    def value(x: Array, *_: Array | None) -> tuple[Array, ...]:
        return (plain.full((), total, plain.accumulator, x),)

    def gradient(g: Array, *arrays: Array | None) -> list[Array]:
        now = ops.at(ops.around(), *arrays, g)
        xs, masks = arrays[: len(factors)], arrays[len(factors) :]
        own = [Leaf(x, now, where) for x, where in zip(xs, masks, strict=True)]
        scales = {factor: g if factor is None else g * factor for factor in set(factors)}
        each = [scales[factor] for factor in factors]
        if now.is_plain:
            return list(signs_of(own, each, ops=now))
        return [
            penalty.derivative(leaf.x, leaf.where, None, scale, ops=now)
            for leaf, scale in zip(own, each, strict=True)
        ]

    arrays = [*[leaf.x for leaf in leaves], *[leaf.where for leaf in leaves]]
    (tied_total,) = ops.tied(value, gradient, len(leaves), *arrays)
    return tied_total
