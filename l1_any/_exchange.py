"""Moves values between array libraries, and to Python."""

from collections.abc import Mapping
from typing import Any

from . import _array
from ._typing import Array, Namespace


def is_convertible(value: object) -> bool:
    """Whether a value is an array, or an object that turns into one."""
    return _array.is_array(value) or hasattr(value, "to_torch") or hasattr(value, "to_numpy")


def bring(value: Any, like: Array, xp: Namespace) -> Array:
    """Return a value as an array of the library and device of another array.

    An array of the same library keeps its dtype. All else passes through NumPy; of that, what is floating
    takes the result dtype of ``like``.
    """
    if _array.autodiff(like) == "torch" and hasattr(value, "to_torch"):
        value = value.to_torch()
    if _array.is_array(value) and _array.namespace(value) is xp:
        here, there = _array.devices(like), _array.devices(value)
        if here is None or there is None or here == there:
            return _array.as_array(value)
        return _array.to_device(value, like)
    if not _array.is_array(value):
        value = _unwrapped(value)
    if _array.is_array(value) and _array.is_chunked(value):
        raise TypeError("a Dask array beside logprobs of another library; compute it first")
    host = _array.to_host(value)
    if host.dtype.kind not in "biufc":
        raise TypeError(f"values of dtype {host.dtype}, which are not numbers")
    if host.dtype.kind == "f":
        host = host.astype(_array.result_dtype_name(like), copy=False)
    return xp.asarray(host, device=_array.device(like))


def to_floats(tree: Any) -> Any:
    """Bring a nest of 0-d arrays to Python floats.

    Parameters
    ----------
    tree : 0-d array or nest of them
        Mappings, lists and tuples, nested; numbers and None among the arrays are kept.

    Returns
    -------
    float or nest of floats
        In the structure of ``tree``: mappings come back as dicts, sequences as lists.

    Raises
    ------
    TypeError
        Something else in the nest.
    ValueError
        An array with more than one element.

    Notes
    -----
    The arrays are stacked on their devices: one transfer for each device (and each dtype class), whatever
    their number. This waits for the device, and computes what is lazy.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> penalty, metrics = l1.L1Regularizer().compute(None, np.asarray([-0.5, -1.0]))
    >>> l1.to_floats(metrics)
    {'l1_raw': 1.5, 'l1_mean': 0.75}
    """
    arrays: list[Array] = []
    nest = _collect(tree, "tree", arrays)
    places: dict[Any, list[int]] = {}
    arrays = [_widest(x) for x in arrays]
    for i, x in enumerate(arrays):
        xp = _array.namespace(x)
        places.setdefault((xp.__name__, str(_array.devices(x)), _array.dtype_name(x.dtype)), []).append(i)
    floats = [0.0] * len(arrays)
    for indices in places.values():
        xp = _array.namespace(arrays[indices[0]])
        stacked = xp.stack([xp.reshape(arrays[i], ()) for i in indices])
        for i, number in zip(indices, _array.to_host(stacked).tolist(), strict=True):
            floats[i] = float(number)
    return _filled(nest, floats)


def _widest(x: Array) -> Array:
    real = _array.is_floating(x) and not _array.is_complex(x)
    return _array.widest(_array.detach(x), _array.namespace(x)) if real else x


class _Slot:
    """The place of an array in the nest."""

    def __init__(self, index: int) -> None:
        self.index = index


def _collect(tree: Any, path: str, arrays: list[Array]) -> Any:
    if tree is None or isinstance(tree, int | float):
        return None if tree is None else float(tree)
    if _array.is_array(tree):
        x = _array.as_array(tree)
        if _array.extent(x) != 1:
            raise ValueError(f"`{path}` must be a 0-d array, got shape {tuple(x.shape)}.")
        arrays.append(x)
        return _Slot(len(arrays) - 1)
    if isinstance(tree, Mapping):
        return {key: _collect(value, f"{path}[{key!r}]", arrays) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_collect(value, f"{path}[{i}]", arrays) for i, value in enumerate(tree)]
    raise TypeError(f"`{path}` must be a 0-d array, a number or a nest of them, got {type(tree).__name__}.")


def _filled(nest: Any, floats: list[float]) -> Any:
    if isinstance(nest, _Slot):
        return floats[nest.index]
    if isinstance(nest, dict):
        return {key: _filled(value, floats) for key, value in nest.items()}
    return [_filled(value, floats) for value in nest] if isinstance(nest, list) else nest


def _unwrapped(value: Any) -> Any:
    """Return what an object holds: by its own conversion, else as NumPy reads it."""
    for name in ("to_numpy", "to_torch"):
        if hasattr(value, name):
            return getattr(value, name)()
    if value is None or isinstance(value, str | bytes | Mapping):
        raise TypeError(f"a value of type {type(value).__name__}")
    return value
