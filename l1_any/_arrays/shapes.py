"""Lengths of axes, which may be unknown or symbols."""

from typing import Any

from l1_any._typing import Array, Axes


def extent(x: Array, axes: Axes = None) -> Any:
    """Return the number of elements, along some axes or in all, or None where a lazy library does not know it.

    Under an exporter the number may be a symbol.
    """
    shape = x.shape
    n = 1
    for axis in range(len(shape)) if axes is None else axes:
        length = shape[axis]
        if type(length) is not int and not is_known(length):
            return None
        n = n * length
    return n


def is_known(length: float | None) -> bool:
    """Whether the length of an axis is known: where not, the standard has None for it, and Dask has NaN."""
    return type(length) is int or not isinstance(length, float | None)
