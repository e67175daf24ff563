"""Checks of axes and of numbers of dimensions. Their errors name the argument."""

import operator
from collections.abc import Sequence
from typing import Any, SupportsIndex

from numpy.exceptions import AxisError

from l1_any._arguments.axes import each_once, numbers
from l1_any._typing import Axis


def as_ints(axis: Any) -> Axis:
    """Return an axis, several axes or None as Python ints."""
    if axis is None:
        return None
    axes = numbers(axis, "group_axis")
    if not axes:
        raise TypeError(f"`group_axis` must be an int, a tuple of ints or None, got {axis!r}.")
    return tuple(axes) if isinstance(axis, Sequence) else axes[0]


def check_min_ndim(value: object) -> int:
    """Return the smallest number of dimensions of a parameter with L1, as a Python int."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise TypeError(f"`min_ndim` must be an int >= 0, got {value!r}.")
    least = operator.index(value)
    if least < 0:
        raise ValueError(f"`min_ndim` must be an int >= 0, got {value!r}.")
    return least


def check_axes(axis: Axis, shape: Sequence[int], which: str, remedy: str) -> None:
    """Raise an error for axes that a parameter does not have, or that are named twice."""
    if axis is None:
        return
    axes = numbers(axis, "group_axis")
    for a in axes:
        if not -len(shape) <= a < len(shape):
            raise AxisError(
                f"`group_axis` must be within the dimensions of each parameter with L1, got {axis!r} for "
                f"{which} of shape {tuple(shape)}; leave it out by {remedy}."
            )
    each_once(axes, len(shape), axis, "group_axis")
