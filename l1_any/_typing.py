"""Type aliases: the array API standard has no static types of its own."""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

Array: TypeAlias = Any
"""An array of any library that follows the Python array API standard."""

ArrayTree: TypeAlias = Any
"""An array, or a list, tuple, mapping or other iterable of such trees."""

DType: TypeAlias = Any
Device: TypeAlias = Any
Namespace: TypeAlias = Any
Axis: TypeAlias = int | Sequence[int] | None
Reduction: TypeAlias = Literal["sum", "mean"]
