"""The penalty as one autograd function, for large arrays that torch's eager autograd records.

A graph of elementwise operations keeps temporaries of the array's size. One function keeps none, but its Python calls
take time. Therefore small arrays use the graph.
"""

import functools
from collections.abc import Sequence
from typing import Any

from l1_any._arrays.standard import ArrayOps
from l1_any._arrays.state import State
from l1_any._formulas import sums
from l1_any._formulas.penalty import Penalty
from l1_any._typing import Array

from . import blocks, plan

FUNCTION = 1 << 18
"""The number of elements from which one function is faster than a graph of library operations.

Complex arrays have a function at any size: a graph with a constant sign would have no second derivative.
"""


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
) -> tuple[Array, ...]:
    """Return the sums of all summands; the gradient of the first is the penalty's derivative."""
    plain = ops.in_state(State.PLAIN)

    def value(x: Array, where: Array | None, weights: Array | None) -> tuple[Array, ...]:
        options: dict[str, Any] = {"axes": axes, "keepdims": keepdims, "ops": plain}
        if len(summands) > 1:
            both = functools.partial(sums.totals_of, summands)
            found: tuple[Array, ...] = plan.reduce(both, x, where, weights, **options)
            return found
        one = functools.partial(sums.total_of, summands[0])
        kernel = penalty.operation if weights is None and axes else ""
        return (plan.reduce(one, x, where, weights, operation=kernel, **options),)

    def gradient(g: Array, x: Array, where: Array | None, weights: Array | None) -> Array:
        now = ops.at(ops.around(), x, where, weights, g)
        g = now.xp.reshape(g, tuple([1 if axis in axes else n for axis, n in enumerate(x.shape)]))
        has_few_temporaries = weights is None and not ops.is_complex
        block = blocks.SIGNS if has_few_temporaries else blocks.WRITTEN

        def derivative(
            x: Array, where: Array | None, weights: Array | None, g: Array, *, ops: ArrayOps
        ) -> Array:
            return penalty.derivative(x, where, weights, g, ops=ops)

        return plan.elementwise(derivative, x, where, weights, g, ops=now, block=block)

    return ops.tied(value, gradient, x, where, weights)
