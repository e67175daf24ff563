"""Static types. The array API standard does not define any."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypeVar

if TYPE_CHECKING:
    from ._arrays.standard import ArrayOps

Array: TypeAlias = Any
"""An array of any library that follows the Python array API standard."""

ArrayTree: TypeAlias = Any
"""An array, or a list, tuple, mapping or other iterable of such trees."""

Tree = TypeVar("Tree")
"""The static type of an array or pytree of arrays, for functions that return what they were given.

It says which array class, list, tuple or mapping comes back. It is too narrow for an iterator, which comes back as a
list, and for the dtype of `subdiff_distance`, whose results are real.
"""

DType: TypeAlias = Any
Device: TypeAlias = Any
Namespace: TypeAlias = Any
Axis: TypeAlias = int | Sequence[int] | None
Reduction: TypeAlias = Literal["sum", "mean"]
Axes: TypeAlias = tuple[int, ...] | None
"""Checked axes, each >= 0; None for all of every array."""


class Leaf(NamedTuple):
    """An array of a pytree, with its operations, its mask and its weights."""

    x: Array
    ops: "ArrayOps"
    where: Array | None = None
    weights: Array | None = None
    factor: float | None = None  # a weight that is a number
