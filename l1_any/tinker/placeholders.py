"""Checks of the examples of a Tinker batch before they are submitted."""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from l1_any._typing import Array
from l1_any.regularization.batch import MissingFieldError

_TARGETS = "target_tokens"
_LOGPROB = -1.0


def placeholders(data: Any) -> list[Array]:
    """Return, for each example, torch log-probabilities of -1 in the shape of its target tokens."""
    if not isinstance(data, Sequence) or isinstance(data, str | bytes):
        raise TypeError(f"`data` must be a list of examples, got {type(data).__name__}.")
    if not data:
        raise ValueError("`data` must hold at least one example, got none.")
    torch = importlib.import_module("torch")
    return [
        torch.full(_target_shape(example, f"data[{i}]"), _LOGPROB, dtype=torch.float32)
        for i, example in enumerate(data)
    ]


def non_finite_fields(data: Sequence[Any]) -> str:
    """Return a text that names the fields and examples with NaN or infinity."""
    found = [
        f"`data[{i}][{key!r}]`"
        for i, example in enumerate(data)
        for key, values in _fields(example, f"data[{i}]")
        if values.dtype.kind == "f" and not np.isfinite(values).all()
    ]
    if not found:
        return "all fields are finite, so look at the function itself"
    return f"not finite: {', '.join(found)}"


def _target_shape(example: Any, name: str) -> tuple[int, ...]:
    tokens = dict(_fields(example, name)).get(_TARGETS)
    if tokens is None:
        raise MissingFieldError(
            f"`{name}` has no field {_TARGETS!r}, whose log-probabilities a loss is given."
        )
    if tokens.dtype.kind not in "iu" or tokens.ndim not in {1, 2}:
        raise TypeError(
            f"`{name}[{_TARGETS!r}]` must be integers of shape [T] or [T, K], got {tokens.dtype} of shape "
            f"{tokens.shape}."
        )
    length = getattr(getattr(example, "model_input", None), "length", len(tokens))
    if length != len(tokens):
        raise ValueError(
            f"`{name}[{_TARGETS!r}]` must have one row for each of the {length} positions of its "
            f"`model_input`, got {len(tokens)}."
        )
    return tuple(tokens.shape)


def _fields(example: Any, name: str) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    fields = getattr(example, "loss_fn_inputs", None)
    if not isinstance(fields, Mapping):
        raise TypeError(f"`{name}` must be a tinker.Datum, got {type(example).__name__}.")
    return ((key, value.to_numpy()) for key, value in fields.items())
