"""Several arrays in one call: one kernel for those of a type and dtype, with the results of single arrays."""

import numpy as np
import pytest

import l1_any as l1
from l1_any.testing import kernels, to_numpy, ulps

pytestmark = pytest.mark.only("numpy", "torch")
SHAPES = [(3,), (), (50, 40), (0,), (7, 1, 2), (200_000,)]


@pytest.fixture(params=[0, None], ids=["every size", "large"], autouse=True)
def _sizes(request):
    with kernels(smallest=request.param):
        yield


def arrays(library, *dtypes):
    rng = np.random.default_rng(0)
    return [
        library.asarray(rng.standard_normal(shape), dtypes[i % len(dtypes)]) for i, shape in enumerate(SHAPES)
    ]


def masks(library, xs):
    rng = np.random.default_rng(1)
    return [library.bool(rng.random(x.shape) < 0.5) if i % 2 else None for i, x in enumerate(xs)]


def same(a, b):
    np.testing.assert_array_equal(to_numpy(a), to_numpy(b))


@pytest.mark.parametrize("dtypes", [("float32",), ("float16",), ("float64",), ("float32", "float64")])
@pytest.mark.parametrize("reduce", ["sum", "mean"])
@pytest.mark.parametrize("weights", [None, 0.5, [0.5, None, 1e-3, 2.0, 0.0, 3.0]])
def test_values_and_subgradients(library, dtypes, reduce, weights):
    xs = arrays(library, *dtypes)
    where = masks(library, xs)
    options = {"reduce": reduce, "where": where, "weights": weights}
    with kernels(enabled=False):
        expected = l1.value(xs, **options), l1.subgradient(xs, **options)
    value, s = l1.value(xs, **options), l1.subgradient(xs, **options)
    assert ulps(to_numpy(value), to_numpy(expected[0]), "float64" if "float64" in dtypes else "float32") <= 4
    assert value.dtype == expected[0].dtype
    for own, other in zip(s, expected[1], strict=True):
        same(own, other)


@pytest.mark.parametrize("weights", ["array", "number"])
def test_arrays_as_weights(library, weights):
    xs = arrays(library, "float32")
    given = [abs(x) for x in xs] if weights == "array" else 2.0
    with kernels(enabled=False):
        expected = l1.value(xs, weights=given), l1.subgradient(xs, weights=given)
    same(l1.value(xs, weights=given), expected[0])
    for own, other in zip(l1.subgradient(xs, weights=given), expected[1], strict=True):
        same(own, other)


@pytest.mark.only("numpy")
def test_an_array_that_is_not_contiguous(library):
    xs = [np.ones((300, 200), np.float32), np.ones((300, 200), np.float32).T, np.ones(5, ">f4")]
    assert l1.value(xs) == 120_005
    assert [s.dtype for s in l1.subgradient(xs)] == [x.dtype for x in xs]


@pytest.mark.only("torch")
class TestAutograd:
    @pytest.mark.parametrize("dtypes", [("float32",), ("bfloat16",), ("float32", "float64")])
    @pytest.mark.parametrize("weights", [None, 0.5, [0.5, None, 1e-3, 2.0, 0.0, 3.0]])
    def test_gradients_are_the_subgradients(self, library, dtypes, weights):
        xs = [x.requires_grad_() for x in arrays(library, *dtypes)]
        where = masks(library, xs)
        l1.value(xs, where=where, weights=weights).backward()
        s = l1.subgradient(xs, where=where, weights=weights)
        for x, own in zip(xs, s, strict=True):
            same(x.grad, own)
            assert not own.requires_grad

    def test_only_some_are_recorded(self, library):
        xs = arrays(library, "float32")
        for x in xs[::2]:
            x.requires_grad_()
        total = l1.value(xs, reduce="mean")
        total.backward()
        s = l1.subgradient(xs, reduce="mean")
        for i, (x, own) in enumerate(zip(xs, s, strict=True)):
            assert (x.grad is None) == bool(i % 2)
            if x.grad is not None:
                np.testing.assert_allclose(to_numpy(x.grad), to_numpy(own), rtol=3e-7)

    def test_masks_that_no_kernel_takes(self, library):
        x = library.asarray(np.linspace(-1, 1, 100_000).reshape(1000, 100), "float32")
        where = library.bool(np.arange(1000)[:, None] % 3 > 0)
        xs = [x.clone().requires_grad_(), x.clone().requires_grad_()]
        l1.value(xs, where=[where, None]).backward()
        for own, mask in zip(xs, (where, None), strict=True):
            same(own.grad, l1.subgradient(x, where=mask))

    def test_second_derivatives_are_zero(self, library):
        import torch

        xs = [x.requires_grad_() for x in arrays(library, "float32")]
        first = torch.autograd.grad(l1.value(xs), xs, create_graph=True)
        total = sum((g * g.detach()).sum() for g in first)
        second = torch.autograd.grad(total, xs, allow_unused=True)
        assert all(g is None or not g.any() for g in second)

    def test_weights_that_need_a_gradient(self, library):
        xs = [x.requires_grad_() for x in arrays(library, "float32")]
        w = [library.asarray(np.full(x.shape, 0.5), "float32").requires_grad_() for x in xs]
        l1.value(xs, weights=w).backward()
        for x, own in zip(xs, w, strict=True):
            same(own.grad, abs(x.detach()))
            same(x.grad, 0.5 * l1.subgradient(x))

    def test_one_array_twice(self, library):
        x = library.asarray(np.linspace(-1, 1, 100_000), "float32").requires_grad_()
        l1.value([x, x]).backward()
        same(x.grad, 2 * x.detach().sign())

    def test_under_transformations(self, library):
        import torch

        xs = tuple(arrays(library, "float32"))
        grads = torch.func.grad(lambda xs: l1.value(list(xs)))(xs)
        for g, x in zip(grads, xs, strict=True):
            same(g, x.sign())
