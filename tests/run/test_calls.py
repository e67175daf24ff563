"""How many Python calls a call on a small array takes: the cost that no kernel can hide.

Counted are the frames of every library, on 1000 numbers of float32, after a warm-up. Counts are the same on every
machine; times are not.
"""

import sys

import numpy as np
import pytest

import l1_any as l1
from l1_any._kernels import table
from l1_any.testing import kernels

pytestmark = pytest.mark.only("numpy", "torch")


def calls(function):
    """Return how many Python functions a function calls."""
    function()
    function()  # what is looked up, imported and cached is there now
    count = 0

    def profile(frame, event, arg):
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count - 1  # the function itself


@pytest.fixture(params=["kernels", "formulas"], autouse=True)
def which(request):
    """With the table of kernels as it is, where 1000 elements are few, and without kernels."""
    with kernels(enabled=request.param == "kernels"):
        table._USED.clear()
        yield


@pytest.fixture
def x(library):
    return library.asarray(np.random.default_rng(0).standard_normal(1000), "float32")


class TestFunctions:
    def test_value(self, library, x):
        assert calls(lambda: l1.value(x)) <= (9 if library.name == "numpy" else 15)

    @pytest.mark.only("torch")
    def test_forward_and_backward(self, library, x):
        x.requires_grad_()

        def both():
            x.grad = None
            l1.value(x).backward()

        assert calls(both) <= 30

    def test_mean_along_an_axis(self, library, x):
        rows = library.xp.reshape(x, (10, 100))
        assert calls(lambda: l1.value(rows, axis=0, reduce="mean")) <= 30

    def test_mask(self, library, x):
        mask = x > 0
        # torch is asked for its state, and whether each tensor is recorded, transformed or distributed.
        assert calls(lambda: l1.value(x, where=mask)) <= (25 if library.name == "numpy" else 34)

    def test_value_and_subgradient(self, library, x):
        # Each of sum and sign looks for a kernel. torch is asked for its state, and its sign is three operations.
        assert calls(lambda: l1.value_and_subgradient(x)) <= (27 if library.name == "numpy" else 37)

    def test_prox(self, library, x):
        assert calls(lambda: l1.prox(x, 0.1)) <= 13


@pytest.mark.parametrize("records", [False, True])
def test_a_list_of_50_arrays(library, records):
    x = [library.asarray(np.linspace(-1, 1, 20), "float32") for _ in range(50)]
    if records:
        if library.name != "torch":
            pytest.skip("NumPy has no automatic differentiation")
        x = [each.requires_grad_() for each in x]
    assert calls(lambda: l1.value(x)) <= 700


@pytest.mark.parametrize("records", [False, True])
@pytest.mark.parametrize("target", ["probs", ("delta", "reference")])
def test_a_pipeline_with_gradient_norms(library, x, target, records):
    lp = -library.xp.abs(x)
    data = {"reference": lp * 1.1}
    if records:
        if library.name != "torch":
            pytest.skip("NumPy has no automatic differentiation")
        lp.requires_grad_()
    pipe = l1.Pipeline(l1.L1Regularizer(), [l1.Term(l1.L1Regularizer(target), weight=0.1)])
    assert calls(lambda: pipe(data, lp)) <= 330
