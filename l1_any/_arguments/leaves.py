"""The arrays of a pytree, each with its mask, its weights and its operations."""

import math
from collections.abc import Sequence
from typing import Any

from l1_any._arrays import containers
from l1_any._arrays.lookup import find
from l1_any._arrays.shapes import extent
from l1_any._arrays.standard import ArrayOps
from l1_any._arrays.state import State
from l1_any._typing import Array, ArrayTree, Axes, Axis, Leaf, Namespace

from . import axes, hints, pytrees
from .arrays import (
    beside,
    boolean,
    broadcastable,
    dense,
    floating,
    number_array,
    of_namespace,
    same_place,
)
from .numbers import is_number, number, scalar

_NUMBER_OR_ARRAY = "a number or an array"


def leaves(
    x: ArrayTree, where: Any, weights: Any, xp: Namespace | None, name: str = "x"
) -> tuple[list[Leaf], pytrees.Treedef]:
    """Return the arrays of x with their masks and weights, and the structure of the pytree."""
    ops = find(x)
    if ops is None:
        x = containers.unwrapped(x)
        ops = find(x)
    if ops is None:
        return _of_pytree(x, where, weights, xp, name)
    if xp is not None:
        of_namespace(ops, xp, name)
    if where is not None or weights is not None:
        return [_leaf(x, ops, None, where, weights, name=name)], pytrees.LEAF
    if not ops.has_one_state:
        ops = ops.at(None, x)
    if ops.refused or not ops.is_floating:
        floating(ops, name)
    return [Leaf(ops.settled(x) if ops.has_shards else x, ops)], pytrees.LEAF


def _of_pytree(
    x: ArrayTree, where: Any, weights: Any, xp: Namespace | None, name: str
) -> tuple[list[Leaf], pytrees.Treedef]:
    arrays, kinds, treedef = pytrees.flatten(x, name)
    together(x, treedef, arrays, kinds, name, xp=xp)
    around = kinds[0].around()
    out = []
    if where is None and weights is None:
        for i, (array, ops) in enumerate(zip(arrays, kinds, strict=True)):
            own = ops if ops.has_one_state else ops.at(around, array)
            if own.refused or not own.is_floating:
                floating(own, list(pytrees.names(treedef, name))[i], is_alone=False)
            out.append(Leaf(own.settled(array) if own.has_shards else array, own))
        return out, treedef
    masks = pytrees.match(where, treedef, "where", name)
    alike = weights is None or is_number(weights)
    factors = [weights] * len(arrays) if alike else pytrees.match(weights, treedef, "weights", name)
    named = pytrees.names(treedef, name)
    for array, ops, mask, weight, each in zip(arrays, kinds, masks, factors, named, strict=True):
        out.append(_leaf(array, ops, around, mask, weight, name=each, is_alone=False))
    return out, treedef


def arrays_of(x: ArrayTree, xp: Namespace | None, name: str = "x") -> tuple[list[Leaf], pytrees.Treedef]:
    """Return the arrays of x without masks and weights, and the structure of the pytree."""
    return leaves(x, None, None, xp, name)


def together(
    tree: ArrayTree,
    treedef: pytrees.Treedef,
    arrays: Sequence[Array],
    kinds: Sequence[ArrayOps],
    name: str,
    *,
    xp: Namespace | None = None,
) -> None:
    """Raise an error if the arrays differ in library or device, or if there are no arrays."""
    if not arrays:
        raise ValueError(f"`{name}` must hold at least one array, got {hints.why_empty(tree)}")
    first, own = arrays[0], kinds[0]
    if xp is not None:
        of_namespace(own, xp, name)
    here, holder = own.devices(first), 0
    for i, (array, ops) in enumerate(zip(arrays, kinds, strict=True)):
        there = ops.devices(array)
        if ops.xp is own.xp and here is None:
            if there is not None:
                here, holder = there, i  # the first array that is bound to a device
        elif ops.xp is not own.xp or there not in (None, here):
            named = list(pytrees.names(treedef, name))
            floating(ops, named[i], is_alone=False)
            same_place(array, ops, arrays[holder], kinds[holder], name=named[i], of=named[holder])


