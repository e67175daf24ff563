"""Checks of numbers: strengths, steps, radii, weights, ratios and counts."""

import math
import numbers
import operator
from typing import Any

from l1_any._arrays.lookup import find
from l1_any._typing import Array


def is_number(value: object) -> bool:
    """Whether value is a real number of Python or NumPy. A boolean is a number here; `number` rejects it."""
    return type(value) in (float, int) or isinstance(value, numbers.Real)


def number(value: Any, name: str, accepted: str = "a number") -> float:
    """Return a strength, step, radius or weight as a float."""
    if not is_number(value):
        value = scalar(value)
    if isinstance(value, bool) or not is_number(value):
        raise TypeError(f"`{name}` must be {accepted}, got {type(value).__name__}.")
    try:
        out = float(value)
    except OverflowError:  # its repr may raise too
        raise ValueError(f"`{name}` must be a finite number >= 0, got one beyond every float.") from None
    if not 0 <= out < math.inf:
        raise ValueError(f"`{name}` must be a finite number >= 0, got {value!r}.")
    return out


def scalar(value: Any) -> Any:
    """Return the scalar of a 0-d array of a library that has scalars (NumPy), and any other object unchanged."""
    ops = find(value)
    return value[()] if ops is not None and ops.has_scalars and not ops.refused and not value.ndim else value


def count(value: Any, name: str, *, least: int = 1) -> int:
    """Return a number of steps or tokens as an int; NumPy's integers and 0-d arrays of integers are accepted."""
    if traced_count(value) is not None:
        raise ValueError(
            f"`{name}` must be an int >= {least} whose value is known here, got an array that is traced or lazy."
        )
    found: int | None = None
    if not isinstance(value, bool):
        try:
            found = operator.index(value)
        except TypeError:
            found = None
    if found is None or found < least:
        raise ValueError(f"`{name}` must be an int >= {least}, got {value!r}.")
    return found


def count_or_array(value: Any, name: str) -> int | Array:
    """Return a number of steps or tokens as an int, or as it is if it is a traced or lazy 0-d array of integers."""
    traced = traced_count(value)
    return count(value, name) if traced is None else traced


def traced_count(value: Any) -> Array | None:
    """Return a 0-d array of integers whose value is not known yet, and None for any other object."""
    ops = find(value)
    if ops is None or ops.refused or not ops.is_integer or len(value.shape):
        return None
    return value if ops.at(ops.around(), value).is_symbolic else None


def ratio(value: Any, name: str) -> float:
    """Return a ratio as a float from 0 to 1."""
    share = number(value, name)
    if share > 1:
        raise ValueError(f"`{name}` must be a number from 0 to 1, got {value!r}.")
    return share
