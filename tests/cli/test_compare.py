import dataclasses
import re
import tracemalloc
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest
from array_api_compat import array_namespace

import l1_any as l1
import l1_any.testing
from l1_any.cli import memory
from l1_any.cli.compare import compare
from l1_any.cli.errors import CommandError
from l1_any.cli.libraries import LIBRARIES
from l1_any.testing import BACKENDS, to_numpy

RNG = np.random.default_rng(0)
X = -RNG.exponential(size=(40, 256)).astype(np.float32)
INSTALLED = {library.name for library in LIBRARIES if library.installed}
READING_IN_PLACE = [
    library for library in LIBRARIES if library.name in INSTALLED - {"cupy"} and not library.copies
]
DIFFERENTIATING = sorted(INSTALLED & {"torch", "jax"})


def planted(**functions):
    """Give the package's functions with some replaced by wrong ones."""
    names = ("value", "subgradient", "subgradient_norm")
    return SimpleNamespace(**({name: getattr(l1, name) for name in names} | functions))


def row_of(comparison, library, device="cpu"):
    return next(row for row in comparison.rows if (row.library, row.device) == (library, device))


@pytest.mark.parametrize("target", ["logprobs", "probs"])
@pytest.mark.parametrize("reduce", ["sum", "mean"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
def test_everything_installed_agrees(dtype, reduce, target):
    x = X.astype(dtype) * (1j if dtype.startswith("complex") else 1)
    comparison = compare(x, penalty=l1, target=target, reduce=reduce)
    assert comparison.disagreeing == ()
    agreeing = {row.library for row in comparison.agreeing}
    assert agreeing | {row.library for row in comparison.rows if row.note.startswith("has no ")} == INSTALLED
    assert set(comparison.not_installed) == {library.name for library in LIBRARIES} - INSTALLED
    result = row_of(comparison, "numpy").result
    magnitudes = np.abs(np.exp(x) if target == "probs" else x).astype(np.float64)
    assert result.exact == pytest.approx(getattr(magnitudes, reduce)(), rel=1e-6)
    assert result.subgradient_at_zero == 0
    assert result.seconds > 0
    assert all(idiom.seconds > 0 for idiom in result.idioms)


@pytest.mark.parametrize("special", [-np.inf, np.nan, 0.0, -0.0, 1e-40])
def test_special_values_agree(special):
    x = X.copy()
    x[3, 5] = special
    comparison = compare(x, penalty=l1)
    assert comparison.disagreeing == ()
    value = row_of(comparison, "numpy").result.value
    assert (value == np.inf) == (special == -np.inf)
    assert np.isnan(value) == np.isnan(special)


def test_minus_infinity_is_probability_zero():
    x = X.copy()
    x[:, 0] = -np.inf
    comparison = compare(x, penalty=l1, target="probs")
    assert comparison.disagreeing == ()
    result = row_of(comparison, "numpy").result
    assert result.subgradient_norm == pytest.approx(np.sqrt(x.size - len(x)))


@pytest.mark.parametrize("x", [np.full(4, 3e38, np.float32), np.full(4, 1e308)])
def test_overflow_is_infinity_everywhere(x):
    comparison = compare(x, penalty=l1)
    assert comparison.disagreeing == ()
    assert row_of(comparison, "numpy").result.value == np.inf


@pytest.mark.parametrize("shape", [(), (1,), (0, 4)])
def test_small_shapes_agree(shape):
    comparison = compare(np.ones(shape, np.float32), penalty=l1)
    assert comparison.disagreeing == ()
    result = row_of(comparison, "numpy").result
    assert result.value == np.prod(shape)
    assert result.mean == (None if 0 in shape else 1)


def test_read_only_and_strided_data_is_taken_as_it_is():
    x = X.T[::2]
    x.flags.writeable = False
    before = x.copy()
    assert compare(x, penalty=l1).disagreeing == ()
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("reader", READING_IN_PLACE, ids=lambda reader: reader.name)
def test_data_on_the_cpu_is_not_copied(reader):
    x = np.ones((2**12, 2**10), np.float32)
    x.flags.writeable = False
    module = reader.load()
    tracemalloc.start()
    y = reader.asarray(module, x, reader.devices(module)["cpu"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < x.nbytes / 16
    assert reader.lazy or np.shares_memory(to_numpy(y), x)


def test_bfloat16_is_compared_where_it_exists():
    comparison = compare(X.astype(ml_dtypes.bfloat16), penalty=l1)
    assert comparison.disagreeing == ()
    assert {row.library for row in comparison.agreeing} == set(DIFFERENTIATING)
    assert row_of(comparison, "numpy").note == "has no bfloat16"


@pytest.mark.skipif("jax" not in INSTALLED, reason="about JAX alone")
def test_jax_does_not_take_float64_as_float32():
    row = row_of(compare(X.astype(np.float64), penalty=l1, libraries=["jax"]), "jax")
    assert row.agrees is None
    assert row.note == "has no float64 unless JAX_ENABLE_X64=1 is set"


def float32_one_by_one(x, **_):
    return np.cumsum(np.abs(x), dtype=np.float32)[-1]


def one_at_zero(x, **_):
    return np.where(x >= 0, 1, -1).astype(x.dtype)


def norm_with_the_zeros(x, **_):
    return np.sqrt(np.float32(x.size))


def never_the_mean(x, **_):
    return l1.value(x)


def failing(_, **__):
    raise ZeroDivisionError("a bug\nwith a second line")


@pytest.mark.parametrize(
    ("plant", "reduce", "note"),
    [
        ({"value": float32_one_by_one}, "sum", r"sum is \S+ ulp off, 1 allowed"),
        ({"value": never_the_mean}, "sum", r"^mean is \S+ ulp off"),
        ({"value": never_the_mean}, "mean", r"^mean is \S+ ulp off"),
        ({"subgradient": one_at_zero}, "sum", "^subgradient at 0 is 1$"),
        (
            {"subgradient_norm": norm_with_the_zeros},
            "sum",
            r"^norm of the subgradient is 512, expected 362\.",
        ),
        ({"value": failing}, "sum", "^failed: a bug$"),
    ],
)
def test_a_wrong_implementation_is_found(plant, reduce, note):
    x = np.full(2**18, 0.1, np.float32)
    x[::2] = 0
    comparison = compare(x, penalty=planted(**plant), reduce=reduce, libraries=["numpy"])
    (row,) = comparison.disagreeing
    assert comparison.agreeing == ()
    assert re.search(note, row.note)


@pytest.mark.parametrize("name", DIFFERENTIATING)
def test_a_wrong_derivative_at_zero_is_found(name):
    def value(x, *, reduce):
        xp = array_namespace(x)
        return getattr(xp, reduce)(xp.where(x >= 0, x, -x))

    comparison = compare(np.ones(4, np.float32), penalty=planted(value=value), libraries=[name])
    assert comparison.agreeing == ()
    assert {row.note for row in comparison.disagreeing} == {"derivative at 0 is 1"}


@pytest.mark.parametrize(
    ("name", "enabled", "how"),
    [
        ("numpy", True, "kernel"),
        ("numpy", False, "blocks"),
        ("array-api-strict", True, "blocks"),
        ("torch", True, "kernel"),
        ("torch", False, "blocks"),
        ("jax", True, "jit"),
        ("dask", True, "chunks"),
    ],
)
def test_a_row_says_how_it_was_computed(name, enabled, how):
    if name not in INSTALLED:
        pytest.skip(f"{name} is not installed")
    if how == "kernel":
        pytest.importorskip("numba", reason="the kernels need numba")
    x = np.ones(1 << 22, np.float32)
    with l1.testing.kernels(enabled=enabled):
        comparison = compare(x, penalty=l1, libraries=[name])
        result = comparison.rows[0].result
        assert result.how == how
        assert result.explanation == l1.explain(l1.value, placed(name, x))
        assert comparison.advice == ""


def placed(name, x):
    library = next(library for library in LIBRARIES if library.name == name)
    module = library.load()
    return library.asarray(module, x, library.devices(module)["cpu"])


def test_a_small_array_is_computed_as_a_whole():
    result = row_of(compare(np.ones(9, np.float32), penalty=l1, libraries=["numpy"]), "numpy").result
    assert result.how == "whole"


def test_another_implementation_need_not_say_how():
    (row,) = compare(X, penalty=planted(value=lambda x, **_: np.abs(x).sum()), libraries=["numpy"]).rows
    assert (row.result.how, row.result.explanation) == ("", "")


def test_a_row_is_compared_with_the_first_usual_expression():
    result = row_of(compare(X, penalty=l1, libraries=["numpy"]), "numpy").result
    assert result.ratio == result.idioms[0].seconds / result.seconds


def test_too_little_memory_is_a_note(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 1000)
    comparison = compare(X, penalty=l1)
    assert comparison.disagreeing == ()
    numpy = row_of(comparison, "numpy").result
    assert numpy.ulps <= 1
    assert {idiom.note for idiom in numpy.idioms} == {"needs 0.0 GB more, 0.0 GB is available"}
    if "jax" in INSTALLED:
        assert row_of(comparison, "jax").result is None
    probs = row_of(compare(X, penalty=l1, target="probs"), "numpy")
    assert (probs.agrees, probs.note) == (None, "needs 0.0 GB more, 0.0 GB is available")


def test_an_allocation_that_fails_is_a_note():
    def value(_, **__):
        raise MemoryError("Unable to allocate 8 EiB")

    (row,) = compare(X, penalty=planted(value=value), libraries=["numpy"]).rows
    assert (row.agrees, row.note) == (None, "out of memory: Unable to allocate 8 EiB")


def test_a_broken_installation_does_not_stop_the_others(monkeypatch):
    broken = dataclasses.replace(LIBRARIES[0], devices=lambda _: {}["driver"])
    monkeypatch.setattr("l1_any.cli.compare.LIBRARIES", (LIBRARIES[0], broken))
    comparison = compare(X, penalty=l1)
    assert [row.library for row in comparison.agreeing] == ["numpy"]
    assert comparison.disagreeing == ()
    assert comparison.rows[0].note == "cannot be used: 'driver'"


def test_chosen_libraries_and_devices():
    assert [row.library for row in compare(X, penalty=l1, libraries=["numpy"]).rows] == ["numpy"]
    rows = compare(X, penalty=l1, device="device1").rows
    assert [(row.library, row.device) for row in rows] == [("array-api-strict", "device1")]


def test_choices_that_cannot_be_met():
    for options, words in (
        ({"libraries": ["numpy", "nump"]}, "unknown library 'nump', expected one of numpy, array-api-strict"),
        ({"device": "tpu"}, "no library .* has a device 'tpu'"),
        ({"libraries": ["numpy"], "device": "device1"}, "no library .* has a device 'device1'"),
    ):
        with pytest.raises(CommandError, match=words):
            compare(X, penalty=l1, **options)
    with pytest.raises(CommandError, match="mean of an empty array"):
        compare(X[:0], penalty=l1, reduce="mean")


def test_a_library_that_is_missing_is_named_with_its_installation(monkeypatch):
    nowhere = dataclasses.replace(BACKENDS[0], module="nowhere.at.all", requirement="l1_any[torch]")
    missing = dataclasses.replace(LIBRARIES[0], backend=nowhere)
    monkeypatch.setattr("l1_any.cli.compare.LIBRARIES", (LIBRARIES[0], missing))
    assert compare(X, penalty=l1).not_installed == {"nowhere": 'pip install "l1_any[torch]"'}
    with pytest.raises(CommandError, match=r'nowhere is not installed: pip install "l1_any\[torch\]"'):
        compare(X, penalty=l1, libraries=["nowhere"])
