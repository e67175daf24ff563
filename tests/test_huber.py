"""Huber's penalty: its largest values, its gradient, and what lies beneath a mask."""

import math

import numpy as np
import pytest
from operators import KINKS

import l1_any as l1
from l1_any.testing import to_numpy


@pytest.mark.only(
    "numpy", "strict", "torch", "dask"
)  # XLA multiplies by reciprocals, and takes subnormals for zero
def test_huber_of_the_largest_magnitudes(library):
    x = library.asarray([1e37, -2e38], "float32")
    assert np.isclose(to_numpy(l1.huber(x, 8e37)), 1e37 / 16 + 1.6e38, rtol=1e-6)
    assert np.isclose(to_numpy(l1.huber(x, 1.8e38)), 1e37 * (1e37 / 3.6e38) + 1.1e38, rtol=1e-6)


@pytest.mark.only("torch", "jax")
def test_huber_derives_to_its_gradient(library):
    x = library.asarray([*KINKS[:-1], math.inf, -math.inf], "float32")
    expected = to_numpy(l1.huber_gradient(x, 1.0))
    assert expected.tolist() == [-1, -1, -0.5, 0, 0, 0.5, 1, 1, 1, -1]
    if library.name == "jax":
        import jax

        assert np.array_equal(jax.grad(lambda x: l1.huber(x, 1.0))(x), expected)
        curvature = np.diag(jax.hessian(lambda x: l1.huber(x, 1.0))(x))
    else:
        import torch

        leaf = x.clone().requires_grad_()
        (g,) = torch.autograd.grad(l1.huber(leaf, 1.0), leaf, create_graph=True)
        assert np.array_equal(to_numpy(g), expected)
        (second,) = torch.autograd.grad(g.sum(), leaf)
        curvature = to_numpy(second)
    assert curvature.tolist() == [0, 1, 1, 1, 1, 1, 1, 0, 0, 0]


def test_nan_beneath_a_mask_does_not_leak(library):
    x, mask = library.asarray([math.nan, 2.0, 0.0], "float32"), library.bool([False, True, True])
    w = library.asarray([math.nan, 1.0, 1.0], "float32")
    assert to_numpy(l1.huber(x, 1.0, where=mask, weights=w)) == 1.5
    assert to_numpy(l1.huber_gradient(x, 1.0, where=mask, weights=w)).tolist() == [0, 1, 0]
