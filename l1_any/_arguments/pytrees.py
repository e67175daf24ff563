"""Pytrees of arrays: lists, tuples, mappings and other iterables, nested."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from l1_any._arrays.lookup import find, is_array
from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array, ArrayTree

from .hints import hint


class Treedef(NamedTuple):
    """The structure of a pytree: the names of its children, and a function that builds the container from them."""

    build: Callable[[list[Any]], Any] | None = None  # None for a leaf
    keys: tuple[Any, ...] = ()
    children: tuple["Treedef", ...] = ()


LEAF = Treedef()


def flatten(tree: ArrayTree, name: str) -> tuple[list[Array], list[ArrayOps], Treedef]:
    """Return the arrays in the order of iteration, the operations for each, and the structure of the pytree."""
    leaves: list[Array] = []
    kinds: list[ArrayOps] = []
    return leaves, kinds, _flatten(tree, name, leaves, kinds)


def unflatten(treedef: Treedef, leaves: Iterable[Any]) -> Any:
    """Build a pytree from leaves. An iterable that is not a known container comes back as a list."""
    if treedef is LEAF:
        (leaf,) = leaves
        return leaf
    return _unflatten(treedef, iter(leaves))


def match(tree: Any, treedef: Treedef, name: str, of: str) -> list[Any]:
    """Return the value in ``tree`` for each leaf of a pytree. A None applies to all leaves below it."""
    leaves: list[Any] = []
    _match(tree, treedef, name, of, leaves)
    return leaves


def _flatten(tree: ArrayTree, path: str, leaves: list[Array], kinds: list[ArrayOps]) -> Treedef:
    ops = find(tree)
    if ops is not None:
        leaves.append(tree)
        kinds.append(ops)
        return LEAF
    keys, values, build = _children(tree, path)
    children = []
    for key, value in zip(keys, values, strict=True):
        ops = find(value)
        if ops is None:
            children.append(_flatten(value, f"{path}[{key!r}]", leaves, kinds))
        else:
            leaves.append(value)
            kinds.append(ops)
            children.append(LEAF)
    return Treedef(build, keys, tuple(children))


def _children(tree: Any, path: str) -> tuple[tuple[Any, ...], Iterable[Any], Callable[[list[Any]], Any]]:
    if isinstance(tree, Mapping):
        keys = tuple(tree)
        return keys, tree.values(), lambda values: dict(zip(keys, values, strict=True))
    advice = hint(tree)
    if advice or isinstance(tree, str | bytes) or not isinstance(tree, Iterable):
        raise TypeError(
            f"`{path}` must be an array of an array API library (NumPy, PyTorch, CuPy, JAX, Dask), or a list, "
            f"tuple, mapping or other iterable of such arrays, got {type(tree).__name__}{advice}."
        )
    values = list(tree)
    build: Callable[[list[Any]], Any] = list
    if isinstance(tree, tuple):
        make = getattr(tree, "_make", None)  # a named tuple keeps its type
        build = tuple if make is None else make
    return tuple(range(len(values))), values, build


def _unflatten(treedef: Treedef, leaves: Iterator[Any]) -> Any:
    if treedef.build is None:
        return next(leaves)
    return treedef.build([_unflatten(child, leaves) for child in treedef.children])


def _match(tree: Any, treedef: Treedef, path: str, of: str, leaves: list[Any]) -> None:
    if treedef.build is None or tree is None:
        leaves.extend([tree] * _count(treedef))
        return
    keys, values = _named(tree)
    if set(keys) != set(treedef.keys):
        raise ValueError(
            f"`{path}` must have the structure of `{of}`, with {list(treedef.keys)} here, got "
            f"{list(keys) if keys else type(tree).__name__}."
        )
    by_key = dict(zip(keys, values, strict=True))
    for key, child in zip(treedef.keys, treedef.children, strict=True):
        _match(by_key[key], child, f"{path}[{key!r}]", of, leaves)


def _named(tree: Any) -> tuple[Sequence[Any], Iterable[Any]]:
    if isinstance(tree, Mapping):
        return list(tree), tree.values()
    if is_array(tree) or isinstance(tree, str | bytes) or not isinstance(tree, Iterable):
        return [], []
    values = list(tree)
    return range(len(values)), values


def _count(treedef: Treedef) -> int:
    return 1 if treedef.build is None else sum(map(_count, treedef.children))
