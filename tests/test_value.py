"""The contract's rows on values, on every library, device and dtype."""

import itertools
import math

import numpy as np
import pytest
import value_laws

import l1_any as l1
from l1_any.testing import check_contract, exact_subgradient, exact_value, result_dtype, to_numpy, ulps

inf, nan = math.inf, math.nan


def data(dtype, shape=(3, 5), seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    if dtype.startswith("complex"):
        x = x + 1j * rng.standard_normal(shape)
    return x


def test_contract_table(library):
    check_contract(library.xp, device=library.device, dtypes=library.dtypes)


@pytest.mark.parametrize("reduce", ["sum", "mean"])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1), ()])
def test_axes(library, axis, keepdims, reduce):
    options = {"axis": axis, "keepdims": keepdims, "reduce": reduce}
    for dtype in library.dtypes:
        value_laws.value_is_exact(l1.value, library, data(dtype), dtype, **options)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (2, 3, 4)])
def test_shapes(library, shape):
    x = data("float32", shape)
    value_laws.value_is_exact(l1.value, library, x)
    value_laws.subgradient_is_minimal(l1.subgradient, library, x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_mean_of_the_subgradient_is_rounded_once(library, dtype):
    """n divides last: 49 times the rounded 1/49 is not 1."""
    if dtype not in library.dtypes:
        pytest.skip("not there")
    ones = library.asarray(np.ones(49), dtype)
    for weights in (49.0, library.asarray(np.full(49, 49.0), dtype)):
        s = to_numpy(l1.subgradient(ones, reduce="mean", weights=weights))
        assert (s == 1).all()
        s = to_numpy(l1.subgradient(ones, reduce="mean", weights=weights, where=ones > 0))
        assert (s == 1).all()


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
        assert ulps(norm, math.sqrt(5), result_dtype(dtype)) <= library.division_error


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_mask_broadcasts_and_n_counts_what_it_selects(library, axis):
    mask = np.asarray([[True], [False], [True], [False]])
    value_laws.mean_counts_selected(l1.value, library, data("float32", (4, 3)), mask, axis)


@pytest.mark.parametrize("weights", [0, 2, 0.25])
def test_number_as_weight(library, weights):
    value_laws.weights_multiply(l1.value, l1.subgradient, library, data("float32"), weights)


def test_zeros_of_the_subgradient_are_positive(library):
    x, weights = np.asarray([0.0, -0.0, -1.0], np.float32), np.asarray([1.0, 1.0, 0.0], np.float32)
    for function in (l1.subgradient, lambda x, **options: l1.value_and_subgradient(x, **options)[1]):
        value_laws.zeros_are_positive(function, library, x, where=np.asarray([True, True, False]))
        value_laws.zeros_are_positive(function, library, x, weights=weights)


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
        value_laws.long_equal_elements_are_exact(l1.value, library, n, fill, dtype)


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
    for axis in (None, 0, 1):
        value_laws.long_arrays_are_exact(l1.value_and_subgradient, library, y, axis=axis, weights=2.0)
        s = l1.subgradient(y, axis=axis, weights=2.0)
        assert np.array_equal(to_numpy(s), 2 * np.sign(to_numpy(y)))


def test_masks_and_weights_longer_than_a_block(library):
    rng = np.random.default_rng(2)
    x = rng.standard_normal((600, 1000)).astype(np.float32)
    mask, w = rng.random((600, 1)) < 0.5, rng.random(1000).astype(np.float32)
    x[~mask[:, 0], 3] = nan
    for axis in (None, 0, 1):
        options = {"axis": axis, "reduce": "mean", "where": mask, "weights": w}
        value_laws.long_arrays_are_exact(l1.value_and_subgradient, library, library.asarray(x), **options)


def test_input_stays_untouched(library):
    x = np.asarray([[1.0, -0.0, nan], [inf, -2.0, 0.5]], np.float32)
    options = {"where": np.isfinite(x), "weights": np.ones(3, np.float32)}
    value_laws.input_is_untouched(l1.value_and_subgradient, library, x, **options)
    for function in (l1.value, l1.subgradient, l1.value_and_subgradient, l1.subgradient_norm):
        value_laws.input_is_untouched(function, library, x)


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
    x = np.asarray([[1.0, -2.0]], ">f4")
    assert l1.value(x) == 3
    assert l1.subgradient(x).tolist() == [[1, -1]]
    for result in (
        l1.subgradient(x, reduce="mean", where=x > 0),
        l1.value_and_subgradient(x)[1],
        l1.huber_gradient(x, 0.5),
        l1.prox(x, 0.5),
        l1.prox(x, 0.5, where=x > 0, nonnegative=True),
        l1.prox_elastic_net(x, 0.5, l1_ratio=0.5),
        l1.project(x, 1.0, axis=1),
        l1.project(x, 9.0),
        l1.prox_max(x, 1.0),
        l1.prox_group(x, 0.5, axis=1),
        l1.group_subgradient(x, axis=1),
    ):
        assert result.dtype == x.dtype


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
