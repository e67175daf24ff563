"""What holds arrays: the pytrees that libraries know, objects that wrap one array, and matrices that are no pytree.

The registries of JAX, optree and torch are asked where these libraries are loaded. No library is imported here.
"""

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Attribute(str):
    """The name of a child that is an attribute and no item."""

    __slots__ = ()


class Node(NamedTuple):
    """A container, one level deep."""

    keys: tuple[Any, ...]
    children: Sequence[Any]
    build: Callable[[list[Any]], Any]
    """Make a container of the same type from other children."""


def opened(x: Any) -> Node | None:
    """Return the children of an object that a loaded library knows as a pytree, or None."""
    for name, open_by in _REGISTRIES.items():
        module = sys.modules.get(name)
        if module is not None:
            node = open_by(module, x)
            if node is not None:
                return node
    return None


def _by_jax(jax: Any, x: Any) -> Node | None:
    if jax.tree_util.default_registry.flatten_one_level(x) is None:  # `tree_flatten` warns of iterables
        return None
    pairs, treedef = jax.tree_util.tree_flatten_with_path(x, is_leaf=lambda child: child is not x)
    keys = tuple([_key(path[0]) for path, _ in pairs])
    return Node(keys, [child for _, child in pairs], functools.partial(jax.tree_util.tree_unflatten, treedef))


def _by_torch(torch: Any, x: Any) -> Node | None:
    # torch has no public module for pytrees: https://github.com/pytorch/pytorch/issues/65761. Without this one the
    # pytrees that only torch knows are unknown here.
    pytree = getattr(torch.utils, "_pytree", None)
    if pytree is None:
        return None
    pairs, treedef = pytree.tree_flatten_with_path(x, is_leaf=lambda child: child is not x)
    if treedef.is_leaf():
        return None
    keys = tuple([_key(path[0]) for path, _ in pairs])
    return Node(keys, [child for _, child in pairs], lambda values: pytree.tree_unflatten(values, treedef))


def _by_optree(optree: Any, x: Any) -> Node | None:
    if optree.tree_is_leaf(x, none_is_leaf=True):
        return None
    one = optree.tree_flatten_one_level(x, none_is_leaf=True)
    keys = tuple([Attribute(key) if hasattr(x, str(key)) else key for key in one.entries])
    return Node(keys, list(one.children), lambda values: one.unflatten_func(one.metadata, values))


_REGISTRIES: dict[str, Callable[[Any, Any], Node | None]] = {
    "jax": _by_jax,
    "optree": _by_optree,
    "torch": _by_torch,
}


def _key(entry: Any) -> Any:
    """Return the key or index in an entry of a path, and the name of an attribute as such."""
    if hasattr(entry, "name"):
        return Attribute(entry.name)
    return entry.key if hasattr(entry, "key") else entry.idx


_WRAPPERS = {"flax.nnx": "Variable", "keras": "Variable"}


def is_wrapper(x: Any) -> bool:
    """Whether an object wraps one array and can be unwrapped without loss."""
    for name, kind in _WRAPPERS.items():
        module = sys.modules.get(name)
        if module is not None and isinstance(x, getattr(module, kind, ())):
            return True
    return False


def unwrapped(x: Any) -> Any:
    """Return the array in an object that wraps one, and any other object unchanged."""
    while is_wrapper(x):
        x = x.get_value() if hasattr(x, "get_value") else x.value
    return x


_REFUSED = {
    "scipy.sparse": "its `.toarray()`",
    "cupyx.scipy.sparse": "its `.toarray()`",
    "jax.experimental.sparse": "its `.todense()`",
    "sparse": "its `.todense()`",
    "xarray": "its `.data`",
    "pint": "its `.magnitude`",
    "pandas": "its `.to_numpy()`",
    "modin": "its `.to_numpy()`",
    "pyarrow": "its `.to_numpy()`",
    "polars": "its `.to_numpy()`",
    "torch.masked": "its `.get_data()`, with `where=x.get_mask()`",
}


_ADVICE: dict[type, str] = {}


def instead_of(kind: type) -> str:
    """Say what to pass instead of a matrix or a frame that looks like an array or a container. "" for other types."""
    try:
        return _ADVICE[kind]
    except KeyError:
        advice = _ADVICE[kind] = _instead_of(kind)
        return advice


def _instead_of(kind: type) -> str:
    for base in kind.__mro__:
        for module, advice in _REFUSED.items():
            if base.__module__ == module or base.__module__.startswith(f"{module}."):
                return advice
    return ""
