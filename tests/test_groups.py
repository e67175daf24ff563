"""The norms of groups, their subgradients and proximal operators, at extreme magnitudes."""

import math

import numpy as np
import proximal_laws
import pytest
from operators import gradients

import l1_any as l1
from l1_any.testing import to_numpy


def test_groups_of_the_largest_magnitudes(library):
    x = library.asarray([[9e37, 1.0], [3e38, 1e38]], "float32")
    norms = np.asarray([9e37, math.hypot(3e38, 1e38)])
    assert np.allclose(to_numpy(l1.group_value(x[:1, :], axis=1)), norms[0], rtol=1e-6)
    s = to_numpy(l1.group_subgradient(x, axis=1))
    assert np.allclose(s, [[1, 0], [3 / math.sqrt(10), 1 / math.sqrt(10)]], rtol=1e-6)
    p = to_numpy(l1.prox_group(x, 1e37, axis=1))
    assert np.allclose(p, to_numpy(x) * (1 - 1e37 / norms[:, None]), rtol=1e-6)


def test_groups_whose_squares_leave_the_dtype(library):
    x = library.asarray([[3e-25, 4e-25], [3e25, 4e25], [0.0, -0.0]], "float32")
    assert np.allclose(to_numpy(l1.group_subgradient(x, axis=1)), [[0.6, 0.8], [0.6, 0.8], [0, 0]], rtol=1e-6)
    assert np.isclose(to_numpy(l1.group_value(x, axis=1)), 5e25, rtol=1e-6)
    p = to_numpy(l1.prox_group(x, 0.0, axis=1))
    assert np.allclose(p, to_numpy(x), rtol=1e-6, atol=0)
    proximal_laws.no_negative_zeros(p)


@pytest.mark.only("torch", "jax")
def test_derivative_of_a_zero_group_is_zero(library):
    for function in (lambda x: l1.group_value(x, axis=0), lambda x: l1.prox_group(x, 1.0, axis=0)):
        _, found = gradients(library, function, [0.0, -0.0])
        for g in found.values():
            assert to_numpy(g).tolist() == [0, 0]


def test_a_group_of_one_element_has_its_magnitude_as_norm(library):
    x = library.asarray([[-3.0], [0.0], [0.5]], "float32")
    assert float(to_numpy(l1.group_value(x, axis=1))) == 3.5
    assert np.array_equal(to_numpy(l1.group_subgradient(x, axis=1)), [[-1], [0], [1]])
    assert np.allclose(to_numpy(l1.prox_group(x, 1.0, axis=1)), [[-2], [0], [0]], rtol=1e-6, atol=0)
    assert float(to_numpy(l1.group_value(x[:1, ...], axis=None))) == 3


def test_a_group_of_no_elements_has_norm_0(library):
    x = library.asarray(np.zeros((3, 0)), "float32")
    assert float(to_numpy(l1.group_value(x, axis=1))) == 0
    for function in (lambda x: l1.group_subgradient(x, axis=1), lambda x: l1.prox_group(x, 1.0, axis=1)):
        assert tuple(function(x).shape) == (3, 0)


def test_weights_of_a_mean_are_divided_in_the_precision_of_the_sum(library):
    if "float64" not in library.dtypes:
        pytest.skip("no float64")
    x = library.asarray(np.ones((3, 1)), "float64")
    w = np.asarray([[0.1], [0.2], [0.3]], np.float32)
    s = to_numpy(l1.group_subgradient(x, axis=1, weights=library.asarray(w, "float32"), reduce="mean"))
    assert np.allclose(s, w.astype(float) / 3, rtol=1e-15, atol=0)


def test_a_complex_group_of_infinite_norm_is_unchanged(library):
    if "complex64" not in library.dtypes:
        pytest.skip("no complex numbers")
    x = np.asarray([complex(np.inf, 2), 1 - 1j], np.complex64)
    assert np.array_equal(to_numpy(l1.prox_group(library.asarray(x, "complex64"), 0.5, axis=0)), x)