def _leaf(
    x: Array,
    ops: ArrayOps,
    around: State | None,
    where: Any,
    weights: Any,
    *,
    name: str,
    is_alone: bool = True,
) -> Leaf:
    if ops.refused or not ops.is_floating:
        floating(ops, name, is_alone=is_alone)
    if where is not None:
        where = ops.aligned(boolean(where, "where", x, ops, name), x)
    factor = None
    if weights is not None:
        weights, kind = _number_or_array(weights)
        if kind is None:
            weights, factor = None, number(weights, "weights", _NUMBER_OR_ARRAY)
        else:
            same_place(weights, kind, x, ops, name="weights", of=name)
            weights = number_array(weights, kind, "weights", ops)
            broadcastable(weights, tuple(x.shape), "weights", name)
            weights = ops.aligned(weights, x)
    own = beside(ops, around, (name, "where", "weights"), x, where, weights)
    return Leaf(own.settled(x) if own.has_shards else x, own, where, weights, factor)


def _number_or_array(value: Any) -> tuple[Any, ArrayOps | None]:
    """Return a number and None, or an array, unwrapped, and its operations."""
    if is_number(value):
        return value, None
    value = scalar(containers.unwrapped(value))
    return value, None if is_number(value) else find(value)


def met_by(leaf: Leaf, *others: Any, names: Sequence[str]) -> Leaf:
    """Return the leaf in the state that it has together with other arrays: a step, a radius, a gradient."""
    if leaf.ops.has_one_state:
        return leaf
    names = ("x", "where", "weights", *names)
    return leaf._replace(ops=beside(leaf.ops, None, names, leaf.x, leaf.where, leaf.weights, *others))


def reduction(
    leaves: Sequence[Leaf],
    treedef: pytrees.Treedef,
    reduce: str,
    axis: Axis = None,
    *,
    keepdims: bool = False,
) -> tuple[Axes, bool]:
    """Return the axes, and whether ``reduce`` is "mean"; raise an error for the mean of an empty array."""
    named = None
    if axis is not None or keepdims:
        named = axes.of_array(axis, leaves[0].x, treedef, keepdims=keepdims)
    if reduce == "sum":
        return named, False
    is_mean(reduce)
    not_empty(leaves, named)
    return named, True


def is_mean(reduce: str) -> bool:
    """Whether ``reduce`` is "mean"."""
    if reduce not in ("sum", "mean"):
        raise ValueError(f'`reduce` must be "sum" or "mean", got {reduce!r}.')
    return reduce == "mean"


def not_empty(leaves: Sequence[Leaf], axes: Axes) -> None:
    """Raise an error for a mean if the arrays are known to have no elements."""
    for leaf in leaves:
        if extent(leaf.x, axes) != 0:
            return
    raise ValueError('`x` is empty: `reduce="mean"` needs at least one element.')


def some_groups(leaves: Sequence[Leaf], groups: Sequence[tuple[int, ...]]) -> None:
    """Raise an error for a mean if the arrays are known to have no groups."""
    for leaf, own in zip(leaves, groups, strict=True):
        kept = tuple([axis for axis in range(leaf.x.ndim) if axis not in own])
        if extent(leaf.x, kept) != 0:
            return
    raise ValueError('`x` has no groups: `reduce="mean"` needs at least one.')


def real(leaves: Sequence[Leaf], why: str) -> None:
    """Raise an error for complex arrays. `why` names the option that needs an order of the numbers."""
    for leaf in leaves:
        if leaf.ops.is_complex:
            raise TypeError(f"`x` must be real with `{why}`, got {leaf.ops.dtype_name}; pass its real part.")


