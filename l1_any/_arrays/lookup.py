"""Finds the operations for the type and dtype of an array. Callers pass them down instead of asking again."""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import array_api_compat as compat

from l1_any._typing import Array, Namespace

from . import containers
from .standard import ArrayOps


class Library(NamedTuple):
    """An array library that differs from the standard, and the class with the differences."""

    module: str
    """The module that defines the type of its arrays. The look-up never imports it."""
    array: str
    """The name of that type. It is empty if the module does not export the type; then all types of the module count."""
    ops: str
    """The subclass of `ArrayOps` for the library: ``"package.module:Class"``."""


LIBRARIES = [
    Library("numpy", "ndarray", "l1_any._arrays.numpy:NumpyOps"),
    Library("numpy", "generic", "l1_any._arrays.numpy:NumpyOps"),
    Library("torch.distributed.tensor", "DTensor", "l1_any._arrays.torch_dtensor:DTensorOps"),
    Library("torch", "Tensor", "l1_any._arrays.torch:TorchOps"),
    Library("torch.fx", "Proxy", "l1_any._arrays.torch_symbols:SymbolOps"),
    Library("jax", "Array", "l1_any._arrays.jax:JaxOps"),
    Library("dask.array", "Array", "l1_any._arrays.dask:DaskOps"),
    Library("cubed", "Array", "l1_any._arrays.cubed:CubedOps"),
    Library("cupy", "ndarray", "l1_any._arrays.cupy:CupyOps"),
    Library("array_api_strict", "", "l1_any._arrays.strict:StrictOps"),
]
"""Arrays of other libraries that follow the standard get `ArrayOps` itself."""

_TABLES: dict[type, dict[Any, ArrayOps] | None] = {}


def register(library: Library) -> None:
    """Add an array library. If two rows describe the same type, the later row is used."""
    LIBRARIES.insert(0, library)
    _TABLES.clear()


def unregister(library: Library) -> None:
    """Remove an array library that `register` added."""
    LIBRARIES.remove(library)
    _TABLES.clear()


@contextlib.contextmanager
def registered(library: Library) -> Iterator[None]:
    """Return a context in which an array library is added."""
    register(library)
    try:
        yield
    finally:
        unregister(library)


def find(x: Any) -> ArrayOps | None:
    """Return the operations for an array, or None if x is not an array."""
    kind = type(x)
    try:
        table = _TABLES[kind]
    except KeyError:
        table = _TABLES[kind] = _table_of(x)
    if table is None:
        return None
    dtype = x.dtype
    try:
        return table[dtype]
    except KeyError:
        ops = table[dtype] = _class_of(x).of(x)  # type: ignore[union-attr]
        return ops


def known(x: Array) -> ArrayOps:
    """Return the operations for an object that is known to be an array."""
    ops = find(x)
    if ops is None:
        raise TypeError(f"expected an array, got {type(x).__name__}.")
    return ops


def is_array(x: object) -> bool:
    """Whether x is an array of a library that follows the standard."""
    return find(x) is not None


def as_array(x: Array) -> Array:
    """Return a 0-d array for a NumPy scalar, and any other array unchanged."""
    return known(x).as_array(x)


def detach(x: Any) -> Any:
    """Return an array as a constant of automatic differentiation, and any other object unchanged."""
    ops = find(x)
    return x if ops is None else ops.detach(x)


def same_state(x: Array, ops: ArrayOps) -> ArrayOps:
    """Return the operations for an array that was computed from another one, in the state of the latter's `ops`."""
    if ops.dtype is None or x.dtype == ops.dtype:  # a symbol has no dtype
        return ops
    return known(x).sibling(ops.state, ops.accumulator_name, ops.place)


def wrapped(xp: Namespace) -> Namespace:
    """Return array-api-compat's namespace for a library given as itself."""
    name = getattr(xp, "__name__", None)
    if name not in ("numpy", "torch", "cupy", "dask.array"):
        return xp
    return importlib.import_module(f"array_api_compat.{name}")


def _table_of(x: Any) -> dict[Any, ArrayOps] | None:
    ops = _class_of(x)
    if ops is None or containers.instead_of(type(x)) or containers.is_wrapper(x):
        return None
    return ops.table()


def _imported(name: str) -> Any:
    """Import a module of a row.

    The first call may be inside `torch.compile(fullgraph=True)`: Dynamo executes import statements, but refuses
    `importlib.import_module`.
    """
    if name == "l1_any._arrays.torch":
        from . import torch as module

        return module
    return importlib.import_module(name)


def _class_of(x: Any) -> type[ArrayOps] | None:
    for row in LIBRARIES:
        module = sys.modules.get(row.module)
        if module is None:
            continue
        if row.array:
            is_own = isinstance(x, getattr(module, row.array, ()))
        else:
            is_own = type(x).__module__.partition(".")[0] == row.module and hasattr(x, "__array_namespace__")
        if is_own:
            where, _, name = row.ops.partition(":")
            found: type[ArrayOps] = getattr(_imported(where), name)
            return found
    # `hasattr` keeps lists from the cached look-up of array-api-compat: torch.compile warns of such caches.
    return ArrayOps if hasattr(x, "shape") and compat.is_array_api_obj(x) else None
