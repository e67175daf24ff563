"""The terms of a pipeline's loss: their calls, names and weights, and the checks of their results."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from l1_any._arguments import keywords
from l1_any._arguments.arrays import same_place
from l1_any._arguments.numbers import number
from l1_any._arrays.lookup import find, is_array
from l1_any._typing import Array

from . import report
from .batch import Batch

_RESERVED = {"value", "weight", "contribution", "grad_norm", "grad_norm_weighted", "cosine"}


@keywords.checked_class
@dataclass(frozen=True, eq=False)
class Term:
    """A weighted term of a pipeline's loss.

    Parameters
    ----------
    regularizer : Regularizer or callable
        An object with ``compute(data, logprobs)``, or a function with these arguments; either may be ``async``.
        It returns a scalar, or a pair of a scalar and a mapping of metrics.
    weight : float or callable, optional
        A finite number >= 0, or a pure function of the step that returns one (see `l1_any.schedules`). At the
        number 0 the term is not called.
    name : str, optional
        Name in reports and errors; the regularizer's own by default.
    background : bool, optional
        Run the term in a thread of its own. This is for independent work that waits or releases the interpreter
        lock. Under a compiler the terms run one after the other.
    track_grad_norm : bool, optional
        Report the norm of the term's gradient, if the pipeline tracks norms. False is for a term whose gradient
        cannot be had or is of no interest, such as a constant. A call of the pipeline then reports no norm of the
        sum.

    Raises
    ------
    TypeError, ValueError
        An argument that does not fit, named with the term.

    Examples
    --------
    >>> import l1_any as l1
    >>> drift = l1.L1Regularizer(target=("delta", "reference"))
    >>> term = l1.Term(drift, weight=l1.schedules.linear_warmup(1e-3, steps=100), name="drift")
    >>> term.weight_at(50)
    0.0005
    """

    regularizer: Any
    weight: float | Callable[[Any], Any] = 1.0
    name: str | None = None
    background: bool = False
    track_grad_norm: bool = True

    def __post_init__(self) -> None:
        loss = self.regularizer
        name = self.name or getattr(loss, "name", None) or getattr(loss, "__name__", type(loss).__name__)
        if not isinstance(name, str):
            raise TypeError(f"`name` must be a string, got {type(name).__name__}.")
        if not callable(compute(loss)):
            raise TypeError(
                f"Term {name!r} must have `compute(data, logprobs)` or be a function of that form, got "
                f"{type(loss).__name__}."
            )
        object.__setattr__(self, "name", name)
        if not callable(self.weight):
            object.__setattr__(self, "weight", number(self.weight, f"weight of term {name!r}"))

    def weight_at(self, step: Any) -> Array | float:
        """Return the weight at a step.

        Parameters
        ----------
        step : int, 0-d array or None
            The argument of a weight that is a function; it may be None for a weight that is a number.

        Returns
        -------
        float or array
            A checked number, or a 0-d array.
        """
        if not callable(self.weight):
            return self.weight
        if step is None:
            raise ValueError(f"`step` is needed: the weight of term {self.name!r} is a function of it.")
        try:
            weight = self.weight(step)
        except Exception as error:
            note(error, self.name)
            raise
        if not is_array(weight) or isinstance(weight, np.generic):
            return number(weight, f"weight of term {self.name!r}")
        if tuple(weight.shape):
            raise ValueError(
                f"The weight of term {self.name!r} must be 0-d, got shape {tuple(weight.shape)}."
            )
        return weight


def compute(loss: Any) -> Any:
    """Return the function of a loss to call with ``(data, logprobs)``."""
    return getattr(loss, "compute", loss)


def is_async(loss: Any) -> bool:
    """Whether a call of the loss returns a coroutine."""
    function = compute(loss)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def note(error: Exception, name: str | None) -> None:
    """Add a note with the name of a term to an exception of that term."""
    error.add_note(f"Raised by term {name!r} of the pipeline.")


def checked(result: Any, name: str, batch: Batch) -> tuple[Array, dict[str, Any]]:
    """Return the value and the metrics from the result of a term; raise an error if they do not fit."""
    if inspect.isawaitable(result) and not is_array(result):  # Dask's arrays can be awaited
        if inspect.iscoroutine(result):
            result.close()
        raise TypeError(f"Term {name!r} is async: use `await pipeline.acompute(...)`.")
    value, metrics = result if isinstance(result, tuple) and len(result) == 2 else (result, {})  # noqa: PLR2004
    if not isinstance(metrics, Mapping):
        raise TypeError(f"Term {name!r} must return its metrics as a mapping, got {type(metrics).__name__}.")
    taken = _RESERVED.intersection(metrics)
    if taken:
        raise ValueError(f"Term {name!r} must name its metrics otherwise than {sorted(taken)}.")
    return _scalar(value, name, batch), dict(metrics)


def unique(base: Any, terms: tuple[Term, ...]) -> None:
    """Raise an error for an object that is not a term, or for two terms with the same name."""
    if not callable(compute(base)):
        raise TypeError(
            "`base_loss` must have `compute(data, logprobs)` or be a function of that form, got "
            f"{type(base).__name__}."
        )
    names = {report.BASE}
    for i, term in enumerate(terms):
        if not isinstance(term, Term):
            raise TypeError(
                f"`terms[{i}]` must be a Term, got {type(term).__name__}; write Term(it, weight=...)."
            )
        if term.name in names:
            raise ValueError(f"Term names must differ, got {term.name!r} twice; give one a `name=`.")
        names.add(str(term.name))


def _scalar(value: Any, name: str, batch: Batch) -> Array:
    first, own = batch.arrays[0], batch.ops
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return own.full((), value, own.result_dtype, first)
    ops = find(value)
    if ops is None:
        raise TypeError(
            f"Term {name!r} must return a 0-d array or a pair (value, metrics), got {type(value).__name__}."
        )
    if tuple(value.shape):
        raise ValueError(f"Term {name!r} must return a scalar, got shape {tuple(value.shape)}.")
    if not ops.is_floating or ops.is_complex:
        raise TypeError(f"Term {name!r} must return a real floating value, got {ops.dtype_name}.")
    same_place(value, ops, first, own, name=f"the value of term {name!r}", of="logprobs")
    return value
