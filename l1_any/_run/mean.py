"""n, the number of selected elements, and what is divided by it."""

import functools
import operator
from collections.abc import Sequence

from l1_any._arrays.shapes import extent
from l1_any._arrays.standard import ArrayOps
from l1_any._formulas import penalty, sums
from l1_any._typing import Array, Axes, Leaf

from . import plan

SUM_OF_ONES = functools.partial(sums.total_of, penalty.ones)


def count(leaves: Sequence[Leaf], axes: Axes) -> Array | float:
    """n: a number where no mask and no lazy shape hides it, else an array with the reduced axes kept.

    A float, which JAX takes also beyond the integers of 32 bits.
    """
    counts: list[Array | float] = []
    for leaf in leaves:
        x, ops = leaf.x, leaf.ops
        n = None if leaf.where is not None else extent(x, axes)
        if type(n) is int:
            counts.append(float(n))
        elif n is not None:
            counts.append(ops.number(n, x))
        else:
            named = named_axes(x, axes)
            run = ops.compiled(_selected, "axes", "ops")
            found = run(x, leaf.where, axes=named, ops=ops)
            counts.append(ops.xp.reshape(found, ()) if axes is None else found)
    n = counts[0] if len(counts) == 1 else functools.reduce(operator.add, counts)
    return n if isinstance(n, float) and type(n) is float else leaves[0].ops.as_array(n)


def divided(total: Array, n: Array | float, axes: Axes, *, ops: ArrayOps) -> Array:
    """Return the mean; NaN of nothing, with a gradient of 0 where a mask selects it."""
    if isinstance(n, float):
        return total / n if n else total * float("nan")  # which warns of nothing
    n = ops.xp.squeeze(n, axis=axes) if n.ndim > total.ndim else n
    nan = ops.full((), float("nan"), total.dtype, total)
    return ops.where(n > 0, total / divisor(n, ops=ops), nan)


def divisor(n: Array | float, *, ops: ArrayOps) -> Array | float:
    """Return n with 1 in the place of a 0 that only the mask knows: what is divided is 0 there."""
    return n if isinstance(n, float) else ops.where(n > 0, n, ops.xp.ones_like(n))


def named_axes(x: Array, axes: Axes) -> tuple[int, ...]:
    """Return the axes one by one, where None stands for all of them."""
    return tuple(range(x.ndim)) if axes is None else axes


def _selected(x: Array, where: Array | None, *, axes: tuple[int, ...], ops: ArrayOps) -> Array:
    return plan.reduce(SUM_OF_ONES, x, where, axes=axes, keepdims=True, ops=ops)
