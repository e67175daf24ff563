"""What to pass in the place of a value that is neither an array nor a pytree of arrays.

Types are recognized by the names of their modules and by their methods, so that no library is imported or named.
"""

import numbers
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from l1_any._typing import Array

_FRAMES = ("modin", "pandas", "polars", "pyarrow", "xarray")


def hint(value: object) -> str:
    """Return the end of an error, such as "; pass `np.asarray` of it", or "" for a container of arrays.

    A frame or a series would iterate over its labels or numbers, so it counts as no container.
    """
    if isinstance(value, list | tuple | Mapping | Iterator | str | bytes):
        return ""
    if isinstance(value, numbers.Number):
        return "; make an array of numbers first, by `np.asarray`"
    modules = {cls.__module__.partition(".")[0] for cls in type(value).__mro__}
    if modules.intersection(_FRAMES):
        return "; pass `np.asarray` of it"
    if not isinstance(value, Iterable) and hasattr(value, "named_parameters"):
        return "; pass the model's `parameters()`"
    return ""


def why_empty(tree: object) -> str:
    """Return the end of an error for a pytree without arrays: an iterator gives its arrays only once."""
    return (
        "an iterator without arrays; was it already consumed?"
        if isinstance(tree, Iterator)
        else "an empty structure"
    )


def path(tree: Any, array: Array, name: str, index: int) -> str:
    """Return the path of an array in a pytree, such as ``x['enc'][3]``. ``index`` is its place among all arrays."""
    return _path(tree, array, name) or f"{name}[{index}]"


def _path(tree: Any, array: Array, here: str) -> str | None:
    if tree is array:
        return here
    if isinstance(tree, Mapping):
        children: Iterable[tuple[Any, Any]] = tree.items()
    elif isinstance(tree, list | tuple):
        children = enumerate(tree)
    else:
        return None
    for key, child in children:
        found = _path(child, array, f"{here}[{key!r}]")
        if found:
            return found
    return None
