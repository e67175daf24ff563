"""Lengths of axes. They may be unknown, or symbols of an exporter."""

from typing import Any

from l1_any._typing import Array, Axes


def extent(x: Array, axes: Axes = None) -> Any:
    """Return the number of elements along some axes or of the whole array, or None if it is unknown.

    The number is unknown for some lazy arrays. Under an exporter it may be a symbol.
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
    """Whether the length of an axis is known. For an unknown length the standard uses None, and Dask uses NaN."""
    return type(length) is int or not isinstance(length, float | None)
