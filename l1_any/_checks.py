"""What every public function asks of its arguments, with errors that name them."""

import math
import numbers
from collections.abc import Sequence
from typing import Any

from . import _array, _axes, _tree
from ._typing import Array, ArrayTree, Axes, Axis, Leaf, Namespace

_NUMBER_OR_ARRAY = "a number or an array"


def is_number(value: object) -> bool:
    """Whether value is a real number of Python's or NumPy's; a boolean is one, which `number` refuses."""
    return isinstance(value, numbers.Real)


def number(value: Any, name: str, accepted: str = "a number") -> float:
    """Return a strength, step, radius or weight as a float."""
    if isinstance(value, bool) or not is_number(value):
        raise TypeError(f"`{name}` must be {accepted}, got {type(value).__name__}.")
    try:
        out = float(value)
    except OverflowError:  # nor might it have a repr
        raise ValueError(f"`{name}` must be a finite number >= 0, got one beyond every float.") from None
    if not 0 <= out < math.inf:
        raise ValueError(f"`{name}` must be a finite number >= 0, got {value!r}.")
    return out


def ratio(value: Any, name: str) -> float:
    """Return a share as a float from 0 to 1."""
    share = number(value, name)
    if share > 1:
        raise ValueError(f"`{name}` must be a number from 0 to 1, got {value!r}.")
    return share


def step(
    value: Any,
    x: Array,
    name: str,
    xp: Namespace,
    reduced: tuple[int, ...] = (),
) -> Array | float:
    """Return a step or radius: a number is checked as such, an array by shape and dtype alone.

    The array broadcasts to x's shape, with length 1 along the reduced axes.
    """
    if is_number(value) or not _array.is_array(value):
        return number(value, name, _NUMBER_OR_ARRAY)
    value = _array.as_array(value)
    same_place(value, x, name, "x", xp)
    real_floating(value, name)
    _broadcastable(value, tuple(1 if axis in reduced else n for axis, n in enumerate(x.shape)), name)
    return value


def step_of_each(xs: Sequence[Array], value: Any, name: str, xp: Namespace) -> Array | float:
    """Return a step that fits every array."""
    first, *_ = [step(value, x, name, xp) for x in xs]
    return first


def radius(
    xs: Sequence[Array],
    value: Any,
    name: str,
    axis: int | None,
    xp: Namespace,
) -> Array | float:
    """Return the radius of vectors along an axis of one array, or of all arrays as one vector."""
    if axis is None and any(_array.extent(x) is None for x in xs):
        raise ValueError(
            "`x` must have known lengths to be one vector, got unknown ones; call its compute_chunk_sizes()."
        )
    x = xs[0]
    out = step(value, x, name, xp, tuple(range(x.ndim)) if axis is None else (axis,))
    return out if isinstance(out, float) or axis is not None else xp.reshape(out, ())


def some_groups(xs: Sequence[Array], groups: Sequence[tuple[int, ...]]) -> None:
    """Refuse the mean over what is known to hold no groups."""
    kept = [tuple(a for a in range(x.ndim) if a not in own) for x, own in zip(xs, groups, strict=True)]
    if all(_array.extent(x, a) == 0 for x, a in zip(xs, kept, strict=True)):
        raise ValueError('`x` has no groups: `reduce="mean"` needs at least one.')


def alike(
    tree: ArrayTree, xs: Sequence[Array], structure: _tree.Structure, name: str, xp: Namespace
) -> list[Array]:
    """Return the arrays of a tree that must be like x: structure, library, device, shapes and dtypes."""
    arrays = [tree] if structure is _tree.LEAF else _tree.match(tree, structure, name, "x")
    for array, x in zip(arrays, xs, strict=True):
        if not _array.is_array(array):
            raise TypeError(f"`{name}` must be an array like `x`, got {type(array).__name__}.")
        same_place(array, x, name, "x", xp)
        dense(array, name)
        got, to = (tuple(array.shape), array.dtype), (tuple(x.shape), x.dtype)
        if got != to:
            raise ValueError(
                f"`{name}` must have the shape and dtype of `x`, {to[0]} and {_array.dtype_name(to[1])}, "
                f"got {got[0]} and {_array.dtype_name(got[1])}."
            )
    return arrays


def is_mean(reduce: str) -> bool:
    """Whether ``reduce`` asks for a mean."""
    if reduce not in ("sum", "mean"):
        raise ValueError(f'`reduce` must be "sum" or "mean", got {reduce!r}.')
    return reduce == "mean"


def not_empty(leaves: Sequence[Leaf], axes: Axes) -> None:
    """Refuse the mean of what is known to hold no elements."""
    sizes = [_array.extent(leaf.x, axes) for leaf in leaves]
    if all(n == 0 for n in sizes):
        raise ValueError('`x` is empty: `reduce="mean"` needs at least one element.')


def reduction(
    leaves: Sequence[Leaf],
    structure: _tree.Structure,
    reduce: str,
    axis: Axis = None,
    *,
    keepdims: bool = False,
) -> tuple[Axes, bool]:
    """Return the axes, and whether ``reduce`` asks for a mean, which must be one of something."""
    named = _axes.of_array(axis, leaves[0].x, structure, keepdims=keepdims)
    mean = is_mean(reduce)
    if mean:
        not_empty(leaves, named)
    return named, mean


