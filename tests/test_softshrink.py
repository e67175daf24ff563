"""torch's own soft threshold on the CPU: no zero has a sign, however torch parts the array among its threads."""

import numpy as np
import pytest

import l1_any as l1
from l1_any import _softshrink

pytestmark = pytest.mark.only("torch")
UNEVEN = _softshrink.LARGE + 77
SIZES = [_softshrink.LARGE, _softshrink.LARGE + 1, UNEVEN, 2 * _softshrink.LARGE - 31]


@pytest.fixture(params=["float32", "float64"])
def dtype(request, library):
    if library.variant.gpu:
        pytest.skip("about the CPU's threads")
    return getattr(library.xp, request.param)


@pytest.fixture(params=[1, 2, 3, 5, 17])
def threads(request):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def bits(x):
    return np.asarray(x).view(f"i{x.element_size()}")


@pytest.mark.parametrize("n", SIZES)
def test_zeros_are_positive(dtype, threads, n):
    import torch

    for view in (slice(None), slice(1, None), slice(None, None, 2)):
        assert not torch.signbit(l1.prox(torch.full((n,), -0.0, dtype=dtype)[view], 0.5)).any()


def test_bits_are_those_of_the_formula(dtype, threads):
    import torch

    x = torch.randn(SIZES[-1], dtype=dtype, generator=torch.Generator().manual_seed(threads))
    special = torch.tensor([float("nan"), float("inf"), -float("inf"), 0.5, -0.5, -0.0], dtype=dtype)
    for part in x.chunk(threads):  # at the ends of what each thread takes
        part[:6] = part[-6:] = special
    expected = x - x.clamp(-0.5, 0.5)
    p = l1.prox(x, 0.5)
    same = bits(p) == bits(expected)
    assert np.all(same | np.isnan(expected.numpy()))
    assert np.array_equal(np.isnan(p.numpy()), np.isnan(x.numpy()))


def test_torch_leaves_negative_zeros(dtype):
    import torch

    x = torch.full((UNEVEN,), -0.0, dtype=dtype)
    assert torch.signbit(torch.nn.functional.softshrink(x, 0.5)).any()  # or all of this could go


def test_what_is_not_found_where_it_is_looked_for_is_looked_for_everywhere(dtype, monkeypatch):
    import torch

    monkeypatch.setattr(_softshrink, "TAIL", 1)
    x = torch.full((UNEVEN,), -0.0, dtype=dtype)
    p = torch.nn.functional.softshrink(x, 0.5)
    assert torch.signbit(_softshrink._mended(p, torch.get_num_threads())).any()
    _softshrink._zeros_are_positive.cache_clear()
    try:
        assert not torch.signbit(l1.prox(x, 0.5)).any()
        assert not _softshrink._zeros_are_positive(torch.get_num_threads(), dtype)
    finally:
        _softshrink._zeros_are_positive.cache_clear()


def test_parts_are_relied_upon(dtype):
    """Else prox takes an eighth longer."""
    import torch

    assert _softshrink._zeros_are_positive(torch.get_num_threads(), dtype)


def test_a_mode_that_replaces_what_is_done(dtype):
    from torch.utils._python_dispatch import TorchDispatchMode

    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            return func(*args, **(kwargs or {}))

    import torch

    x = torch.full((UNEVEN,), -0.0, dtype=dtype)
    with Mode():
        assert not torch.signbit(l1.prox(x, 0.5)).any()
