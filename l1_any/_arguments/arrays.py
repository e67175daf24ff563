"""Checks of one array: it must be dense, have an accepted dtype, and fit another array."""

from collections.abc import Sequence
from typing import Any

from l1_any._arrays import containers
from l1_any._arrays.description import library_name
from l1_any._arrays.lookup import find, wrapped
from l1_any._arrays.shapes import is_known
from l1_any._arrays.standard import ArrayOps
from l1_any._arrays.state import State
from l1_any._typing import Array, Namespace


def floating(ops: ArrayOps, name: str, *, is_alone: bool = True) -> None:
    """Raise an error for an array, alone or in a pytree, that is not dense or has no floating dtype."""
    dense(ops, name)
    if not ops.is_floating:
        leave_out = "" if is_alone else f", or leave it out{ops.counters}"
        raise TypeError(
            f"`{name}` must have a real or complex floating dtype (float16, bfloat16, float32, float64, complex64, "
            f"complex128), got {ops.dtype_name}; cast it first, for example to {cast_of(ops.dtype_name)}{leave_out}."
        )


def cast_of(name: str) -> str:
    """Name an accepted dtype to cast to, which keeps the imaginary part of a complex number."""
    if name == "complex32":
        return "complex64"
    return "complex128" if name.startswith(("complex", "clongdouble")) else "float32"


def real_floating(ops: ArrayOps, name: str) -> None:
    """Raise an error for an array that is not dense or has no real floating dtype."""
    dense(ops, name)
    if not ops.is_floating or ops.is_complex:
        raise TypeError(f"`{name}` must have a real floating dtype, got {ops.dtype_name}; cast it first.")


def number_array(x: Array, ops: ArrayOps, name: str, other: ArrayOps) -> Array:
    """Return real floating numbers, or a 0-d array of an integer in the dtype of results; raise an error for others."""
    dense(ops, name)
    if not ops.is_floating and not x.ndim and ops.is_integer:
        return other.cast(x, other.result_dtype)
    real_floating(ops, name)
    return x


def boolean(x: Any, name: str, like: Array, other: ArrayOps, of: str) -> Array:
    """Return a mask, unwrapped; raise an error for an object that is not a mask for the array `like`."""
    ops = find(x)
    if ops is None:
        x = containers.unwrapped(x)
        ops = find(x)
    if ops is None:
        raise TypeError(f"`{name}` must be a boolean array or None, got {type(x).__name__}.")
    same_place(x, ops, like, other, name=name, of=of)
    dense(ops, name)
    if not ops.is_boolean:
        raise TypeError(
            f"`{name}` must have the boolean dtype, got {ops.dtype_name}; compare first, as in `{name} != 0`."
        )
    broadcastable(x, tuple(like.shape), name, of)
    return x


def dense(ops: ArrayOps, name: str) -> None:
    """Raise an error for an array that is not dense, such as a sparse, masked or nested one."""
    if ops.refused:
        raise TypeError(f"`{name}` must be a dense array, got {ops.refused}.")


def beside(ops: ArrayOps, around: State | None, names: Sequence[str], *arrays: Array | None) -> ArrayOps:
    """Return the operations for the first array in the state of the call; raise an error if an array is not dense."""
    if ops.has_one_state:
        return ops
    own = ops.at(around, *arrays)
    if own.refused:
        for name, a in zip(names, arrays, strict=True):
            kind = find(a)
            if kind is not None:
                dense(kind.at(around, a), name)
    return own


def same_place(a: Array, own: ArrayOps, x: Array, other: ArrayOps, *, name: str, of: str) -> None:
    """Raise an error if a and x differ in library or device; `own` and `other` are their operations."""
    if own.xp is not other.xp:
        raise TypeError(
            f"`{name}` must be of the library of `{of}`, {other.library_name}, got {own.library_name}."
        )
    if own.has_shards or other.has_shards:
        if not (a.ndim or own.has_shards):
            return  # a number is the same in all processes
        why = other.refuses(own, name)
        if why:
            raise TypeError(f"`{name}` must be placed as `{of}` is, got {why}.")
    if other.has_one_device:
        return
    here, there = other.devices(x), own.devices(a)
    if here is not None and there is not None and here != there:
        raise ValueError(f"`{name}` must be on the device of `{of}`, {here}, got {there}.")


def broadcastable(a: Array, to: tuple[int, ...], name: str, of: str = "x") -> None:
    """Raise an error if the shape of a does not broadcast to the shape `to`."""
    shape = tuple(a.shape)
    fits = len(shape) <= len(to)
    for n, m in zip(shape[::-1], to[::-1], strict=False):
        if n not in (1, m) and is_known(n) and is_known(m):
            fits = False
    if not fits:
        raise ValueError(f"`{name}` must broadcast to the shape {to}, given by `{of}`, got shape {shape}.")


def of_namespace(ops: ArrayOps, xp: Namespace, name: str) -> None:
    """Raise an error if `xp` is not the namespace of the arrays."""
    if wrapped(xp) is not ops.xp:
        raise TypeError(
            f"`xp` must be the namespace of `{name}`, {ops.library_name}, got {library_name(xp)}."
        )
