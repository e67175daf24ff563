"""A toy array library, and what l1_any must know of it: what a new backend is, outside of the package.

The library holds arrays of array-api-strict. It differs from the standard in three ways, as real libraries do:

- its `sign` gives 0 at NaN (as torch and CuPy do);
- its reductions of a whole array give a scalar, which is no array (as NumPy does);
- it says that it has float64 on both of its devices, and has none on "small" (as MPS of torch).
"""

import sys

import array_api_strict as strict
import numpy as np

from l1_any._arrays.lookup import Library
from l1_any._arrays.standard import ArrayOps

DEVICES = ("big", "small")


class Held:
    """What holds an array of array-api-strict."""

    def __init__(self, data, device="big"):
        if device == "small" and data.dtype in (strict.float64, strict.complex128):
            raise TypeError("there is no float64 on this device")
        self.data, self.device = data, device
        self.dtype = data.dtype


class ToyScalar(Held):
    """What a reduction of a whole array gives: a number that can be calculated with, and no array."""


class ToyArray(Held):
    """An array on one of two devices."""

    @property
    def shape(self):
        return self.data.shape

    @property
    def ndim(self):
        return self.data.ndim

    @property
    def size(self):
        return self.data.size

    def __array_namespace__(self, api_version=None):
        return sys.modules[__name__]

    def to_device(self, device, /):
        return ToyArray(self.data, device)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.data, dtype=dtype, copy=copy)

    def __getitem__(self, key):
        return ToyArray(self.data[_data(key)], self.device)

    def __setitem__(self, key, value):
        self.data[_data(key)] = _data(value)


def _operator(name):
    def call(self, *others):
        found = getattr(self.data, name)(*map(_data, others))
        if found is NotImplemented:
            return found
        arrays = any(isinstance(each, ToyArray) for each in (self, *others))
        return (ToyArray if arrays else ToyScalar)(found, self.device)

    return call


for _each in ("add", "sub", "mul", "truediv", "pow", "and", "or", "xor"):
    for _name in (f"__{_each}__", f"__r{_each}__"):
        setattr(Held, _name, _operator(_name))
for _each in ("eq", "ne", "lt", "le", "gt", "ge", "neg", "abs", "invert"):
    setattr(Held, f"__{_each}__", _operator(f"__{_each}__"))


def _data(value):
    if isinstance(value, Held):
        return value.data
    return type(value)(map(_data, value)) if isinstance(value, list | tuple) else value


def _device(args):
    for each in args:
        if isinstance(each, Held):
            return each.device
        if isinstance(each, list | tuple):
            return _device(each)
    return "big"


def __getattr__(name):
    """The namespace: every name of array-api-strict, whose functions take and give toy arrays."""
    found = getattr(strict, name)
    if name.startswith("__") or isinstance(found, type) or not callable(found):
        return found
    if not hasattr(found, "__name__"):  # a dtype
        return found

    def call(*args, device=None, **options):
        result = found(*_data(args), **{key: _data(value) for key, value in options.items()})
        return ToyArray(result, device or _device(args)) if hasattr(result, "shape") else result

    return call


def sign(x, /):
    return ToyArray(
        strict.where(strict.isnan(x.data), 0 * strict.ones_like(x.data), strict.sign(x.data)), x.device
    )


def _reduced(x, found):
    return (ToyArray if found.ndim else ToyScalar)(found, x.device)


def sum(x, /, *, axis=None, dtype=None, keepdims=False):  # noqa: A001 - the standard's name
    if x.device == "small" and dtype is strict.float64:
        raise TypeError("there is no float64 on this device")
    return _reduced(x, strict.sum(x.data, axis=axis, dtype=dtype, keepdims=keepdims))


def max(x, /, *, axis=None, keepdims=False):  # noqa: A001 - the standard's name
    return _reduced(x, strict.max(x.data, axis=axis, keepdims=keepdims))


class _Info:
    def dtypes(self, *, device=None, kind=None):
        return strict.__array_namespace_info__().dtypes(
            kind=kind
        )  # the same for each device, which is not true


def __array_namespace_info__():  # noqa: N807 - the standard's name
    return _Info()


class ToyOps(ArrayOps):
    """What differs from the standard. This class and the row are all that l1_any needs."""

    has_scalars = True
    sums_in_halves = True

    def sign(self, x):
        return self.xp.where(self.xp.isnan(x), x, self.xp.sign(x)) + 0.0

    def as_array(self, x):
        return ToyArray(x.data, x.device) if isinstance(x, ToyScalar) else x

    def sum(self, x, axes, *, keepdims, dtype):
        return self.as_array(super().sum(x, axes, keepdims=keepdims, dtype=dtype))

    def largest(self, x, axis=None, *, keepdims=False):
        return self.as_array(self.xp.max(x, axis=axis, keepdims=keepdims))

    def accumulator_of(self, x):
        return "float32" if x.device == "small" else "float64"


ROW = Library("toy_library", "ToyArray", "toy_library:ToyOps")