def leaves(
    x: ArrayTree,
    where: Any,
    weights: Any,
    xp: Namespace | None,
    name: str = "x",
) -> tuple[list[Leaf], _tree.Structure, Namespace]:
    """Return the arrays of x with their masks and weights, the structure they came in, their namespace."""
    arrays, structure = _tree.flatten(x, name)
    xp = one_namespace(arrays, name, xp)
    if structure is _tree.LEAF:
        masks, factors = [where], [weights]
    else:
        masks = _tree.match(where, structure, "where", name)
        alike = is_number(weights)
        factors = [weights] * len(arrays) if alike else _tree.match(weights, structure, "weights", name)
    rows = zip(arrays, masks, factors, strict=True)
    return [_leaf(array, mask, weight, name, xp) for array, mask, weight in rows], structure, xp


def one_namespace(arrays: Sequence[Array], name: str, xp: Namespace | None = None) -> Namespace:
    """Return the namespace of arrays that must share library and device and have a floating dtype."""
    if not arrays:
        raise ValueError(f"`{name}` must hold at least one array, got an empty structure.")
    first = arrays[0]
    found = _array.namespace(first)
    if xp is not None and _array.wrapped(xp) is not found:
        got = _array.library_name(xp)
        raise TypeError(f"`xp` must be the namespace of `{name}`, {_array.library_name(found)}, got {got}.")
    for array in arrays:
        floating(array, name)
        if array is not first:
            same_place(array, first, name, name, found)
    return found


def floating(x: Array, name: str) -> None:
    """Refuse what is not a dense array of a floating dtype."""
    dense(x, name)
    if not _array.is_floating(x):
        raise TypeError(
            f"`{name}` must have a real or complex floating dtype (float16, bfloat16, float32, float64, complex64, "
            f"complex128), got {_array.dtype_name(x.dtype)}; cast it first, for example to float32."
        )


def dense(x: Array, name: str) -> None:
    """Refuse an array whose elements are not all there to be read, or whose operators are its own."""
    reason = _array.why_unsupported(x)
    if reason:
        raise TypeError(f"`{name}` must be a dense array, got {reason}.")


def real_floating(x: Array, name: str) -> None:
    """Refuse what is not a dense array of a real floating dtype."""
    dense(x, name)
    if not _array.is_floating(x) or _array.is_complex(x):
        raise TypeError(
            f"`{name}` must have a real floating dtype, got {_array.dtype_name(x.dtype)}; cast it first."
        )


def real(leaves: Sequence[Leaf], why: str) -> None:
    """Refuse complex arrays where an option needs an order."""
    for leaf in leaves:
        if _array.is_complex(leaf.x):
            got = _array.dtype_name(leaf.x.dtype)
            raise TypeError(f"`x` must be real with `{why}`, got {got}; pass its real part.")


def same_place(a: Array, x: Array, name: str, of: str, xp: Namespace) -> None:
    """Refuse an array of another library or device than x."""
    whose = "the first array" if name == of else f"`{of}`"
    if _array.namespace(a) is not xp:
        library, got = _array.library_name(xp), _array.library_name(_array.namespace(a))
        raise TypeError(f"`{name}` must be of the library of {whose}, {library}, got {got}.")
    here, there = _array.devices(x), _array.devices(a)
    if here is not None and there is not None and here != there:
        raise ValueError(f"`{name}` must be on the device of {whose}, {here}, got {there}.")


def broadcastable(a: Array, x: Array, name: str, of: str = "x") -> None:
    """Refuse a shape that does not broadcast to x's own."""
    _broadcastable(a, tuple(x.shape), name, of)


def _broadcastable(a: Array, to: tuple[int, ...], name: str, of: str = "x") -> None:
    shape = tuple(a.shape)
    pairs = zip(shape[::-1], to[::-1], strict=False)
    if len(shape) > len(to) or any(all(map(_array.is_known, (n, m))) and n not in (1, m) for n, m in pairs):
        raise ValueError(f"`{name}` must broadcast to the shape {to}, given by `{of}`, got shape {shape}.")


def _leaf(x: Array, where: Any, weights: Any, name: str, xp: Namespace) -> Leaf:
    if where is not None:
        if not _array.is_array(where):
            raise TypeError(f"`where` must be a boolean array or None, got {type(where).__name__}.")
        same_place(where, x, "where", name, xp)
        dense(where, "where")
        if not _array.is_boolean(where):
            got = _array.dtype_name(where.dtype)
            raise TypeError(
                f"`where` must have the boolean dtype, got {got}; compare first, as in `where != 0`."
            )
        broadcastable(where, x, "where", name)
    if weights is None:
        return Leaf(x, where)
    if is_number(weights) or not _array.is_array(weights):
        return Leaf(x, where, factor=number(weights, "weights", _NUMBER_OR_ARRAY))
    same_place(weights, x, "weights", name, xp)
    real_floating(weights, "weights")
    broadcastable(weights, x, "weights", name)
    return Leaf(x, where, weights)
