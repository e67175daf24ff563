"""Pytrees of arrays: what holds arrays, nested, to a list of them and back."""

import copy
import dataclasses
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from l1_any._arrays import containers
from l1_any._arrays.containers import Attribute, Node
from l1_any._arrays.lookup import find
from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array, ArrayTree

from .hints import hint


class Treedef(NamedTuple):
    """The structure of a pytree: the names of its children, and a function that builds the container from them."""

    build: Callable[[list[Any]], Any] | None = None  # None for a leaf
    keys: tuple[Any, ...] | None = ()  # None for an object that wraps its only child
    children: tuple["Treedef", ...] = ()


LEAF = Treedef()
NOTHING = Treedef(lambda _: None)
"""A None in the place of an array, which stays None."""


def flatten(tree: ArrayTree, name: str) -> tuple[list[Array], list[ArrayOps], Treedef]:
    """Return the arrays in the order of iteration, the operations for each, and the structure of the pytree."""
    leaves: list[Array] = []
    kinds: list[ArrayOps] = []
    return leaves, kinds, _flatten(tree, name, leaves, kinds, ())


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


def names(treedef: Treedef, name: str) -> Iterator[str]:
    """Name each leaf of a pytree, as in ``x['w'][0]``."""
    if treedef is LEAF:
        yield name
    keys = [None] if treedef.keys is None else treedef.keys
    for key, child in zip(keys, treedef.children, strict=True):
        yield from names(child, name if key is None else _path(name, key))


def _flatten(
    tree: ArrayTree,
    path: str,
    leaves: list[Array],
    kinds: list[ArrayOps],
    above: tuple[Any, ...],
) -> Treedef:
    if any(tree is container for container in above):
        raise TypeError(f"`{path}` must not contain itself, got a {type(tree).__name__} that does.")
    ops = find(tree)
    if ops is not None:
        leaves.append(tree)
        kinds.append(ops)
        return LEAF
    keys, values, build = _children(tree, path)
    children = []
    for key, value in zip((None,) if keys is None else keys, values, strict=True):
        ops = find(value)
        if ops is not None:
            leaves.append(value)
            kinds.append(ops)
            children.append(LEAF)
        elif value is None:
            children.append(NOTHING)
        else:
            inner = path if keys is None else _path(path, key)
            children.append(_flatten(value, inner, leaves, kinds, (*above, tree)))
    return Treedef(build, keys, tuple(children))


def _children(
    tree: Any, path: str
) -> tuple[tuple[Any, ...] | None, Iterable[Any], Callable[[list[Any]], Any]]:
    """Return the keys of a container, or None for a wrapper, its children, and how to build it from others."""
    if containers.is_wrapper(tree):
        node = containers.opened(tree)
        if node is None or len(node.children) != 1:
            return None, [containers.unwrapped(tree)], lambda values: values[0]
        return None, node.children, node.build
    node = _opened(tree)
    if node is None:
        raise TypeError(
            f"`{path}` must be an array of an array API library (NumPy, PyTorch, CuPy, JAX, Dask, Cubed), or a list, "
            f"tuple, mapping or other pytree or iterable of such arrays, got {type(tree).__name__}{hint(tree)}."
        )
    return node


def _opened(tree: Any) -> Node | None:
    """Return the children of a container, or None for another object."""
    kind = type(tree)
    if kind in (dict, OrderedDict, defaultdict):
        return _of_mapping(tree)
    if kind in (list, tuple) or (isinstance(tree, tuple) and hasattr(tree, "_make")):
        return _of_sequence(tree)
    if isinstance(tree, str | bytes) or tree is None or containers.instead_of(kind):
        return None
    return containers.opened(tree) or _of_unknown(tree)


def _of_unknown(tree: Any) -> Node | None:
    """Return the children of a container that no loaded library knows as a pytree."""
    if isinstance(tree, Mapping):
        return _of_mapping(tree)
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        return _of_dataclass(tree)
    if not isinstance(tree, Iterable):
        return None
    keys = getattr(tree, "keys", None)
    if keys is not None and hasattr(tree, "__getitem__"):  # such as torch.nn.ParameterDict
        return _of_mapping({key: tree[key] for key in keys()})
    return _of_sequence(tree)


def _of_mapping(tree: Mapping[Any, Any]) -> Node:
    keys = tuple(tree)

    def build(values: list[Any]) -> Any:
        pairs = zip(keys, values, strict=True)
        if type(tree) is dict or not isinstance(tree, MutableMapping):
            own = dict(pairs)
            return MappingProxyType(own) if isinstance(tree, MappingProxyType) else own
        out = copy.copy(tree)
        out.update(pairs)
        return out

    return Node(keys, list(tree.values()), build)


def _of_sequence(tree: Iterable[Any]) -> Node:
    values = list(tree)
    if isinstance(tree, tuple):
        if len(values) == 2 and isinstance(values[0], str):  # noqa: PLR2004 - a name and an array
            return Node((values[0],), values[1:], lambda own: (values[0], own[0]))
        make = getattr(tree, "_make", tuple)  # a named tuple keeps its type
        return Node(tuple(range(len(values))), values, make)
    return Node(tuple(range(len(values))), values, list)


def _of_dataclass(tree: Any) -> Node:
    keys = tuple([Attribute(field.name) for field in dataclasses.fields(tree)])

    def build(values: list[Any]) -> Any:
        out = copy.copy(tree)
        for key, value in zip(keys, values, strict=True):
            object.__setattr__(out, key, value)  # frozen ones too
        return out

    return Node(keys, [getattr(tree, key) for key in keys], build)


def _path(path: str, key: Any) -> str:
    return f"{path}.{key}" if isinstance(key, Attribute) else f"{path}[{key!r}]"


def _unflatten(treedef: Treedef, leaves: Iterator[Any]) -> Any:
    if treedef.build is None:
        return next(leaves)
    return treedef.build([_unflatten(child, leaves) for child in treedef.children])


def _match(tree: Any, treedef: Treedef, path: str, of: str, leaves: list[Any]) -> None:
    if treedef.keys is None:
        _match(containers.unwrapped(tree), treedef.children[0], path, of, leaves)
        return
    if treedef.build is None or tree is None:
        leaves.extend([containers.unwrapped(tree)] * _count(treedef))
        return
    if treedef is NOTHING:
        return
    keys, values = _named(tree)
    if set(keys) != set(treedef.keys):
        raise ValueError(
            f"`{path}` must have the structure of `{of}`, with {list(treedef.keys)} here, got "
            f"{list(keys) if keys else type(tree).__name__}."
        )
    by_key = dict(zip(keys, values, strict=True))
    for key, child in zip(treedef.keys, treedef.children, strict=True):
        _match(by_key[key], child, _path(path, key), of, leaves)


def _named(tree: Any) -> tuple[Sequence[Any], Iterable[Any]]:
    node = None if find(tree) is not None else _opened(tree)
    return ([], []) if node is None else (node.keys, node.children)


def _count(treedef: Treedef) -> int:
    return 1 if treedef.build is None else sum(map(_count, treedef.children))
