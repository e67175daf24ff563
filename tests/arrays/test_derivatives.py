"""The derivatives of the operators: at kinks, at small lengths, and beside differences."""

import math

import numpy as np
import pytest
from operators import ALONG_AN_AXIS, KINKS, OPERATORS, SCALARS, data, gradients

import l1_any as l1
from l1_any.testing import to_numpy

nan = math.nan
SLOPES = [1, 0, 0, 0, 0, 0, 0, 1, 1]


@pytest.mark.only("torch")
@pytest.mark.parametrize("step", [0.0, 0.25, 0.75])
def test_gradients_at_small_lengths(library, step):
    import torch

    z = library.asarray([complex(1e-20, 0)], "complex64").requires_grad_()
    (g,) = torch.autograd.grad(l1.prox(z, 1e-20 * step).real.sum(), z)
    assert np.allclose(to_numpy(g), 1, rtol=1e-5)
    x = library.asarray([[6e-151, 8e-151]], "float64").requires_grad_()
    (g,) = torch.autograd.grad(l1.prox_group(x, 1e-150 * step, axis=1).sum(), x)
    assert np.allclose(to_numpy(g), 1 - step + 1.4 * step * np.asarray([[0.6, 0.8]]), rtol=1e-12)


@pytest.mark.only("torch", "jax")
@pytest.mark.parametrize(
    ("function", "slopes"),
    [
        (lambda x: l1.prox(x, 1.0), SLOPES),
        (lambda x: l1.prox(x, 1.0, nonnegative=True), [0, 0, 0, 0, 0, 0, 0, 1, 1]),
        (lambda x: l1.prox_elastic_net(x, 2.0, l1_ratio=0.5), [s / 2 for s in SLOPES]),
        (lambda x: l1.subdiff_distance(x * 0, x, 1.0), [-1, 0, 0, 0, 0, 0, 0, 1, nan]),
    ],
    ids=["prox", "nonnegative", "elastic net", "distance"],
)
def test_derivatives_at_the_kinks(library, function, slopes):
    values = KINKS[: -1 if math.isnan(slopes[-1]) else None]
    v, found = gradients(library, function, values)
    for way, g in found.items():
        assert np.allclose(to_numpy(g), np.asarray(slopes[: len(values)]) * v, rtol=1e-6), way


@pytest.mark.only("torch", "jax")
@pytest.mark.parametrize("name", [*ALONG_AN_AXIS, *SCALARS])
def test_derivatives_are_those_of_differences(library, name):
    if name == "group_subgradient":
        pytest.skip("a subgradient is a constant")
    function = (OPERATORS | SCALARS)[name]
    values = data((6,))
    v, found = gradients(library, function, values)
    h = 1e-6
    wide = values.astype(float)
    expected = [
        np.sum(v * (function(wide + h * e) - function(wide - h * e))) / (2 * h) for e in np.eye(len(wide))
    ]
    for way, g in found.items():
        assert np.allclose(to_numpy(g), expected, rtol=1e-4, atol=1e-5), way
