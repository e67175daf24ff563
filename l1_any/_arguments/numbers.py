"""Checks of numbers: strengths, steps, radii, weights and ratios."""

import math
import numbers
from typing import Any


def is_number(value: object) -> bool:
    """Whether value is a real number of Python or NumPy. A boolean is a number here; `number` rejects it."""
    return type(value) in (float, int) or isinstance(value, numbers.Real)


def number(value: Any, name: str, accepted: str = "a number") -> float:
    """Return a strength, step, radius or weight as a float."""
    if isinstance(value, bool) or not is_number(value):
        raise TypeError(f"`{name}` must be {accepted}, got {type(value).__name__}.")
    try:
        out = float(value)
    except OverflowError:  # its repr may raise too
        raise ValueError(f"`{name}` must be a finite number >= 0, got one beyond every float.") from None
    if not 0 <= out < math.inf:
        raise ValueError(f"`{name}` must be a finite number >= 0, got {value!r}.")
    return out


def ratio(value: Any, name: str) -> float:
    """Return a ratio as a float from 0 to 1."""
    share = number(value, name)
    if share > 1:
        raise ValueError(f"`{name}` must be a number from 0 to 1, got {value!r}.")
    return share
