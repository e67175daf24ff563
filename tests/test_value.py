"""The contract's rows on values, on every library, device and dtype."""

import itertools
import math

import numpy as np
import pytest

import l1_any as l1
from l1_any.testing import DOUBLE, check_contract, exact_subgradient, exact_value, to_numpy, ulps

inf, nan = math.inf, math.nan


def result_dtype(dtype):
    return "float64" if dtype in DOUBLE else "float32"


def data(dtype, shape=(3, 5), seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    if dtype.startswith("complex"):
        x = x + 1j * rng.standard_normal(shape)
    return x


def every_dtype(library):
    return [(dtype, library.asarray(data(dtype), dtype)) for dtype in library.dtypes]


def test_contract_table(library):
    check_contract(library.xp, device=library.device, dtypes=tuple(d for d in library.dtypes if "float" in d))


@pytest.mark.parametrize("reduce", ["sum", "mean"])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1), ()])
def test_axes(library, axis, keepdims, reduce):
    for dtype, x in every_dtype(library):
        v = l1.value(x, axis=axis, keepdims=keepdims, reduce=reduce)
        exact = exact_value(to_numpy(x), axis=axis, keepdims=keepdims, reduce=reduce)
        assert v.shape == exact.shape
        assert v.dtype == getattr(library.xp, result_dtype(dtype))
        assert type(v) is type(x)
        assert ulps(to_numpy(v), exact, result_dtype(dtype)) <= (4 if dtype in DOUBLE else library.tolerance)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (2, 3, 4)])
def test_shapes(library, shape):
    x = library.asarray(data("float32", shape), "float32")
    v = l1.value(x)
    assert v.shape == ()
    assert ulps(to_numpy(v), exact_value(to_numpy(x)), "float32") <= library.tolerance
    s = l1.subgradient(x)
    assert s.shape == x.shape


def test_known_empty_mean_is_an_error(library):
    with pytest.raises(ValueError, match="`x` is empty"):
        l1.value(library.asarray(np.zeros((0, 3), np.float32)), reduce="mean")
    with pytest.raises(ValueError, match="`x` is empty"):
        l1.subgradient(library.asarray(np.zeros((3, 0), np.float32)), axis=1, reduce="mean")


def test_mean_along_another_axis_of_an_empty_array(library):
    x = library.asarray(np.zeros((0, 3), np.float32))
    assert l1.value(x, axis=1, reduce="mean").shape == (0,)


def test_mean_over_an_empty_mask_is_nan_with_zero_subgradient(library):
    x, mask = library.asarray([1.0, 2.0], "float32"), library.bool([False, False])
    assert np.isnan(to_numpy(l1.value(x, reduce="mean", where=mask)))
    assert np.all(to_numpy(l1.subgradient(x, reduce="mean", where=mask)) == 0)
    assert to_numpy(l1.value(x, where=mask)) == 0


@pytest.mark.parametrize("bad", [nan, inf, -inf])
def test_masked_out_elements_take_no_part(library, bad):
    for dtype in library.dtypes:
        x = library.asarray([1.0, bad, -3.0], dtype)
        w = library.asarray([2.0, bad, 1.0], "float32")
        mask = library.bool([True, False, True])
        v, s = l1.value_and_subgradient(x, where=mask, weights=w)
        assert to_numpy(v) == 5
        assert to_numpy(s).tolist() == [2, 0, -1]
        norm = to_numpy(l1.subgradient_norm(x, where=mask, weights=w))
        result = "float64" if dtype in DOUBLE else "float32"
        assert ulps(norm, math.sqrt(5), result) <= library.division_error


def test_mask_broadcasts_and_n_counts_what_it_selects(library):
    x = library.asarray(data("float32", (4, 3)), "float32")
    mask = np.asarray([[True], [False], [True], [False]])
    for axis in (None, 0, 1):
        v = l1.value(x, axis=axis, reduce="mean", where=library.bool(mask))
        exact = exact_value(to_numpy(x), axis=axis, reduce="mean", where=mask)
        assert ulps(to_numpy(v), exact, "float32") <= library.tolerance


@pytest.mark.parametrize("weights", [0, 2, 0.25])
def test_number_as_weight(library, weights):
    x = library.asarray(data("float32"), "float32")
    exact = exact_value(to_numpy(x), weights=weights)
    assert ulps(to_numpy(l1.value(x, weights=weights)), exact, "float32") <= library.tolerance
    assert np.array_equal(
        to_numpy(l1.subgradient(x, weights=weights)), np.sign(to_numpy(x)) * np.float32(weights)
    )


def test_minus_infinity_logprobs(library):
    x = library.asarray([-1.0, -inf], "float32")
    assert to_numpy(l1.value(x)) == inf
    assert ulps(to_numpy(l1.value(library.xp.exp(x))), math.exp(-1), "float32") <= 1
    assert to_numpy(l1.subgradient(x)).tolist() == [-1, -1]


