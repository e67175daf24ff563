"""The proximal operators and projections: special values, dtypes, shapes, on every library."""

import math

import numpy as np
import proximal_laws
import pytest
from operators import ELEMENTWISE, OPERATORS, data

import l1_any as l1
from l1_any.testing import to_numpy

inf, nan = math.inf, math.nan


def test_prox_of_special_values(library):
    x = library.asarray([inf, -inf, nan, -0.0, 0.0, 1.0, -1.0], "float32")
    p = to_numpy(l1.prox(x, 1.0))
    assert np.array_equal(p, [inf, -inf, nan, 0, 0, 0, 0], equal_nan=True)
    proximal_laws.no_negative_zeros(p)
    free = to_numpy(l1.prox(x, 1.0, weights=library.asarray(np.zeros(7, np.float32))))
    assert np.array_equal(free, to_numpy(x), equal_nan=True)
    proximal_laws.no_negative_zeros(free)
    p = to_numpy(l1.prox(x, 0.5, nonnegative=True))
    assert np.array_equal(p, [inf, 0, nan, 0, 0, 0.5, 0], equal_nan=True)


def test_a_step_beyond_the_dtype_leaves_nothing_finite(library):
    x = library.asarray([-1.0, 0.0, 1.0, nan], "float32")
    expected = [0, 0, 0, nan]
    for options in ({}, {"weights": 0.5}, {"nonnegative": True}):
        assert np.array_equal(to_numpy(l1.prox(x, 1e300, **options)), expected, equal_nan=True)
    assert np.array_equal(to_numpy(l1.prox_elastic_net(x, 1e300, l1_ratio=1.0)), expected, equal_nan=True)


def test_step_times_a_number_as_weight_is_rounded_once(library):
    steps = np.random.default_rng(10).random((50, 2))
    x = library.asarray(np.ones(1), "float32")
    for t, w in [*steps, (1e-45, 0.25e45), (1e30, 1e-31)]:
        expected = np.float32(1) - np.float32(t * w)
        assert to_numpy(l1.prox(x, t, weights=w)) == expected
        assert to_numpy(l1.subdiff_distance(x, -x, t, weights=w)) == expected


def test_results_of_0d_arrays_are_arrays(library):
    x = library.asarray(1.5, "float32")
    for function in ELEMENTWISE.values():
        assert type(function(x)) is type(x)
    for function in (l1.project, l1.prox_max):
        assert type(function(x, 0.5)) is type(x)
    assert type(l1.prox_group(x, 0.5, axis=None)) is type(x)
    assert type(l1.group_subgradient(x, axis=None)) is type(x)


def test_project_with_weight_0_as_a_number_or_an_array(library):
    x = library.asarray([[inf, -1.0, 2.0]], "float32")
    zeros = library.asarray(np.zeros(3), "float32")
    for weights in (0.0, zeros):
        for axis in (None, 1):
            assert np.array_equal(to_numpy(l1.project(x, 1.0, axis=axis, weights=weights)), to_numpy(x))
            kept = l1.project(x, 1.0, axis=axis, weights=weights, nonnegative=True)
            assert np.array_equal(to_numpy(kept), [[inf, 0, 2]])
    two = l1.project([x, x], 1.0, weights=0.0)
    assert all(np.array_equal(to_numpy(one), to_numpy(x)) for one in two)


def test_structures_of_real_and_complex_arrays(library):
    x = [library.asarray([3.0], "float32"), library.asarray([1 + 1j], "complex64")]
    p = l1.project(x, 1.0)
    assert [one.dtype for one in p] == [one.dtype for one in x]
    assert to_numpy(p[0]) == 1
    assert to_numpy(p[1]) == 0
    q = l1.prox_max(x, 1.0)
    assert to_numpy(q[0]) == 2
    assert to_numpy(q[1]) == np.complex64(1 + 1j)


@pytest.mark.parametrize("t", [0.0, 1e-310, 1e-40, 0.3, 1.0])
def test_results_are_those_of_the_formula_bit_for_bit(library, t):
    """Of any length and stride, which decide on how a library's own threshold is worked."""
    for dtype in {"float32", "float64"} & set(library.dtypes):
        x = np.random.default_rng(9).standard_normal(1003).astype(dtype)
        x[:6] = [nan, inf, -inf, -0.0, 1.0, -1.0]
        exact = np.sign(x) * np.maximum(np.abs(x) - x.dtype.type(t), 0) + 0.0
        exact[1:3] = x[1:3]
        for part in (slice(None), slice(7), slice(64), slice(None, None, 2), slice(3, None)):
            p = to_numpy(l1.prox(library.asarray(x)[part], t))
            assert np.array_equal(p, exact[part], equal_nan=True)
            proximal_laws.no_negative_zeros(p)


def test_results_too_small_for_the_dtype_are_positive_zeros(library):
    half = set(library.dtypes) & {"float16", "bfloat16"}
    if not half:
        pytest.skip("the library has no half precision")
    for dtype in half:
        x = library.asarray([-1.0, 1.0], dtype)
        p = to_numpy(l1.prox(x, 1 - 1e-7))
        assert p.tolist() == [-(2**-23), 2**-23] if dtype == "bfloat16" else [0, 0]
        proximal_laws.no_negative_zeros(p)


