"""n, the number of selected elements, and what is divided by it."""

import functools
import operator
from collections.abc import Sequence

from . import _array, _blocks, _formula
from ._typing import Array, Axes, Leaf, Namespace


def count(leaves: Sequence[Leaf], axes: Axes, *, xp: Namespace) -> Array | float:
    """n: a number where no mask and no lazy shape hides it, else an array with the reduced axes kept.

    A float, which JAX takes also beyond the integers of 32 bits.
    """
    counts: list[Array | float] = []
    for leaf in leaves:
        n = None if leaf.where is not None else _array.extent(leaf.x, axes)
        if n is not None:
            counts.append(float(n))
            continue
        selected = _array.run_compiled(_selected, leaf.x, leaf, axes=axes, xp=xp)
        counts.append(xp.reshape(selected, ()) if axes is None else selected)
    return _array.as_array(functools.reduce(operator.add, counts))  # as NumPy's scalars are floats too


def divided(total: Array, n: Array | float, axes: Axes, *, xp: Namespace) -> Array:
    """Return the mean; NaN of nothing, with a gradient of 0 where a mask selects it."""
    if isinstance(n, float):
        return total / n if n else total * float("nan")  # which warns of nothing
    n = xp.squeeze(n, axis=axes) if n.ndim > total.ndim else n
    nan = _array.full((), float("nan"), total.dtype, total, xp)
    return xp.where(n > 0, total / divisor(n, xp=xp), nan)


def divisor(n: Array | float, *, xp: Namespace) -> Array | float:
    """Return n with 1 in the place of a 0 that only the mask knows: what is divided is 0 there."""
    return n if isinstance(n, float) else xp.where(n > 0, n, xp.ones_like(n))


def scale(leaf: Leaf, n: Array | float | None, *, xp: Namespace) -> Array | float | None:
    """Return what multiplies the signs: the number among the weights, over n."""
    if n is None:
        return leaf.factor
    over = 1 / divisor(n, xp=xp)
    return over if leaf.factor is None else over * leaf.factor


def _selected(leaf: Leaf, *, axes: Axes, xp: Namespace) -> Array:
    arrays = leaf.x, leaf.where
    named = _blocks.named_axes(leaf.x, axes)
    return _blocks.reduce(_SUM_OF_SELECTED, arrays, axes=named, keepdims=True, xp=xp)


_SUM_OF_SELECTED = _formula.sum_of(_formula.count)
