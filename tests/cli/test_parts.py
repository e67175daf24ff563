"""Large data, read once for all libraries; and the exact value that they are compared with."""

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

import l1_any as l1
from l1_any.cli import parts
from l1_any.cli.compare import compare
from l1_any.cli.exact import bracket, exact_sum
from l1_any.testing.exact_sum import absolute_sum

X = np.random.default_rng(0).normal(size=(70, 90)).astype(np.float32)


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(parts, "PART", 1000)


def in_file(path, x):
    np.save(path, x)
    return np.load(path, mmap_mode="r")


@pytest.mark.parametrize("reduce", ["sum", "mean"])
@pytest.mark.parametrize("target", ["logprobs", "probs"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_parts_give_what_the_whole_gives(tmp_path, small_parts, order, target, reduce):
    x = in_file(tmp_path / "x.npy", np.asarray(X, order=order))
    options = {"penalty": l1, "target": target, "reduce": reduce, "libraries": ["numpy", "dask"]}
    whole, by_parts = (function(x, **options) for function in (compare, parts.compare_parts))
    assert by_parts.disagreeing == ()
    for row, expected in zip(by_parts.rows, whole.rows, strict=True):
        a, b = row.result, expected.result
        assert (a.value, a.exact, a.mean) == pytest.approx((b.value, b.exact, b.mean), rel=2e-7)
        assert a.subgradient_norm == pytest.approx(b.subgradient_norm)
        assert a.parts == 7
        assert a.idioms[0].right != b.idioms[0].right or reduce == "mean"  # those of the first part


@pytest.mark.parametrize("special", [np.inf, np.nan])
def test_special_values_in_a_late_part(tmp_path, small_parts, special):
    x = X.copy()
    x[-1, -1] = special
    (row,) = parts.compare_parts(in_file(tmp_path / "x.npy", x), penalty=l1, libraries=["numpy"]).rows
    assert row.agrees
    assert np.array_equal(row.result.value, special, equal_nan=True)


def test_a_wrong_implementation_is_found(tmp_path, small_parts):
    from types import SimpleNamespace

    wrong = SimpleNamespace(
        value=lambda x, **options: l1.value(x, **options) * np.float32(1.001),
        subgradient=l1.subgradient,
        subgradient_norm=l1.subgradient_norm,
    )
    x = in_file(tmp_path / "x.npy", X)
    assert parts.compare_parts(x, penalty=wrong, libraries=["numpy"]).disagreeing


def test_each_part_is_read_once(small_parts):
    read = []
    done = []
    whole = X.reshape(-1)

    class Source(np.ndarray):
        def __getitem__(self, index):
            if isinstance(index, slice) and index.stop is not None and index.stop - index.start == 1000:
                read.append(index)
            return super().__getitem__(index)

    parts.compare_parts(whole.view(Source), penalty=l1, libraries=["numpy", "dask"], advanced=done.append)
    assert len(read) == 7
    assert sum(done) == X.nbytes


def test_what_is_large(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "LARGE", 1000)
    mapped = in_file(tmp_path / "x.npy", X)
    assert parts.is_large(mapped)
    assert not parts.is_large(mapped[:, ::2])
    assert not parts.is_large(X)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "complex64"])
def test_the_quick_exact_value_is_the_exact_one(dtype):
    x = (X * 1e-3).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    x[0, :3] = 0, -0.0, 1e-7
    quick, exact = exact_sum(x), absolute_sum(x)
    for reduce in ("sum", "mean"):
        assert quick.rounded(reduce) == exact.rounded(reduce)
    names = "size", "nonzero", "subnormal", "dtype"
    assert [getattr(quick, name) for name in names] == [getattr(exact, name) for name in names]
    found = bracket(x)
    assert abs(found.sum.total - exact.total) <= found.error


def test_a_sum_in_the_middle_of_two_numbers_is_computed_exactly():
    x = np.asarray([2.0**24, 1.0], np.float32)
    assert bracket(x).certain is False
    assert exact_sum(x).total == Fraction(2**24 + 1)