@pytest.mark.parametrize("name", OPERATORS)
def test_dtype_shape_and_input_are_kept(library, name):
    for dtype in library.dtypes:
        if "nonnegative" in name and dtype.startswith("complex"):
            continue
        x = library.asarray(data(), dtype)
        before = to_numpy(x).tobytes()
        p = OPERATORS[name](x)
        assert type(p) is type(x)
        assert p.shape == x.shape
        if name != "subdiff_distance":
            assert p.dtype == x.dtype
        assert to_numpy(x).tobytes() == before


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (2, 3, 4)])
def test_shapes(library, shape):
    x = library.asarray(data(shape))
    for function in ELEMENTWISE.values():
        assert function(x).shape == shape
    assert l1.project(x, 1.0).shape == shape
    assert l1.prox_max(x, 1.0).shape == shape
    assert l1.prox_group(x, 1.0, axis=None).shape == shape
    assert l1.group_value(x, axis=None).shape == ()
    assert l1.strength_max(x).shape == ()


def test_vectors_that_are_not_finite(library):
    x = library.asarray([[inf, 1.0, 0.0], [nan, 1.0, 0.0], [3.0, 1.0, 0.0]], "float32")
    p = to_numpy(l1.project(x, 1.0, axis=1))
    assert np.array_equal(p, [[nan] * 3, [nan] * 3, [1, 0, 0]], equal_nan=True)
    g = to_numpy(l1.prox_group(x, 1.0, axis=1))
    assert np.array_equal(g[:2], [[inf, 1, 0], [nan, nan, nan]], equal_nan=True)
    s = to_numpy(l1.group_subgradient(x, axis=1))
    assert np.array_equal(s[:2], [[1, 0, 0], [nan, nan, nan]], equal_nan=True)


def test_nan_in_long_vectors(library):
    """Where XLA's maximum would pass over it."""
    x = data((2, 20_000))
    x[0, 3] = nan
    a = library.asarray(x)
    for p in (l1.project(a, 1.0, axis=1), l1.prox_max(a, 1.0, axis=1), l1.prox_group(a, 1.0, axis=1)):
        assert np.isnan(to_numpy(p)).all(axis=1).tolist() == [True, False]
    assert np.isnan(to_numpy(l1.project(a, 1.0))).all()
    alone = library.asarray(np.where(np.isnan(x), x, 0))
    assert np.isnan(to_numpy(l1.group_value(alone, axis=1)))
    assert np.isnan(to_numpy(l1.strength_max([a[1, :], a[0, :]])))


@pytest.mark.parametrize("size", [1e-30, 1e-20, 1.0, 1e30])
def test_shares_of_small_and_large_lengths(library, size):
    """A step of 0, of a quarter and of three quarters of the length, complex and of groups."""
    for quarters in (0, 1, 3):
        left = size * (1 - quarters / 4)
        z = library.asarray([complex(0, -size)], "complex64")
        assert np.allclose(to_numpy(l1.prox(z, size * quarters / 4)), -1j * left, rtol=1e-6, atol=0)
        group = library.asarray([[0.6 * size, -0.8 * size]], "float32")
        shrunk = to_numpy(l1.prox_group(group, size * quarters / 4, axis=1))
        assert np.allclose(shrunk, [[0.6 * left, -0.8 * left]], rtol=1e-6, atol=0)


@pytest.mark.parametrize("size", [1e-40, 1e-42])
def test_subnormal_lengths(library, size):
    if not library.variant.subnormals:
        pytest.skip("the library takes them for zero")
    z = library.asarray([complex(size, 0)], "complex64")
    for step in (0.0, size / 4, 3 * size / 4):
        assert np.allclose(to_numpy(l1.prox(z, step)), size - step, rtol=1e-2, atol=0)


def test_complex_projection_keeps_phases(library):
    x = library.asarray([3 + 4j, 0.5j, 0], "complex64")
    assert np.allclose(to_numpy(l1.project(x, 1.0)), [0.6 + 0.8j, 0, 0], atol=1e-7)
    assert np.allclose(to_numpy(l1.prox_max(x, 1.0)), [2.4 + 3.2j, 0.5j, 0], atol=1e-6)


def test_nan_beneath_a_mask_does_not_leak(library):
    x, mask = library.asarray([nan, 2.0, 0.0], "float32"), library.bool([False, True, True])
    w = library.asarray([nan, 1.0, 1.0], "float32")
    p = to_numpy(l1.prox(x, 1.0, where=mask, weights=w))
    assert np.array_equal(p, [nan, 1, 0], equal_nan=True)


@pytest.mark.parametrize("names", [list, lambda pair: dict(zip("ab", pair, strict=True))])
def test_project_of_a_pytree_with_a_number_as_weight_for_each_array(library, names):
    x = names([library.asarray(values, "float32") for values in ([3.0, 1.0], [2.0, 1.0])])
    p = l1.project(x, 4.0, weights=names([2.0, 3.0]))
    first, second = p.values() if isinstance(p, dict) else p
    np.testing.assert_allclose(to_numpy(first), [23 / 13, 0], rtol=1e-6)
    np.testing.assert_allclose(to_numpy(second), [2 / 13, 0], rtol=2e-6)


@pytest.mark.parametrize("turn", [1, -1, 1j, (3 + 4j) / 5])
def test_prox_of_complex_numbers_just_above_the_threshold(library, turn):
    """The share 1 - t/|x| alone would have three correct digits there."""
    if "complex64" not in library.dtypes:
        pytest.skip("the library has no complex64")
    x = np.asarray([1.1 * turn, 1.0999 * turn * 0.99], "complex64")
    p = to_numpy(l1.prox(library.asarray(x), 1.0999))
    expected = abs(complex(x[0])) - float(np.float32(1.0999))
    # a rounding of |x| is 1e-7 of 1.1, and therefore 1.2e-3 of what is left
    tolerance = 1e-6 if turn in {1, -1, 1j} else 2e-3
    assert abs(p[0]) == pytest.approx(expected, rel=tolerance)
    assert p[0] / abs(p[0]) == pytest.approx(turn, rel=1e-6)
    assert p[1] == 0
