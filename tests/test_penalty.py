"""The contract's rows on values, on every library, device and dtype."""

import itertools
import math

import numpy as np
import penalty_laws
import pytest

import l1_any as l1
from l1_any.testing import check_contract, result_dtype, to_numpy, ulps

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
        penalty_laws.value_is_exact(l1.value, library, data(dtype), dtype, **options)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (2, 3, 4)])
def test_shapes(library, shape):
    x = data("float32", shape)
    penalty_laws.value_is_exact(l1.value, library, x)
    penalty_laws.subgradient_is_minimal(l1.subgradient, library, x)


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
    penalty_laws.mean_counts_selected(l1.value, library, data("float32", (4, 3)), mask, axis)


@pytest.mark.parametrize("weights", [0, 2, 0.25])
def test_number_as_weight(library, weights):
    penalty_laws.weights_multiply(l1.value, l1.subgradient, library, data("float32"), weights)


def test_zeros_of_the_subgradient_are_positive(library):
    x, weights = np.asarray([0.0, -0.0, -1.0], np.float32), np.asarray([1.0, 1.0, 0.0], np.float32)
    for function in (l1.subgradient, lambda x, **options: l1.value_and_subgradient(x, **options)[1]):
        penalty_laws.zeros_are_positive(function, library, x, where=np.asarray([True, True, False]))
        penalty_laws.zeros_are_positive(function, library, x, weights=weights)


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
        penalty_laws.long_equal_elements_are_exact(l1.value, library, n, fill, dtype)


# Around the lengths at which JAX's sum takes one step more: 12, 12·32, 12·32·32.
@pytest.mark.parametrize("n", [11, 12, 13, 23, 25, 383, 384, 385, 12_287, 12_288, 12_289])
def test_equal_elements_around_the_steps_of_a_sum(library, n):
    for dtype in {"float16", "bfloat16", "float32"} & set(library.dtypes):
        for shape, axis in (((n,), None), ((n, 3), 0), ((3, n), 1), ((3, n), None)):
            for fill in (0.1, 1 + 2.0**-23, 2 - 2.0**-23):
                law = penalty_laws.equal_elements_are_exact
                law(l1.value, library, shape, fill, dtype, axis=axis)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_equal_elements_in_any_memory_order(library, order):
    if "float64" not in library.dtypes:
        pytest.skip("float32 is summed in a wider dtype, or in pairs")
    x = library.xp.permute_dims(library.asarray(np.full((3, 40, 1300), 0.1)), order)
    for axis in (0, 1, 2, (0, 1), (0, 2), (1, 2)):
        v = to_numpy(l1.value(x, axis=axis))
        exact = math.fsum([0.1] * (3 * 40 * 1300 // v.size))
        assert ulps(v, np.full(v.shape, exact), "float64") <= 4


def test_input_stays_untouched(library):
    x = np.asarray([[1.0, -0.0, nan], [inf, -2.0, 0.5]], np.float32)
    options = {"where": np.isfinite(x), "weights": np.ones(3, np.float32)}
    penalty_laws.input_is_untouched(l1.value_and_subgradient, library, x, **options)
    for function in (l1.value, l1.subgradient, l1.value_and_subgradient, l1.subgradient_norm):
        penalty_laws.input_is_untouched(function, library, x)


def test_the_square_of_a_weight_may_overflow_where_the_norm_does_not(library):
    if "float64" not in library.dtypes:
        pytest.skip("needs weights beyond float32")
    x = library.asarray([1.0, -2.0, 0.0], "float64")
    norm = to_numpy(l1.subgradient_norm(x, weights=1e200))
    assert np.allclose(norm, math.sqrt(2) * 1e200, rtol=1e-15)
