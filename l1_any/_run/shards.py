"""Arrays of which each process holds a shard: formulas run on the shards, and only sums and maxima travel."""

from collections.abc import Callable, Sequence
from typing import Any

from l1_any._arrays import decision
from l1_any._arrays.lookup import known
from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array, Leaf

Arrays = tuple[Array | None, ...]
Formula = Callable[..., Any]


def reduce(formula: Formula, arrays: Arrays, axes: tuple[int, ...], *, keepdims: bool, ops: ArrayOps) -> Any:
    """Add up the results of ``formula(*shards, axes=, keepdims=, ops=)``, a sum or a tuple of sums."""
    x = _first(arrays)
    shards, own = _shards(arrays, ops)
    found = formula(*shards, axes=axes, keepdims=keepdims, ops=own)

    def added(here: Array | float) -> Array:
        if isinstance(here, float):  # a kernel gives a float
            here = own.full((), here, own.accumulator, shards[0])
        return ops.from_sums(here, x, axes, keepdims=keepdims)

    return tuple([added(here) for here in found]) if isinstance(found, tuple) else added(found)


def largest(formula: Formula, arrays: Arrays, dtype: Any, *, ops: ArrayOps) -> Array:
    """Return the largest result of ``formula(*shards, ops=)``, a 0-d array >= 0; a shard may be empty."""
    shards, own = _shards(arrays, ops)
    is_empty = 0 in _first(tuple(shards)).shape
    here = own.full((), 0, dtype, shards[0]) if is_empty else formula(*shards, ops=own)
    return ops.from_largest(here, _first(arrays))


def elementwise(
    formula: Formula, arrays: Arrays, whole: tuple[int, ...], *, few: int, ops: ArrayOps
) -> Array:
    """Return the results of ``formula(*shards, ops=)`` as one array, placed like the first.

    Axes in ``whole`` that are cut stay so if they have more than `few` elements. The formula then gets operations with
    sums and maxima over all shards.
    """
    x = _first(arrays)
    cuts = ops.cuts(whole, x)
    if cuts and max(x.shape[axis] for axis in whole) <= few:
        near = ops.uncut(ops.settled(x), cuts)
        return ops.replaced(elementwise(formula, (near, *arrays[1:]), whole, few=few, ops=ops), x)
    shards, own = _shards(arrays, ops)
    own = ops.part(own, x, cuts) if cuts else own
    return ops.from_shard(formula(*shards, ops=own), x)


def on_groups(
    formula: Formula, x: Array, weights: Array | None, groups: tuple[int, ...], *, ops: ArrayOps
) -> Array:
    """Add up ``formula(x, weights, axes=, keepdims=, ops=)``, a sum over groups along some axes, over the shards."""
    cuts, every = ops.cuts(groups, x), tuple(range(x.ndim))
    shards, own = _shards((x, weights), ops, alike=cuts)
    part = ops.part(own, x, cuts, alike=True) if cuts else own
    here = formula(*shards, axes=every, keepdims=False, ops=part)
    return ops.from_sums(here, x, every, keepdims=False, counted=groups)


def as_one(
    formula: Callable[..., list[Array]], leaves: Sequence[Leaf], number: Array | float, *, ops: ArrayOps
) -> list[Array]:
    """Return ``formula(leaves of shards, number, widened)`` of all arrays as one vector, each placed as it was.

    ``widened(ops, x)`` are the operations for a vector made of the shards, with sums and maxima over all of them.
    """
    every: Sequence[Array] = [leaf.x for leaf in leaves]
    cuts = tuple(sorted({i for x in every for i in ops.cuts(tuple(range(x.ndim)), x)}))
    # An array that is replicated where others are cut is cut too, so that each of its elements counts once.
    spread = [leaf.ops.cut(leaf.ops.settled(leaf.x), cuts) for leaf in leaves]
    own = []
    for leaf, x in zip(leaves, spread, strict=True):
        weights = (
            leaf.weights if leaf.weights is None or leaf.weights.ndim else leaf.ops.placed(leaf.weights, x)
        )
        (here, w), kind = _shards((x, weights), leaf.ops)
        own.append(Leaf(here, kind, None, w, leaf.factor))
    if not isinstance(number, float):
        number = ops.xp.reshape(_first(tuple(ops.shards(spread[0], number)[1:])), ())

    def widened(kind: ArrayOps) -> Any:
        return ops.part(kind, spread[0], cuts) if cuts else kind

    found = formula(own, number, widened)
    wholes = [leaf.ops.from_shard(p, x) for leaf, p, x in zip(leaves, found, spread, strict=True)]
    return [leaf.ops.replaced(p, leaf.x) for leaf, p in zip(leaves, wholes, strict=True)]


def _first(arrays: Arrays) -> Any:
    return arrays[0]


def _shards(
    arrays: Arrays, ops: ArrayOps, alike: tuple[int, ...] = ()
) -> tuple[list[Array | None], ArrayOps]:
    """Return the shards of this process, and the operations for them."""
    if decision.asked:
        decision.inside("on each shard")
    shards = ops.shards(*arrays, alike=alike)
    kind = known(shards[0])
    return shards, kind.at(kind.around(), *shards)