def test_float16_sums_do_not_overflow(library):
    if "float16" not in library.dtypes:
        pytest.skip("the standard has no float16, nor has array-api-strict")
    x = library.asarray(np.full(4096, 60000.0), "float16")
    assert to_numpy(l1.value(x)) == np.float32(float(np.float16(60000)) * 4096)


def test_subnormals(library):
    tiny = np.full(3, 1e-45, np.float32)
    x = library.asarray(tiny)
    expected = float(np.float32(3 * float(tiny[0]))) if library.variant.subnormals else 0.0
    assert to_numpy(l1.value(x)) == expected
    assert np.all(to_numpy(l1.subgradient(x)) == (1 if library.variant.subnormals else 0))


@pytest.mark.parametrize(
    ("z", "s"),
    [
        (complex(3, 4), complex(0.6, 0.8)),
        (0, 0),
        (complex(inf, 1), 1),
        (complex(0, -inf), -1j),
        (complex(-inf, inf), complex(-math.sqrt(0.5), math.sqrt(0.5))),
        (complex(3e38, 3e38), complex(math.sqrt(0.5), math.sqrt(0.5))),
        (complex(1e-30, -1e-30), complex(math.sqrt(0.5), -math.sqrt(0.5))),
    ],
)
def test_complex_sign(library, z, s):
    got = to_numpy(l1.subgradient(library.asarray([z], "complex64")))
    assert got.dtype == np.complex64
    assert np.allclose(got, [s], rtol=1e-6, atol=1e-7)


def test_complex_nan(library):
    x = library.asarray([complex(nan, 1), complex(1, 1)], "complex64")
    assert np.isnan(to_numpy(l1.value(x)))
    assert np.isnan(to_numpy(l1.subgradient(x))).tolist() == [True, False]
    assert np.isnan(to_numpy(l1.subgradient_norm(x)))


def test_complex_magnitudes_beyond_the_squares_of_the_dtype(library):
    x = library.asarray([complex(1e30, 1e30), complex(1e-30, 1e-30)], "complex64")
    assert ulps(to_numpy(l1.value(x)), math.sqrt(2) * float(np.float32(1e30)), "float32") <= library.tolerance


