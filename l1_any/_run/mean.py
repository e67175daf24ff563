"""The number n of selected elements, and division by n."""

import functools
import operator
from collections.abc import Callable, Sequence

from l1_any._arrays.shapes import extent
from l1_any._arrays.standard import ArrayOps
from l1_any._formulas import penalty as penalties
from l1_any._formulas import sums
from l1_any._typing import Array, Axes, Leaf

from . import plan

_SMALLER = 2.0**-70
"""A power of two, times which any numbers in any memory have a sum that is finite."""

SUM_OF_ONES = functools.partial(sums.total_of, penalties.ones, counts=True)


def count(leaves: Sequence[Leaf], axes: Axes) -> Array | float:
    """n: a float, or an array with the reduced axes kept if there is a mask or an unknown shape.

    The number is a float because JAX without x64 rejects ints of more than 32 bits.
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


def in_range(
    compute: Callable[..., Array],
    leaves: Sequence[Leaf],
    penalty: penalties.Penalty,
) -> Array:
    """Return ``compute(leaves, penalty=)``, a mean or weighted sum of magnitudes that `may_overflow`.

    If a sum on the way overflowed, the result is computed again from smaller numbers.
    """
    ops = leaves[0].ops
    with ops.quiet():  # NumPy would warn of the sum
        found = compute(leaves, penalty=penalty)
    infinite = ops.xp.isinf(ops.detach(found))
    if not ops.to_host(infinite).any():
        return found
    with ops.quiet():
        smaller = [leaf._replace(x=leaf.x * _SMALLER) for leaf in leaves]
        again = compute(smaller, penalty=penalty.scaled(_SMALLER)) / _SMALLER
    # What was infinite in x stays infinite; the product of a complex infinity and a number may be NaN.
    return ops.as_array(ops.where(infinite & ops.xp.isfinite(ops.detach(again)), again, found))


def may_be_seen(ops: ArrayOps) -> bool:
    """Whether the arrays are in the memory of a CPU, where a look at a value makes no one wait."""
    return ops.place == "cpu" and (ops.is_plain or ops.is_recorded or ops.has_shards)


def may_overflow(leaves: Sequence[Leaf]) -> bool:
    """Whether a sum may overflow that is in the memory of a CPU, where a look at it makes no one wait."""
    is_wide = False
    for leaf in leaves:
        ops = leaf.ops
        if not may_be_seen(ops):
            return False
        is_wide = is_wide or ops.result_name == ops.accumulator_name
    return is_wide


def divided(total: Array | float, n: Array | float, axes: Axes, *, ops: ArrayOps) -> Array:
    """Return the mean, or NaN for n = 0. If a mask selects nothing, the gradient is 0."""
    if ops.has_shards:
        total = ops.settled(total)
    if isinstance(n, float):
        return total / n if n else total * float("nan")  # NumPy would warn of 0/0
    total = ops.full((), total, ops.accumulator, n) if isinstance(total, float) else total  # of a kernel
    n = ops.xp.squeeze(n, axis=axes) if n.ndim > total.ndim else n
    nan = ops.full((), float("nan"), total.dtype, total)
    return ops.where(n > 0, total / divisor(n, ops=ops), nan)


def divisor(n: Array | float, *, ops: ArrayOps) -> Array | float:
    """Return n with 1 in place of 0: if a mask selects nothing, the dividend is 0, and so must be the quotient."""
    return n if isinstance(n, float) else ops.where(n > 0, n, ops.xp.ones_like(n))


def named_axes(x: Array, axes: Axes) -> tuple[int, ...]:
    """Return the axes as a tuple; None means all axes."""
    return tuple(range(x.ndim)) if axes is None else axes


def _selected(x: Array, where: Array | None, *, axes: tuple[int, ...], ops: ArrayOps) -> Array:
    return plan.reduce(SUM_OF_ONES, x, where, axes=axes, keepdims=True, ops=ops)
