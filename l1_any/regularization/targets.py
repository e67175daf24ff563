"""The targets x of a regularizer: the log-probabilities, or functions of them and of the data."""

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias

from l1_any._arguments import keywords
from l1_any._arguments.arrays import broadcastable, floating, same_place
from l1_any._arguments.leaves import met_by
from l1_any._arguments.numbers import count_or_array, is_number
from l1_any._arguments.pytrees import LEAF, match
from l1_any._arrays.lookup import find, known, same_state
from l1_any._formulas import norms as formulas
from l1_any._typing import Array, ArrayTree, Leaf

from .batch import Batch


class Target(Protocol):
    """The methods of a target that a regularizer calls."""

    size: ClassVar[formulas.Size | None]
    """The formula of the derivative with respect to a log-probability, for its norm; None if the derivative is 0."""

    def source(self, batch: Batch) -> ArrayTree:
        """Return the arrays to which masks and weights apply."""

    def apply(self, leaves: Sequence[Leaf], batch: Batch) -> list[Leaf]:
        """Return x for each source array. Elements that are masked out are not used."""

    def pull_back(self, gradients: Sequence[Array], leaves: Sequence[Leaf], batch: Batch) -> list[Array]:
        """Return the gradients with respect to the log-probabilities, from those with respect to x."""


class _OfLogprobs:
    """A target with one element for each log-probability."""

    size: ClassVar[formulas.Size | None] = staticmethod(formulas.derivative)

    def source(self, batch: Batch) -> ArrayTree:
        """Return the log-probabilities."""
        return batch.logprobs

    def pull_back(self, gradients: Sequence[Array], leaves: Sequence[Leaf], batch: Batch) -> list[Array]:
        """Return the gradients themselves: the slope is 1."""
        return [
            g if g.dtype == lp.dtype else leaf.ops.cast(g, lp.dtype)
            for g, leaf, lp in zip(gradients, leaves, batch.arrays, strict=True)
        ]


@dataclass(frozen=True)
class Logprobs(_OfLogprobs):
    """The log-probabilities, x = lp. Over the chosen tokens their L1 norm is the negative log-likelihood."""

    def apply(self, leaves: Sequence[Leaf], batch: Batch) -> list[Leaf]:
        """Return the log-probabilities unchanged."""
        del batch
        return list(leaves)


@dataclass(frozen=True)
class Probs(_OfLogprobs):
    """The probabilities, x = exp(lp). Value and derivative are 0 at lp = -inf."""

    size: ClassVar[formulas.Size | None] = staticmethod(formulas.derivative_times_x)

    def apply(self, leaves: Sequence[Leaf], batch: Batch) -> list[Leaf]:
        """Return the probabilities."""
        del batch
        return [_with(leaf, leaf.ops.xp.exp(_selected(leaf))) for leaf in leaves]

    def pull_back(self, gradients: Sequence[Array], leaves: Sequence[Leaf], batch: Batch) -> list[Array]:
        """Return the gradients times the slope, which is x itself."""
        slopes = [leaf.ops.detach(leaf.x) for leaf in leaves]
        products = [g * slope for g, slope in zip(gradients, slopes, strict=True)]
        return super().pull_back(products, leaves, batch)


@keywords.checked_class
@dataclass(frozen=True)
class Field:
    """A field of every example. It is data, so its derivative with respect to lp is 0.

    Parameters
    ----------
    key : str
        Name of the field. Its values may have any shape.
    """

    key: str
    size: ClassVar[formulas.Size | None] = None

    def source(self, batch: Batch) -> ArrayTree:
        """Return the field of every example."""
        return batch.field(self.key)

    def apply(self, leaves: Sequence[Leaf], batch: Batch) -> list[Leaf]:
        """Return the field unchanged."""
        del batch
        return list(leaves)

    def pull_back(self, gradients: Sequence[Array], leaves: Sequence[Leaf], batch: Batch) -> list[Array]:
        """Return zeros."""
        del gradients, leaves
        return [batch.ops.detach(batch.xp.zeros_like(lp)) for lp in batch.arrays]


