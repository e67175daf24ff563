"""Keywords that a public function does not have. The error says which of its own keywords is meant.

A decorator that catches the interpreter's own error would add a Python call to every call of a public function. The
functions collect unknown keywords instead, which costs an empty dictionary, and their signatures do not show it.
"""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_MEANT: dict[str, tuple[str, ...]] = {
    "dim": ("axis",),
    "dims": ("axis",),
    "axes": ("axis",),
    "keepdim": ("keepdims",),
    "keep_dims": ("keepdims",),
    "reduction": ("reduce",),
    "mask": ("where",),
    "weight": ("weights",),
    "sample_weight": ("weights",),
    "alpha": ("strength", "step"),
    "lambd": ("step", "strength"),
    "lambda_": ("step", "strength"),
    "lr": ("step",),
    "gamma": ("step",),
    "threshold": ("step", "delta"),
    "beta": ("delta",),
    "r": ("radius",),
    "positive": ("nonnegative",),
}
"""Keywords of other libraries, and the keywords of this package that may be meant, the first that a function has."""

_NORMS = ("p", "ord")


def shown(function: F) -> F:
    """Hide the collected keywords from the signature that `inspect`, `help` and JAX read."""
    signature = inspect.signature(function)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    function.__signature__ = signature.replace(parameters=own)  # type: ignore[attr-defined]
    return function


def refuse(function: Callable[..., Any], unknown: Mapping[str, Any]) -> NoReturn:
    """Raise the error for keywords that a function does not have."""
    parameters = inspect.signature(function).parameters.values()
    own = [p.name for p in parameters if p.kind is not p.POSITIONAL_ONLY]
    key = next(iter(unknown))
    raise TypeError(f"`{function.__name__}` has no argument `{key}`; {_advice(key, own)}.")


def _advice(key: str, own: Iterable[str]) -> str:
    if key in _NORMS:
        return "the norm is always L1: leave it out"
    own = list(own)
    meant = [name for name in _MEANT.get(key, ()) if name in own] or difflib.get_close_matches(key, own, 1)
    return f"use `{meant[0]}`" if meant else f"it has {', '.join(f'`{name}`' for name in own)}"
