"""Penalties of one example. Its arrays are symbols of torch.fx, which record the operations on them."""

import re
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from l1_any._arguments.numbers import number
from l1_any._arguments.pytrees import LEAF
from l1_any._arrays.lookup import known
from l1_any._typing import Array, Leaf, Namespace
from l1_any.regularization import masks, targets
from l1_any.regularization.target_regularizer import TargetRegularizer
from l1_any.regularization.terms import Term

if TYPE_CHECKING:
    from l1_any._arrays.standard import ArrayOps

LOGPROBS = "logprobs"
_INPUT = re.compile(r"[a-z_][a-z0-9_]{0,63}")
_METRIC = re.compile(r"[a-z0-9_./-]{1,64}")


class Weighted(NamedTuple):
    """A penalty with its weight: a number, or the name of the input that holds it."""

    regularizer: TargetRegularizer
    weight: float | str
    name: str


def weighted(penalty: Any, name: str) -> Weighted:
    """Return the penalty and weight of a `Term` or of a pair."""
    match penalty:
        case Term():
            out = Weighted(penalty.regularizer, penalty.weight, str(penalty.name))  # type: ignore[arg-type]
        case (regularizer, weight):
            out = Weighted(regularizer, weight, getattr(regularizer, "name", ""))
        case _:
            raise TypeError(
                f"`{name}` must be a Term or a pair (regularizer, weight), got {type(penalty).__name__}."
            )
    if not isinstance(out.regularizer, TargetRegularizer):
        raise TypeError(
            f"`{name}` must have one of this package's regularizers, got {type(out.regularizer).__name__}; "
            "compute what is yours in `base`."
        )
    if callable(out.weight):
        raise TypeError(
            f"`{name}` must have a number or the name of a rank-0 input as its weight, not a function: put "
            "the weight of each step into the data."
        )
    if isinstance(out.weight, str):
        return out
    return out._replace(weight=number(out.weight, f"{name}.weight"))


def fields_of(regularizer: TargetRegularizer) -> list[str]:
    """Return the names of the fields of an example that a regularizer reads."""
    target = regularizer.target
    reference = target.reference if isinstance(target, targets.Delta) else None
    fields = [target.key] if isinstance(target, targets.Field) else []
    if regularizer.reduce != "sum":
        raise ValueError(f'{regularizer.name!r} must have reduce="sum": a mean needs the whole batch.')
    mask = masks.named(regularizer.where)
    parts = {
        "reference": None if isinstance(reference, targets.Uniform) else reference,
        "where": regularizer.where if mask is None else mask.key,
        "weights": None if isinstance(regularizer.weights, int | float) else regularizer.weights,
    }
    for part, value in parts.items():
        if isinstance(value, str):
            fields.append(value)
        elif value is not None:
            raise TypeError(
                f"The `{part}` of {regularizer.name!r} must be the name of a field, got "
                f"{type(value).__name__}: a traced loss holds no arrays."
            )
    return fields


def check_names(inputs: Iterable[str], metrics: Sequence[str]) -> None:
    """Raise an error for names of inputs (other than the log-probabilities) and metrics that Tinker rejects."""
    for key in inputs:
        if key == LOGPROBS:
            raise ValueError(
                f"Inputs must have other names than {LOGPROBS!r}, which are the model's own: give the field that "
                "is called so another name."
            )
        if not _INPUT.fullmatch(key):
            raise ValueError(
                f"Inputs must be named by lowercase letters, digits and underscores, got {key!r}."
            )
    for name in metrics:
        if not _METRIC.fullmatch(name):
            raise ValueError(
                f"Penalties must be named by lowercase letters, digits and any of _./-, got {name!r}."
            )
        if metrics.count(name) > 1:
            raise ValueError(f"Names of penalties must differ, got {name!r} twice.")


class Example:
    """One traced example, in place of the `Batch` that a target reads."""

    treedef = LEAF

    def __init__(self, symbols: Mapping[str, Array]) -> None:
        self._symbols = symbols
        self.logprobs: Array = symbols[LOGPROBS]
        self.arrays: list[Array] = [self.logprobs]
        self.ops: ArrayOps = known(self.logprobs)
        self.xp: Namespace = self.ops.xp

    def field(self, key: str) -> Array:
        """Return a field."""
        return self._symbols[key]

    def numbers(self, key: str, arrays: Sequence[Array], *, single: bool) -> list[Array]:
        """Return a field as a list with one array."""
        del arrays, single
        return [self._symbols[key]]

    def penalty(self, regularizer: TargetRegularizer) -> Array:
        """Return Σ m·w·h(x), summed in float64 and cast to the dtype of the log-probabilities."""
        target: Any = regularizer.target
        mask, weights = masks.named(regularizer.where), regularizer.weights
        leaf = Leaf(
            target.source(self),
            self.ops,
            where=None if mask is None else self._symbols[mask.key] != (mask.ignored or 0),
            weights=self._symbols[weights] if isinstance(weights, str) else None,
        )
        (leaf,) = target.apply([leaf], self)
        terms = regularizer.penalty().terms(leaf.x, leaf.where, leaf.weights, ops=leaf.ops)
        total = self.xp.sum(terms, dtype=self.xp.float64)
        if isinstance(weights, int | float):
            total = total * float(weights)
        return total.to(self.logprobs.dtype)


def with_parameters(body: Callable[..., Any], name: str, parameters: tuple[str, ...]) -> Any:
    """Give a function of ``*args`` a name and named parameters for `inspect` and torch.fx.

    Both follow ``__wrapped__`` and read only the signature there.
    """
    code = (lambda: None).__code__.replace(
        co_name=name, co_argcount=len(parameters), co_nlocals=len(parameters), co_varnames=parameters
    )
    function: Any = body
    function.__wrapped__ = types.FunctionType(code, {}, name)
    function.__name__ = function.__qualname__ = name
    return function