def step(value: Any, leaf: Leaf, name: str, reduced: tuple[int, ...] = ()) -> tuple[Array | float, Leaf]:
    """Return a checked step or radius, and the leaf in the state that it has together with it.

    The value of a number is checked. Of an array only shape and dtype are checked: it must broadcast to x's
    shape, with length 1 along the reduced axes.
    """
    value, ops = _number_or_array(value)
    if ops is None:
        return number(value, name, _NUMBER_OR_ARRAY), leaf
    value = ops.as_array(value)
    same_place(value, ops, leaf.x, leaf.ops, name=name, of="x")
    value = number_array(value, ops, name, leaf.ops)
    shape = leaf.x.shape
    broadcastable(value, tuple([1 if axis in reduced else n for axis, n in enumerate(shape)]), name)
    value = leaf.ops.aligned(value, leaf.x)
    return value, met_by(leaf, value, names=(name,))


def step_of_each(value: Any, leaves: Sequence[Leaf], name: str) -> tuple[Array | float, list[Leaf]]:
    """Return a checked step for all arrays, and the leaves in the state that they have together with it."""
    if type(value) is float and 0 <= value < math.inf:
        return value, list(leaves)
    value = scalar(value)
    if is_number(value):
        return number(value, name), list(leaves)
    steps, met = zip(*[step(value, leaf, name) for leaf in leaves], strict=True)
    return steps[0], list(met)


def scalar_of_each(value: Any, leaves: Sequence[Leaf], name: str) -> tuple[Array | float, list[Leaf]]:
    """Return a checked number or 0-d array, and the leaves in the state that they have together with it."""
    value = value if is_number(value) else scalar(value)
    ops = None if is_number(value) else find(value)
    if ops is None:
        return number(value, name, "a number or a 0-d array"), list(leaves)
    if tuple(value.shape):
        raise ValueError(f"`{name}` must be a number or a 0-d array, got shape {tuple(value.shape)}.")
    return step_of_each(value, leaves, name)


def radius(
    value: Any, leaves: Sequence[Leaf], name: str, axis: int | None
) -> tuple[Array | float, list[Leaf]]:
    """Return the radius of vectors along an axis of one array, or of all arrays as one vector."""
    if axis is None:
        for leaf in leaves:
            if extent(leaf.x) is None:
                raise ValueError(
                    "`x` must have known lengths to be one vector, got unknown ones; call its "
                    "compute_chunk_sizes()."
                )
    first = leaves[0]
    reduced = tuple(range(first.x.ndim)) if axis is None else (axis,)
    out, met = step(value, first, name, reduced)
    if isinstance(out, float):
        return out, list(leaves)
    if axis is None:
        out = first.ops.xp.reshape(out, ())
    return out, [met, *(met_by(leaf, out, names=(name,)) for leaf in leaves[1:])]


def alike(tree: ArrayTree, leaves: Sequence[Leaf], treedef: pytrees.Treedef, name: str) -> list[Array]:
    """Return the arrays of a tree that must match x in structure, library, device, shapes and dtypes."""
    one = treedef is pytrees.LEAF
    arrays = [containers.unwrapped(tree)] if one else pytrees.match(tree, treedef, name, "x")
    for array, leaf in zip(arrays, leaves, strict=True):
        ops = find(array)
        if ops is None:
            raise TypeError(f"`{name}` must be an array like `x`, got {type(array).__name__}.")
        same_place(array, ops, leaf.x, leaf.ops, name=name, of="x")
        dense(ops, name)
        shape, own = tuple(leaf.x.shape), tuple(array.shape)
        if (own, array.dtype) != (shape, leaf.x.dtype):
            raise ValueError(
                f"`{name}` must have the shape and dtype of `x`, {shape} and {leaf.ops.dtype_name}, "
                f"got {own} and {ops.dtype_name}."
            )
    return [leaf.ops.aligned(array, leaf.x) for array, leaf in zip(arrays, leaves, strict=True)]
