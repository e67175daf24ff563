"""The default for automatic differentiation: there is none, and every array is a constant."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, TypeVar

from l1_any._typing import Array

T = TypeVar("T")


class NotConnectedError(ValueError):
    """A value that automatic differentiation cannot trace back to the arrays that it was made of."""


class Differentiation:
    """What is asked of a library's automatic differentiation, answered for one that has none."""

    differentiates: ClassVar[Literal["by graph", "by transformation"] | None] = None
    """How the library differentiates functions of eager arrays, if it does."""

    def detach(self, x: Array) -> Array:
        """Return x as a constant of automatic differentiation."""
        return x

    def tied_sum(
        self,
        value: Callable[..., Array],
        simple: Callable[..., Array],
        *arrays: Array | None,
    ) -> Array:
        """Return ``value(*arrays)``, with the derivative of ``simple(*arrays)``, which is the same sum."""
        del simple
        return value(*arrays)

    def records_alone(self, x: Array, *others: Array | None) -> bool:
        """Whether a graph records what is done to x, and to none of the others."""
        del x, others
        return False

    def tied(
        self,
        value: Callable[..., tuple[Array, ...]],
        gradient: Callable[..., Array],
        x: Array,
        *constants: Array | None,
    ) -> tuple[Array, ...]:
        """Return ``value(x, *constants)``; where a graph records x, ``gradient(g, x, *constants)`` is its gradient."""
        del gradient
        return value(x, *constants)

    def graph_inputs(self, arrays: Sequence[Array]) -> list[Array]:
        """Return arrays that record what is done to them; the caller's own are left as they are."""
        raise NotImplementedError

    def recording(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context in which the library records, whatever the caller's mode is."""
        raise NotImplementedError

    def graph_gradient(self, value: Array, arrays: Sequence[Array]) -> list[Array]:
        """Return the gradient of a recorded value; its graph stays whole for the caller's own backward pass."""
        raise NotImplementedError

    def without_inputs(self, value: Array, arrays: Sequence[Array], originals: Sequence[Array]) -> Array:
        """Return a value without the part of its graph that the caller did not ask for."""
        raise NotImplementedError

    def value_and_gradient(
        self, function: Callable[[list[Array]], tuple[Array, T]], arrays: Sequence[Array]
    ) -> tuple[Array, T, list[Array]]:
        """Return value, auxiliary output and gradient of ``function(arrays)``, from one forward pass."""
        raise NotImplementedError
