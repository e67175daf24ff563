"""Weights as pure functions of the step, so that a resumed run has the same weights as an uninterrupted run.

The step is a number or a 0-d array, which a compiler may trace.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, TypeAlias

from l1_any._arguments import keywords
from l1_any._arguments.numbers import count, count_or_array, number
from l1_any._arrays.lookup import find
from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array

__all__ = ["cosine", "linear_warmup"]

Schedule: TypeAlias = Callable[[Any], Any]


@keywords.checked
def linear_warmup(weight: float, steps: int | Array) -> Schedule:
    """Rise from 0 at step 0 to a weight at step ``steps``, and stay there.

    Parameters
    ----------
    weight : float
        Final weight, >= 0.
    steps : int or 0-d array
        Length of the rise, >= 1. The value of a traced or lazy array of integers is not checked.

    Returns
    -------
    callable
        From a step, a number or 0-d array, to a weight of the same kind.

    Raises
    ------
    TypeError, ValueError
        A weight or length that is no such number.

    Examples
    --------
    >>> import l1_any as l1
    >>> weight = l1.schedules.linear_warmup(1e-3, steps=100)
    >>> weight(0), weight(50), weight(1000)
    (0.0, 0.0005, 0.001)
    """
    return functools.partial(_linear, weight=number(weight, "weight"), steps=count_or_array(steps, "steps"))


@keywords.checked
def cosine(weight: float, steps: int | Array, *, final: float = 0.0, warmup: int = 0) -> Schedule:
    """Fall from a weight to another along half a cosine, after an optional linear rise.

    Parameters
    ----------
    weight : float
        Highest weight, >= 0, at step ``warmup``.
    steps : int or 0-d array
        Step at which the fall ends, > ``warmup``. The value of a traced or lazy array of integers is not checked.
    final : float, optional
        Weight from there on, >= 0.
    warmup : int, optional
        Length of the rise from 0; its value must be known.

    Returns
    -------
    callable
        From a step, a number or 0-d array, to a weight of the same kind.

    Raises
    ------
    TypeError, ValueError
        A weight or length that is no such number.

    Examples
    --------
    >>> import l1_any as l1
    >>> weight = l1.schedules.cosine(1e-2, steps=100, final=1e-3)
    >>> weight(0), weight(100), weight(1000)
    (0.01, 0.001, 0.001)
    """
    steps, first = count_or_array(steps, "steps"), count(warmup, "warmup", least=0)
    if isinstance(steps, int) and first >= steps:
        raise ValueError(f"`warmup` must be an int >= 0 and < `steps`, got {warmup!r}.")
    return functools.partial(
        _cosine,
        weight=number(weight, "weight"),
        steps=steps,
        final=number(final, "final"),
        warmup=first,
    )


def __dir__() -> list[str]:
    return __all__


def _linear(step: Any, *, weight: float, steps: int | Array) -> Any:
    return weight * _progress(step, 0, steps)


def _cosine(step: Any, *, weight: float, steps: int | Array, final: float, warmup: int) -> Any:
    progress = _progress(step, warmup, steps)
    ops = find(progress)
    cos = math.cos if ops is None else ops.xp.cos
    fall = (1 + cos(progress * math.pi)) / 2
    rise = _progress(step, 0, warmup) if warmup else 1.0
    return rise * (final * (1 - fall) + weight * fall)


def _progress(step: Any, start: int, end: Any) -> Any:
    """Return the fraction of the way from `start` to `end` that is done, in [0, 1]."""
    array = step if find(step) is not None else end
    ops = find(array)
    if ops is None:
        return min(max((step - start) / (end - start), 0.0), 1.0)
    return _progress_of_array(step, ops.at(ops.around(), array), start, end)


def _progress_of_array(step: Any, ops: ArrayOps, start: int, end: Any) -> Array:
    now, last = [n if find(n) is None else ops.cast(ops.as_array(n), ops.accumulator) for n in (step, end)]
    return ops.clip((now - start) / (last - start), 0.0, 1.0)
