"""The table of kernels, by formula, library, place and dtype. Only `_run.plan` calls it."""

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

from l1_any._arrays.standard import ArrayOps


class Row(NamedTuple):
    """A kernel, and the formula that it must match."""

    operation: str
    """The name that `_run` gives to `plan.kernel` or `plan.reduce`."""
    library: str
    places: tuple[str, ...]
    dtypes: tuple[str, ...]
    function: str
    """The kernel, ``"l1_any._kernels.module:function"``. All kernels of an operation have the same arguments."""


ROWS = (
    Row(
        "soft_threshold",
        "torch",
        ("cpu", "cuda"),
        ("float32", "float64"),
        "l1_any._kernels.torch_native:soft_threshold",
    ),
    Row(
        "sum_of_magnitudes",
        "torch",
        ("cuda",),
        ("float16", "bfloat16", "float32"),
        "l1_any._kernels.torch_native:sum_of_magnitudes",
    ),
)

BY_KEY = {
    (row.operation, row.library, place, dtype): row
    for row in ROWS
    for place in row.places
    for dtype in row.dtypes
}
OPERATIONS = {
    key[1:3]: {operation for operation, *place, _ in BY_KEY if (*place,) == key[1:3]} for key in BY_KEY
}
"""The operations for which a library may have a kernel in a place."""

_LOADED: dict[str, Callable[..., Any]] = {}


def find(operation: str, ops: ArrayOps) -> Callable[..., Any] | None:
    """Return the kernel of a formula for plain arrays, or None if the formula has none."""
    row = BY_KEY.get((operation, ops.library, ops.place, ops.dtype_name))
    if row is None:
        return None
    if row.function not in _LOADED:
        module, _, name = row.function.partition(":")
        _LOADED[row.function] = getattr(importlib.import_module(module), name)
    return _LOADED[row.function]
