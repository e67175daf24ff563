"""`check_contract` passes every library that keeps the contract, and catches namespaces that break it."""

from types import SimpleNamespace

import array_api_compat.numpy as xnp
import numpy as np
import pytest

import l1_any.testing
from l1_any.testing import check_contract, to_numpy


class PlantedArray:
    """A NumPy array that belongs to a planted namespace."""

    device = "cpu"

    def __init__(self, data, namespace):
        self.data, self.namespace = np.asarray(data), namespace

    def __array_namespace__(self, api_version=None):
        return self.namespace

    def __array__(self, dtype=None, copy=None):
        return np.array(self.data, dtype=dtype, copy=copy)

    def __getattr__(self, name):
        if name.startswith("__") or name not in {"dtype", "shape", "ndim", "size", "T", "mT"}:
            raise AttributeError(name)
        return getattr(self.data, name)

    def __bool__(self):
        return bool(self.data)

    def __setitem__(self, key, value):
        self.data[unplanted(key)] = unplanted(value)


def unplanted(value):
    if isinstance(value, PlantedArray):
        return value.data
    return type(value)(map(unplanted, value)) if isinstance(value, list | tuple) else value


def operator(name):
    def call(self, *others):
        result = getattr(self.data, name)(*map(unplanted, others))
        return result if result is NotImplemented else type(self)(result, self.namespace)

    return call


for each in ("add", "sub", "mul", "truediv", "pow", "and", "or", "xor"):
    for name in (f"__{each}__", f"__r{each}__"):
        setattr(PlantedArray, name, operator(name))
for each in ("eq", "ne", "lt", "le", "gt", "ge", "neg", "abs", "invert", "getitem"):
    setattr(PlantedArray, f"__{each}__", operator(f"__{each}__"))


class Planted:
    """The standard's namespace on NumPy, with some functions replaced; they take and give NumPy arrays."""

    __name__ = "planted"

    def __init__(self, **functions):
        self.functions = functions
        self.array = type("PlantedArray", (PlantedArray,), {})  # a type of array has one namespace

    def __getattr__(self, name):
        found = self.functions.get(name) or getattr(xnp, name)
        if isinstance(found, type) or not callable(found) or name.startswith("__"):
            return found

        def call(*args, **options):
            args, options = unplanted(args), {key: unplanted(value) for key, value in options.items()}
            result = found(*args, **options)
            return self.array(result, self) if isinstance(result, np.ndarray | np.generic) else result

        return call


def one_by_one_in_float32(x, *, axis=None, dtype=None, keepdims=False):
    """Ignores the accumulator that is asked for."""
    if not x.size or axis not in (None, 0, (0,)) or x.ndim != 1:
        return xnp.sum(x, axis=axis, dtype=dtype, keepdims=keepdims)
    return np.cumsum(x, dtype=np.float32)[-1:].reshape((1,) if keepdims else ()).astype(dtype or x.dtype)


def abs_that_writes_to_its_input(x):
    return np.abs(x, out=x)


def asarray_without_float64(x, *, dtype=None, device=None, copy=None):
    return xnp.asarray(x, dtype=np.float32 if dtype == np.float64 else dtype, device=device, copy=copy)


@pytest.fixture
def silent():
    """NumPy warns of what some plants do to NaN and infinities."""
    with np.errstate(all="ignore"):
        yield


def test_what_keeps_the_contract_passes(library):
    check_contract(library.xp, device=library.device, dtypes=library.dtypes)
    check_contract(library.xp, device=library.device)


def test_a_library_is_taken_as_it_is_imported(library):
    import importlib

    check_contract(importlib.import_module(library.backend.module), device=library.device)


def test_a_namespace_that_only_has_the_standard_passes():
    check_contract(Planted())


@pytest.mark.parametrize(
    ("functions", "words"),
    [
        ({"sign": lambda x: np.where(x >= 0, 1.0, -1.0).astype(x.dtype)}, r"subgradient\(\[0\.0, -0\.0\]"),
        ({"sign": lambda x: np.where(np.isnan(x), 0, np.sign(x)).astype(x.dtype)}, r"subgradient\(\[nan"),
        ({"sum": one_by_one_in_float32}, r"value\(5000 times 0\.1, reduce='sum'\) in float32: .* 1 allowed"),
        ({"where": lambda c, a, b: a * c + b * ~c}, r"where=\[True, False, True, False\]"),
        ({"abs": lambda x: x}, r"value\(\[3\.0, -4\.0\].*: got .*, exactly 7\.0"),
        ({"abs": abs_that_writes_to_its_input}, "wrote to its input: it holds"),
        ({"sum": lambda x, **_: np.float64(np.sum(x))}, r"value\(\[\[1\.0, .* of shape \(\)"),
        ({"asarray": asarray_without_float64}, "float64 was asked for, float32 came from planted"),
    ],
    ids=["s(0)=1", "0 at NaN", "float32 sum", "mask by product", "no abs", "writes", "no axis", "no float64"],
)
def test_what_breaks_the_contract_is_caught(functions, words, silent):
    with pytest.raises(AssertionError, match=words):
        check_contract(Planted(**functions))


@pytest.mark.only("jax")
def test_jax_without_64_bits(library):
    import jax

    with jax.enable_x64(False):  # noqa: FBT003 - the argument has no stable name
        check_contract(jax.numpy)
        with pytest.raises(
            AssertionError,
            match=r"float64 was asked for, float32 came .* JAX needs jax_enable_x64 .* dtypes=\('float32',\)",
        ):
            check_contract(jax.numpy, dtypes=("float32", "float64"))
    with jax.enable_x64(True):  # noqa: FBT003
        check_contract(jax.numpy, dtypes=("float32", "float64"))


@pytest.mark.only("strict")
def test_a_dtype_that_the_library_lacks(library):
    with pytest.raises(AssertionError, match="float16 was asked for, and array_api_strict cannot make"):
        check_contract(library.xp, dtypes=("float16",))


def test_a_namespace_that_says_nothing_of_its_dtypes():
    planted = Planted(asarray=asarray_without_float64)
    silent = SimpleNamespace(asarray=planted.asarray, bool=np.bool, float32=np.float32, float64=np.float64)
    with pytest.raises(AssertionError, match="float64 was asked for"):
        check_contract(silent)


@pytest.mark.parametrize("dtypes", [(), ("int32",), ("float32", "float128"), "float32"])
def test_dtypes_that_are_none(dtypes):
    with pytest.raises(ValueError, match="`dtypes` must name some of float16"):
        check_contract(np, dtypes=dtypes)


def test_public_names():
    assert set(dir(l1_any.testing)) == set(l1_any.testing.__all__)
    assert l1_any.testing.HALF == ("float16", "bfloat16")
    assert to_numpy(np.asarray([1.0], np.float16)).dtype == np.float64
