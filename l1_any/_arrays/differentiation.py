"""The default for automatic differentiation: the library has none, and every array is a constant."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, TypeVar

from l1_any._typing import Array

T = TypeVar("T")


class NotConnectedError(ValueError):
    """A value that automatic differentiation cannot trace back to the input arrays."""


class Differentiation:
    """Questions about automatic differentiation, with the answers for a library that has none."""

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
        """Return ``value(*arrays)`` with the derivative of ``simple(*arrays)``. Both compute the same sum."""
        del simple
        return value(*arrays)

    def records_alone(self, x: Array, *others: Array | None) -> bool:
        """Whether an autograd graph records the operations on x, but not the operations on the other arrays."""
        del x, others
        return False

    def tied(
        self,
        value: Callable[..., tuple[Array, ...]],
        gradient: Callable[..., Sequence[Array]],
        count: int,
        *arrays: Array | None,
    ) -> tuple[Array, ...]:
        """Return ``value(*arrays)``; its first item has the gradients ``gradient(g, *arrays)`` for the first arrays.

        ``count`` is the number of arrays that have a gradient, if a graph records them; the others are constants.
        """
        del gradient, count
        return value(*arrays)

    def graph_inputs(self, arrays: Sequence[Array]) -> list[Array]:
        """Return arrays that record the operations on them. The caller's own arrays are not changed."""
        raise NotImplementedError

    def why_not_recording(self) -> str:
        """Say why the library could not record operations now, even in the context of `recording`; "" if it could."""
        return ""

    def recording(self) -> contextlib.AbstractContextManager[Any]:
        """Return a context in which the library records operations, even if the caller's mode does not."""
        raise NotImplementedError

    def graph_gradient(self, value: Array, arrays: Sequence[Array]) -> list[Array]:
        """Return the gradient of a recorded value. Its graph is kept for the caller's own backward pass."""
        raise NotImplementedError

    def without_inputs(self, value: Array, arrays: Sequence[Array], originals: Sequence[Array]) -> Array:
        """Return a value without the part of its graph that the caller did not ask for."""
        raise NotImplementedError

    def value_and_gradient(
        self, function: Callable[[list[Array]], tuple[Array, T]], arrays: Sequence[Array]
    ) -> tuple[Array, T, list[Array]]:
        """Return value, auxiliary output and gradient of ``function(arrays)``, from one forward pass."""
        raise NotImplementedError
