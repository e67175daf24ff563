"""Functions that the reductions of leaves share."""

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from l1_any._arrays.standard import ArrayOps
from l1_any._arrays.state import State
from l1_any._typing import Array, Leaf


def constant(leaf: Leaf) -> Leaf:
    """Return the leaf as a constant of automatic differentiation."""
    ops = leaf.ops
    if ops.is_plain or ops.differentiates is None:
        return leaf
    weights = None if leaf.weights is None else ops.detach(leaf.weights)
    if ops.is_recorded:
        ops = ops.in_state(State.PLAIN)
    return Leaf(ops.detach(leaf.x), ops, leaf.where, weights, leaf.factor)


def by_operations(leaves: Sequence[Leaf]) -> list[list[Leaf]]:
    """Return the leaves in groups of one type, dtype, state and place."""
    groups: dict[int, list[Leaf]] = {}
    for leaf in leaves:
        groups.setdefault(id(leaf.ops), []).append(leaf)
    return list(groups.values())


def size(leaves: Sequence[Leaf]) -> int:
    """Return the number of elements of all leaves, whose shapes are known."""
    return sum([math.prod(leaf.x.shape) for leaf in leaves])


def beside(leaf: Leaf, n: Array | float | None) -> Leaf:
    """Return the leaf in the state of a call that also gets n. The mask of another leaf may make n a traced array."""
    ops = leaf.ops
    if n is None or isinstance(n, float) or ops.has_one_state:
        return leaf
    return leaf._replace(ops=ops.at(None, leaf.x, leaf.where, leaf.weights, n))


def on_leaf(function: Callable[..., Any], leaf: Leaf, *args: Any, **static: Any) -> Any:
    """Call a function of a leaf, compiled if the library compiles functions."""
    if leaf.ops.compiles:
        function = leaf.ops.compiled(function, "ops", *static)
    return function(*leaf, *args, **static)


def summed(totals: Sequence[Array | float], leaves: Sequence[Leaf]) -> Array | float:
    """Add up the results of the leaves. A float, which a kernel gave, becomes an array beside others."""
    x, ops = leaves[0].x, leaves[0].ops
    if ops.has_shards:
        return ops.added(totals)
    if len(totals) == 1:
        return totals[0]
    arrays = [ops.full((), t, ops.accumulator, x) if type(t) is float else t for t in totals]
    return functools.reduce(operator.add, arrays)


def widest(leaves: Sequence[Leaf]) -> ArrayOps:
    """Return the operations whose results have the widest dtype."""
    found = leaves[0].ops
    for leaf in leaves:
        if leaf.ops.result_name == "float64":
            found = leaf.ops
    return found
