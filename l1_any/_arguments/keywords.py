"""Keywords that a public function does not have. The error says which of its own keywords is meant.

A decorator that catches the interpreter's own error would add a Python call to every call of a public function. The
functions collect unknown keywords instead, which costs an empty dictionary, and their signatures do not show it. What
makes objects, and is called rarely, has a decorator: `checked`.
"""

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)

_MEANT: dict[str, tuple[str, ...]] = {
    "dim": ("axis",),
    "dims": ("axis",),
    "axes": ("axis",),
    "keepdim": ("keepdims",),
    "keep_dims": ("keepdims",),
    "reduction": ("reduce",),
    "mask": ("where",),
    "weight": ("weights", "strength"),
    "sample_weight": ("weights",),
    "alpha": ("strength", "step", "weights", "weight"),
    "lam": ("step", "strength", "weights", "weight"),
    "lambd": ("step", "strength", "weights", "weight"),
    "lambda_": ("step", "strength", "weights", "weight"),
    "strength": ("step", "weights", "weight"),
    "lr": ("step", "learning_rate"),
    "gamma": ("step",),
    "tau": ("step",),
    "t": ("step",),
    "threshold": ("step", "delta"),
    "beta": ("delta",),
    "d": ("delta",),
    "r": ("radius",),
    "s": ("radius",),
    "z": ("radius",),
    "rho": ("l1_ratio",),
    "ratio": ("l1_ratio",),
    "positive": ("nonnegative",),
    "non_negative": ("nonnegative",),
    "coef": ("weight", "weights", "strength"),
    "optimizer": ("inner_optimizer",),
    "base_optimizer": ("inner_optimizer",),
    "vocab_size": ("vocabulary_size",),
    "size": ("vocabulary_size",),
    "T": ("steps",),
    "total_steps": ("steps",),
    "n_steps": ("steps",),
    "end": ("final",),
    "loss": ("regularizer", "base_loss", "base"),
    "base": ("base_loss",),
    "regularizers": ("terms",),
}
"""Keywords of other libraries, and the keywords of this package that may be meant, the first that a function has."""

_NORMS = ("p", "ord")
_STRENGTHS = ("strength", "alpha", "coef", "l1", "lam", "lambd", "lambda_", "lr", "scale")
"""What may be meant as the weight of a term, where a penalty has no such number."""


class _Nothing:
    """The default of an argument that must be given. The check of the argument refuses it."""

    def __repr__(self) -> str:
        return "nothing"


_Nothing.__name__ = "nothing"
_NOTHING: Any = _Nothing()


def shown(function: F) -> F:
    """Hide the collected keywords from the signature that `inspect`, `help` and JAX read.

    Steps and axes that must be given get a default that their checks refuse, which the signature does not show either.
    Without it Python would say that they are missing before the function could say which keyword is meant.
    """
    signature = inspect.signature(function)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    function.__signature__ = signature.replace(parameters=own)  # type: ignore[attr-defined]
    needed = [p for p in own if p.default is p.empty]
    named = {p.name: _NOTHING for p in needed if p.kind is p.KEYWORD_ONLY}
    if named:
        function.__kwdefaults__ = {**(function.__kwdefaults__ or {}), **named}
    function.__defaults__ = (_NOTHING,) * sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in needed)
    return function


def checked(function: F, name: str = "") -> F:
    """Return the function with a check of its keywords; for what makes objects."""
    parameters = inspect.signature(function).parameters.values()
    own = [p.name for p in parameters if p.kind is not p.POSITIONAL_ONLY and p.name != "self"]

    @functools.wraps(function)
    def with_check(*args: Any, **kwargs: Any) -> Any:
        for key in kwargs:
            if key not in own:
                raise TypeError(
                    f"`{name or function.__name__}` has no argument `{key}`; {_advice(key, own)}."
                )
        return function(*args, **kwargs)

    return with_check  # type: ignore[return-value]


def checked_class(cls: C) -> C:
    """Return the class with a check of the keywords of its constructor."""
    cls.__init__ = checked(cls.__init__, cls.__name__)  # type: ignore[misc]
    return cls


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
    if key in _STRENGTHS and "target" in own:
        return "the strength belongs to the term, as in `Term(regularizer, weight=...)`"
    meant = [name for name in _MEANT.get(key, ()) if name in own] or difflib.get_close_matches(key, own, 1)
    return f"use `{meant[0]}`" if meant else f"it has {', '.join(f'`{name}`' for name in own)}"
