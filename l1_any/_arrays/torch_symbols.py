"""Symbols of torch.fx."""

from typing import Any, Self

import array_api_compat.torch as xp

from l1_any._typing import Array, DType

from .standard import ArrayOps
from .state import State
from .torch import TorchOps


class SymbolOps(TorchOps):
    """Operations for symbols of torch.fx: they record all operations, and have neither dtype nor shape."""

    @classmethod
    def of(cls, x: Array) -> Self:
        """Return the operations for all symbols."""
        del x
        return cls(xp=xp, dtype=None, dtype_name="float32", state=State.TRACED)

    @classmethod
    def table(cls) -> dict[Any, Self]:
        """Return a table with one object for all keys, because the dtype of a symbol is a symbol."""
        return _One(cls.of(None))

    def at(self, around: State | None, x: Array, *others: Array | None) -> Self:
        """Return these operations: a symbol has one state."""
        del around, x, others
        return self

    def zero(self, x: Array) -> Array:
        """Return 0.0 as a number."""
        del x
        return 0.0

    def cast(self, x: Array, dtype: DType) -> Array:
        """Record the cast."""
        return x.to(dtype)

    def result(self, x: Array) -> Array:
        """Return the symbol itself: its dtype is unknown, and counts as the dtype of results."""
        return x


class _One(dict[Any, Any]):
    def __init__(self, ops: ArrayOps) -> None:
        super().__init__()
        self._ops = ops

    def __getitem__(self, _: Any) -> Any:
        return self._ops
