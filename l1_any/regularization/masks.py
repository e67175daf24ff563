"""Masks that name a field of the data: which entries of the field count."""

from typing import Any, NamedTuple

import numpy as np

from l1_any._arrays.lookup import find
from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array


class FieldMask(NamedTuple):
    """The entries of a field that are not one value."""

    key: str
    ignored: int | None = None
    """The value that does not count. None if the user named none: then it is 0."""

    def of(self, field: Array, ops: ArrayOps, name: str) -> Array:
        """Return the mask for the field of one example."""
        if self.ignored is None:
            return field if ops.is_boolean else field != ops.zero(field)
        if ops.is_boolean:
            raise TypeError(
                f"{name} must be numbers to ignore {self.ignored!r}, got booleans; name the field alone."
            )
        return field != self.ignored


def named(where: Any) -> FieldMask | None:
    """Return the mask for ``"key"`` or ``("key", value)``, or None if ``where`` names no field."""
    if isinstance(where, str):
        return FieldMask(where)
    if not isinstance(where, tuple) or not where or not isinstance(where[0], str):
        return None
    match where:
        case (str(key), (int() | np.integer()) as ignored) if not isinstance(ignored, bool):
            return FieldMask(key, int(ignored))
    raise TypeError(f"`where` must be a field, or a pair (field, integer to ignore), got {where!r}.")


def refuse_negative(field: Any, name: str, key: str) -> None:
    """Raise an error for a mask of integers with negative entries, such as labels with padding.

    Only values in the host's memory are looked at, so that nothing waits for a device. JAX's arrays are not, on a CPU
    either: they may still be being computed.
    """
    values = _in_host_memory(field)
    if values is None or values.dtype.kind != "i" or not values.size:
        return
    least = int(values.min())
    if least < 0:
        raise ValueError(
            f"{name} must hold no negative numbers as a mask, got {least}: each entry that is not 0 would count, "
            f"padding too. Pass `{key} != {least}` as a field of its own, or `where=({key!r}, {least})`."
        )


def _in_host_memory(field: Any) -> np.ndarray[Any, Any] | None:
    if isinstance(field, list | tuple):
        return np.asarray(field)
    if find(field) is None and hasattr(field, "to_numpy"):
        field = field.to_numpy()
    ops = find(field)
    if ops is None:
        return None
    own = ops.at(ops.around(), field)
    return own.to_host(field) if own.place == "cpu" and own.is_plain and not own.refused else None