@pytest.mark.parametrize("fill", [0.1, 1 / 3, 7.7e-3])
@pytest.mark.parametrize("n", [1000, 4097, 300_001, 3_000_000])
def test_equal_elements_the_worst_case_of_naive_sums(library, fill, n):
    for dtype in {"float32", "float64"} & set(library.dtypes):
        x = np.full(n, fill, dtype)
        exact = math.fsum(x.tolist())
        bound = 4 if dtype in DOUBLE else library.tolerance
        assert ulps(to_numpy(l1.value(library.asarray(x))), exact, dtype) <= bound
        columns = library.asarray(np.broadcast_to(x[:, None], (n, 2)))
        assert ulps(to_numpy(l1.value(columns, axis=0)), [exact, exact], dtype) <= bound


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_equal_elements_in_any_memory_order(library, order):
    if "float64" not in library.dtypes:
        pytest.skip("float32 is summed in a wider dtype, or in pairs")
    x = library.xp.permute_dims(library.asarray(np.full((3, 40, 1300), 0.1)), order)
    for axis in (0, 1, 2, (0, 1), (0, 2), (1, 2)):
        v = to_numpy(l1.value(x, axis=axis))
        exact = math.fsum([0.1] * (3 * 40 * 1300 // v.size))
        assert ulps(v, np.full(v.shape, exact), "float64") <= 4


@pytest.mark.parametrize("view", ["transposed", "strided", "reversed", "broadcast", "fortran"])
def test_views_longer_than_a_block(library, view):
    x = np.random.default_rng(1).standard_normal((700, 900)).astype(np.float32)
    views = {
        "transposed": lambda a: a.T,
        "strided": lambda a: a[::2, 1::3],
        "reversed": library.xp.flip,
        "broadcast": lambda a: library.xp.broadcast_to(a[None, :, :], (3, 700, 900)),
        "fortran": lambda a: library.xp.permute_dims(a[:, :, None], (1, 2, 0)),
    }
    y = views[view](library.asarray(x))
    expected = to_numpy(y)
    for axis in (None, 0, 1):
        exact = np.sum(np.abs(expected, dtype=np.float64), axis=axis)
        v, s = l1.value_and_subgradient(y, axis=axis, weights=2.0)
        assert ulps(to_numpy(v), 2 * exact, "float32") <= library.tolerance + 1  # `exact` itself is rounded
        assert np.array_equal(to_numpy(s), 2 * np.sign(expected))
        assert np.array_equal(to_numpy(l1.subgradient(y, axis=axis, weights=2.0)), 2 * np.sign(expected))


def test_masks_and_weights_longer_than_a_block(library):
    rng = np.random.default_rng(2)
    x = rng.standard_normal((600, 1000)).astype(np.float32)
    mask, w = rng.random((600, 1)) < 0.5, rng.random(1000).astype(np.float32)
    x[~mask[:, 0], 3] = nan
    with np.errstate(invalid="ignore"):
        terms = np.where(mask, np.abs(x.astype(float)) * w, 0)
    args = {"where": library.bool(mask), "weights": library.asarray(w)}
    for axis in (None, 0, 1):
        v, s = l1.value_and_subgradient(library.asarray(x), axis=axis, reduce="mean", **args)
        n = np.broadcast_to(mask, x.shape).sum(axis=axis, keepdims=True)
        with np.errstate(invalid="ignore"):
            exact = terms.sum(axis=axis, keepdims=True) / n
        assert ulps(to_numpy(v), exact, "float32") <= library.tolerance + 1
        expected = np.where(mask, np.sign(x) * w / np.maximum(n, 1), 0)
        assert np.allclose(to_numpy(s), expected, rtol=3e-7, atol=0)


def test_input_stays_untouched(library):
    values = np.asarray([[1.0, -0.0, nan], [inf, -2.0, 0.5]], np.float32)
    x = library.asarray(values.copy())
    mask = library.bool(np.isfinite(values))
    l1.value_and_subgradient(x, where=mask, weights=library.asarray(np.ones(3, np.float32)))
    l1.subgradient_norm(x)
    assert to_numpy(x).tobytes() == values.tobytes()


@pytest.mark.only("numpy")
def test_read_only_and_scalars(library):
    x = np.broadcast_to(np.float32(2), (600_000,))
    assert not x.flags.writeable
    v, s = l1.value_and_subgradient(x)
    assert isinstance(v, np.ndarray)
    assert v == 1_200_000
    assert s.flags.writeable
    assert isinstance(l1.value(np.float64(-2)), np.ndarray)
    assert isinstance(l1.subgradient(np.float64(-2)), np.ndarray)


@pytest.mark.only("numpy")
def test_bfloat16_of_ml_dtypes(library):
    import ml_dtypes

    x = np.full(600_000, -0.1, ml_dtypes.bfloat16)
    v, s = l1.value_and_subgradient(x, weights=0.5)
    assert v == np.float32(math.fsum(abs(e) / 2 for e in x.tolist()))
    assert v.dtype == np.float32
    assert s.dtype == x.dtype
    assert set(s.tolist()) == {-0.5}


@pytest.mark.only("numpy")
def test_foreign_byte_order(library):
    x = np.asarray([1.0, -2.0], ">f4")
    assert l1.value(x) == 3
    assert l1.subgradient(x).tolist() == [1, -1]


@pytest.mark.only("dask")
def test_dask_stays_lazy(library):
    import dask.array as da

    def fail():
        raise AssertionError("computed before the user did")

    from dask.delayed import delayed

    x = da.from_delayed(delayed(fail)(), shape=(30, 4), dtype="float32")
    for reduce in ("sum", "mean"):
        for where in (None, x > 0):
            l1.value(x, axis=0, reduce=reduce, where=where)
            l1.value_and_subgradient([x, x], reduce=reduce, where=[where, where], weights=2.0)
            l1.subgradient(x, axis=1, reduce=reduce, where=where)
            l1.subgradient_norm(x, reduce=reduce, where=where)


@pytest.mark.only("dask")
def test_dask_names_tasks_without_the_data(library, unpicklable):
    x = unpicklable
    where = x > 0
    for function in (l1.value, l1.subgradient, l1.value_and_subgradient):
        function(x, axis=0, reduce="mean", where=where, weights=where.astype(float))
    l1.subgradient_norm(x, where=where, weights=2.0)
    assert library.name == "dask"


@pytest.mark.only("dask")
def test_dask_unknown_shapes(library):
    import dask.array as da

    x = da.from_array(np.arange(-3.0, 6.0), chunks=4)
    x = x[x != 0]
    assert l1.value(x, reduce="mean").compute() == 21 / 8
    assert np.allclose(l1.subgradient(x, reduce="mean").compute(), np.sign(x.compute()) / 8)


@pytest.mark.only("dask")
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_dask_unknown_lengths_with_masks_and_weights_in_other_chunks(library, axis):
    import dask.array as da

    values = np.arange(-6.0, 6.0).reshape(3, 4)
    x = da.from_array(values, chunks=(2, 3))
    x = x[x[:, 0] > -5]
    known, w = values[1:], np.arange(4.0)
    options = {"axis": axis, "reduce": "mean"}
    v, s = l1.value_and_subgradient(x, where=x > -2, weights=da.from_array(w, chunks=1), **options)
    assert ulps(v.compute(), exact_value(known, where=known > -2, weights=w, **options), "float64") <= 4
    exact = exact_subgradient(known, where=known > -2, weights=w, **options)
    assert np.allclose(s.compute(), exact, rtol=1e-15, atol=0)
