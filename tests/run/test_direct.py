"""The short way of one array with default options gives the results of the general way, which a list of it takes."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

import l1_any as l1
from l1_any.testing import to_numpy

pytestmark = pytest.mark.only("numpy", "torch")

SIZES = [0, 1, 7, 255, 511, 513, 1000, (1 << 15) - 1, 1 << 15, (1 << 15) + 1, 70_001]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9)
# Numbers whose sums are exact in float64, so that no order of the additions can matter.
NUMBERS = st.one_of(
    st.integers(-(2**10), 2**10).map(lambda n: n / 64),
    st.sampled_from([0.0, -0.0, np.inf, -np.inf, np.nan]),
)


def same(a, b, library):
    a, b = to_numpy(a), to_numpy(b)
    assert a.dtype == b.dtype
    assert a.shape == b.shape
    np.testing.assert_array_equal(a, b)
    assert not np.signbit(a[a == 0]).any()


def drawn(library, size, dtype):
    return library.asarray(np.random.default_rng(size).integers(-1000, 1000, size) / 64, dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("size", SIZES)
class TestSizes:
    """Sizes on both sides of every limit at which the way changes."""

    def test_value(self, library, size, dtype):
        x = drawn(library, size, dtype)
        same(l1.value(x), l1.value([x]), library)

    def test_prox(self, library, size, dtype):
        x = drawn(library, size, dtype)
        same(l1.prox(x, 0.5), l1.prox([x], 0.5)[0], library)

    @pytest.mark.only("torch")
    def test_gradient(self, library, size, dtype):
        x = drawn(library, size, dtype).requires_grad_()
        value = l1.value(x)
        value.backward()
        same(value.detach(), l1.value([x.detach()]), library)
        np.testing.assert_array_equal(to_numpy(x.grad), to_numpy(l1.subgradient([x.detach()])[0]))


@given(
    x=hnp.arrays(np.float32, SHAPES, elements=NUMBERS.map(np.float32)),
    step=st.sampled_from([0.0, 1e-40, 0.5, 3.0]),
)
def test_any_shape_and_number(library, x, step):
    own = library.asarray(x, "float32")
    same(l1.value(own), l1.value([own]), library)
    a, b = to_numpy(l1.prox(own, step)), to_numpy(l1.prox([own], step)[0])
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(np.signbit(a), np.signbit(b))


@pytest.mark.only("numpy")
@pytest.mark.parametrize("size", [100, 40_000])
def test_byte_order(size):
    x = np.linspace(-1, 1, size).astype(">f4")
    assert l1.prox(x, 0.1).dtype == x.dtype
    assert l1.value(x) == l1.value(x.astype("f4"))


@pytest.mark.only("torch")
def test_a_lazily_negated_tensor():
    import torch

    x = torch.conj(torch.complex(torch.ones(9), torch.linspace(-1, 1, 9))).imag
    assert x.is_neg()
    same_as = x.clone()
    assert l1.value(x) == l1.value(same_as)
    assert torch.equal(l1.prox(x, 0.25), l1.prox(same_as, 0.25))


@pytest.mark.only("torch")
@pytest.mark.parametrize("size", [100, 40_000])
def test_second_derivative_is_zero(size):
    import torch

    x = torch.linspace(-1, 1, size, requires_grad=True)
    (g,) = torch.autograd.grad(l1.value(x), x, create_graph=True)
    again = torch.autograd.grad(g.sum() + (g * x.detach()).sum(), x, allow_unused=True)[0]
    assert again is None or not again.any()


@pytest.mark.only("torch")
@pytest.mark.parametrize("size", [100, 40_000, 300_000])
def test_a_lazily_negated_gradient(size):
    import torch

    g = torch.complex(torch.tensor(1.0), torch.tensor(2.0)).conj().imag
    assert g.is_neg()
    x = torch.linspace(-1, 1, size, requires_grad=True)
    l1.value(x).backward(g)
    assert torch.equal(x.grad, -2 * x.detach().sign())
