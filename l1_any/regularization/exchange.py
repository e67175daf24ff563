"""Converts values between array libraries, and to Python floats."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from l1_any._arrays.lookup import find, is_array, known
from l1_any._arrays.shapes import extent
from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array


def is_convertible(value: object) -> bool:
    """Whether a value is an array, or an object with a method that converts it to an array."""
    return is_array(value) or hasattr(value, "to_torch") or hasattr(value, "to_numpy")


def bring(value: Any, like: Array, ops: ArrayOps) -> Array:
    """Return a value as an array with the library and device of ``like``; ``ops`` are the operations for ``like``.

    An array of the same library keeps its dtype. Any other value is converted through NumPy; if its dtype is
    floating, it gets the result dtype of ``like``.
    """
    value = ops.converted(value)
    own = find(value)
    if own is not None and own.xp is ops.xp:
        why = ops.refuses(own, "value") if value.ndim else ""
        if why:
            raise TypeError(why)
        if ops.has_shards:
            value = ops.placed(value, like)
            # Differences with log-probabilities then stay where these are.
            return ops.replaced(value, like) if value.shape == like.shape else value
        here, there = ops.devices(like), own.devices(value)
        if here is None or there is None or here == there:
            return own.as_array(value)
        return own.to_device(value, like)
    if own is None:
        value = _unwrapped(value)
        own = find(value)
    if own is not None and own.is_chunked:
        raise TypeError(f"a {own.title} array beside logprobs of another library; compute it first")
    host = np.asarray(value) if own is None else own.to_host(value)
    if host.dtype.kind not in "biufc":
        raise TypeError(f"values of dtype {host.dtype}, which are not numbers")
    if host.dtype.kind == "f":
        host = host.astype(ops.result_name, copy=False)
    if not host.dtype.isnative:  # torch and JAX take the byte order of the machine only
        host = host.astype(host.dtype.newbyteorder("="))
    return ops.placed(ops.xp.asarray(host, device=ops.device(like)), like)


def to_floats(tree: Any) -> Any:
    """Convert a pytree of 0-d arrays to Python floats.

    Parameters
    ----------
    tree : 0-d array or pytree
        Mappings, lists and tuples, which may be nested. Numbers and None in it are kept.

    Returns
    -------
    float or pytree of floats
        The same pytree, but mappings come back as dicts, and sequences as lists.

    Raises
    ------
    TypeError
        The pytree holds something other than arrays, numbers, None, mappings, lists and tuples.
    ValueError
        An array with more than one element.

    Notes
    -----
    The arrays are stacked on their devices, so that one transfer for each device and dtype is enough for any
    number of arrays. The call waits for the device, and computes lazy arrays.

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
    arrays = [_widest(known(x).gathered(x)) for x in arrays]
    for i, x in enumerate(arrays):
        ops = known(x)
        places.setdefault((ops.xp, str(ops.devices(x)), x.dtype), []).append(i)
    floats = [0.0] * len(arrays)
    for (xp, *_), indices in places.items():
        stacked = xp.stack([xp.reshape(arrays[i], ()) for i in indices])
        for i, number in zip(indices, known(stacked).to_host(stacked).tolist(), strict=True):
            floats[i] = float(number)
    return _filled(nest, floats)


def _widest(x: Array) -> Array:
    ops = known(x)
    if not ops.is_floating or ops.is_complex:
        return x
    return ops.cast(ops.detach(x), ops.at(None, x).accumulator)


class _Slot:
    """The place of an array in the pytree."""

    def __init__(self, index: int) -> None:
        self.index = index


def _collect(tree: Any, path: str, arrays: list[Array]) -> Any:
    if tree is None or isinstance(tree, int | float):
        return None if tree is None else float(tree)
    ops = find(tree)
    if ops is not None:
        x = ops.as_array(tree)
        if extent(x) != 1:
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
    """Return an object converted by its own method if it has one, else by NumPy."""
    for name in ("to_numpy", "to_torch"):
        if hasattr(value, name):
            return getattr(value, name)()
    if value is None or isinstance(value, str | bytes | Mapping):
        raise TypeError(f"a value of type {type(value).__name__}")
    return value
