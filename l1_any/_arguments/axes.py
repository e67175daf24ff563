"""Checks of axes. Their errors name the argument."""

import operator
from collections.abc import Sequence
from typing import Any

from numpy.exceptions import AxisError

from l1_any._typing import Array, ArrayTree, Axes, Axis

from . import pytrees


def of_array(axis: Axis, x: ArrayTree, treedef: pytrees.Treedef, *, keepdims: bool = False) -> Axes:
    """Return the axes as a tuple of numbers >= 0, or None for all of a pytree."""
    if treedef is not pytrees.LEAF:
        if axis is not None or keepdims:
            raise ValueError("`axis` and `keepdims` need a single array: a structure is one long vector.")
        return None
    if axis is None:
        return None
    if type(axis) is int and -x.ndim <= axis < x.ndim:
        return (axis % x.ndim,)
    named = numbers(axis, "axis")
    for a in named:
        if not -x.ndim <= a < x.ndim:
            raise AxisError(f"`axis` must be within the {x.ndim} dimensions of `x`, got {axis!r}.")
    each_once(named, x.ndim, axis, "axis")
    return tuple(sorted(a % x.ndim for a in named))


def one(axis: Any, x: Array, treedef: pytrees.Treedef) -> int | None:
    """Return an axis as a number >= 0, or None for all of a pytree."""
    if axis is not None:
        try:
            axis = _axis_number(axis)
        except TypeError:
            raise TypeError(f"`axis` must be an int or None, got {axis!r}.") from None
    found = of_array(axis, x, treedef)
    return None if found is None else found[0]


def of_group(axis: Axis, x: Array) -> tuple[int, ...]:
    """Return the axes of a group as a tuple of numbers >= 0."""
    found = of_array(axis, x, pytrees.LEAF)
    return tuple(range(x.ndim)) if found is None else found


def numbers(axis: Any, name: str) -> list[int]:
    """Return one int or several ints as a list."""
    try:
        return [_axis_number(a) for a in (axis if isinstance(axis, Sequence) else (axis,))]
    except TypeError:
        raise TypeError(f"`{name}` must be an int, a tuple of ints or None, got {axis!r}.") from None


def each_once(named: Sequence[int], ndim: int, axis: Any, name: str) -> None:
    """Raise an error if an axis is named twice, counted from the front or from the back."""
    if len({a % ndim for a in named}) < len(named):
        raise ValueError(f"`{name}` must name each axis once, got {axis!r}.")


def _axis_number(axis: Any) -> int:
    if isinstance(axis, bool):
        raise TypeError
    return operator.index(axis)