@keywords.checked_class
@dataclass(frozen=True)
class Uniform:
    """The uniform distribution over a vocabulary, as a reference: -log V everywhere.

    Parameters
    ----------
    vocabulary_size : int or 0-d array
        The number of tokens V, >= 1. An array has an integer dtype; the value of a traced or lazy one is not checked.

    Raises
    ------
    ValueError
        ``vocabulary_size`` is not an int >= 1.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> reg = l1.L1Regularizer(target=("delta", l1.Uniform(1)))
    >>> reg.compute(None, np.asarray([-0.5, 0.0]))[0]
    array(0.5)
    """

    vocabulary_size: int | Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "vocabulary_size", count_or_array(self.vocabulary_size, "vocabulary_size"))

    @property
    def logprob(self) -> float | Array:
        """The log-probability of each token."""
        size = self.vocabulary_size
        if isinstance(size, int):
            return -math.log(size)
        ops = known(size)
        return -ops.xp.log(ops.cast(size, ops.at(ops.around(), size).accumulator))


@keywords.checked_class
@dataclass(frozen=True, eq=False)
class Delta(_OfLogprobs):
    """The change of the log-probabilities, x = lp - reference: how far the model has moved.

    x is NaN where both are -inf, unless the mask is False there.

    Parameters
    ----------
    reference : str, array, pytree of arrays or Uniform
        The key of a field, an array (or a pytree of arrays) that broadcasts to the log-probabilities, or the
        uniform distribution.
    """

    reference: Any

    def apply(self, leaves: Sequence[Leaf], batch: Batch) -> list[Leaf]:
        """Return the differences."""
        if isinstance(self.reference, Uniform):
            shift = self.reference.logprob
            if isinstance(shift, float):
                return [_with(leaf, _selected(leaf) - shift) for leaf in leaves]
            same_place(shift, known(shift), batch.arrays[0], batch.ops, name="vocabulary_size", of="logprobs")
            leaves = [met_by(leaf, shift, names=("vocabulary_size",)) for leaf in leaves]
            return [_with(leaf, _selected(leaf) - leaf.ops.result(shift)) for leaf in leaves]
        out = []
        for leaf, reference in zip(leaves, self._references(batch), strict=True):
            x = _selected(leaf)
            there = leaf.ops.cast(leaf.ops.selected(reference, leaf.where), x.dtype)
            out.append(_with(leaf, x - there))
        return out

    def _references(self, batch: Batch) -> list[Array]:
        single = batch.treedef is LEAF
        if isinstance(self.reference, str):
            return batch.numbers(self.reference, batch.arrays, single=single)
        references = match(self.reference, batch.treedef, "reference", "logprobs")
        for reference, lp in zip(references, batch.arrays, strict=True):
            ops = find(reference)
            if ops is None:
                raise TypeError(f"`reference` must be an array here, got {type(reference).__name__}.")
            same_place(reference, ops, lp, batch.ops, name="reference", of="logprobs")
            floating(ops, "reference")
            broadcastable(reference, tuple(lp.shape), "reference", "logprobs")
        return references


TargetLike: TypeAlias = str | tuple[str, Any] | Target

_WORDS = ("logprobs", "probs", "field", "delta")
_FORMS = '"logprobs", "probs", ("field", key), ("delta", key), ("delta", array) or ("delta", Uniform(size))'


def parse(target: TargetLike) -> Target:
    """Return the target for a string or tuple; a target object is returned unchanged."""
    match target:
        case Logprobs() | Probs() | Field() | Delta():
            return target
        case "logprobs":
            return Logprobs()
        case "probs":
            return Probs()
        case ("field", str() as key):
            return Field(key)
        case ("delta", (str() as word, size)) if word == "uniform":  # str() first: arrays compare elementwise
            return Delta(Uniform(size))
        case ("delta", reference) if reference is not None:
            return Delta(reference)
    if is_number(target):
        raise TypeError(
            f"`target` must be {_FORMS}, got the number {target!r}; the strength belongs to the term, as in "
            f"`Term(regularizer, weight={target!r})`."
        )
    if not isinstance(target, str | tuple):
        raise TypeError(f"`target` must be {_FORMS}, got {type(target).__name__}.")
    word = target[0] if isinstance(target, tuple) and target else target
    near = difflib.get_close_matches(word, _WORDS, 1) if isinstance(word, str) and word not in _WORDS else []
    meant = f'; did you mean "{near[0]}"?' if near else "."
    raise ValueError(f"`target` must be {_FORMS}, got {target!r}{meant}")


def _selected(leaf: Leaf) -> Array:
    """Return the log-probabilities in the dtype of results, with 0 where they are masked out."""
    return leaf.ops.result(leaf.ops.selected(leaf.x, leaf.where))


def _with(leaf: Leaf, x: Array) -> Leaf:
    """Return the leaf with another array, whose dtype may differ."""
    return Leaf(x, same_state(x, leaf.ops), leaf.where, leaf.weights, leaf.factor)
