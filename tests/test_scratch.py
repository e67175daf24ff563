"""The memory that torch's blocks share: no block, thread or mode sees what another left there."""

import threading

import numpy as np
import pytest

import l1_any as l1
from l1_any import _scratch

pytestmark = pytest.mark.only("torch")
SEVERAL_BLOCKS = (3, 700_000)


@pytest.fixture(params=["float16", "bfloat16", "float32", "float64", "complex64"])
def tensors(request, library):
    """An array of several blocks, a mask, weights; on the CPU, where arrays are cut into blocks."""
    if library.variant.gpu:
        pytest.skip("about the CPU's memory")
    torch = library.xp
    torch.manual_seed(0)
    dtype = getattr(torch, request.param)
    x = torch.randn(SEVERAL_BLOCKS, dtype=dtype if dtype.is_complex else torch.float64).to(dtype)
    return x, torch.rand(SEVERAL_BLOCKS) > 0.5, torch.rand(SEVERAL_BLOCKS)


def magnitudes(x):
    if x.is_complex():
        return np.abs(x.resolve_conj().numpy().astype(np.complex128))
    return np.abs(x.double().numpy())


@pytest.mark.parametrize("axis", [None, 0, ()])
def test_no_call_overwrites_the_result_of_another(tensors, axis):
    one_block = tensors[0][:, :100_000]
    found = [l1.value(x, axis=axis) for x in (one_block, one_block * 2, one_block * 4)]
    expected = magnitudes(one_block).sum(axis=axis)
    for factor, value in zip((1, 2, 4), found, strict=True):
        np.testing.assert_allclose(value.numpy(), factor * expected, rtol=3e-7)


@pytest.mark.parametrize("axis", [None, 0, 1, (), (0, 1)])
def test_no_block_overwrites_another(tensors, axis):
    for x, where, weights in (tensors, [a.mT for a in tensors]):  # neighbours in memory along either axis
        expected = np.sum(magnitudes(x) * where.numpy() * weights.numpy(), axis=axis)
        found = l1.value(x, axis=axis, where=where, weights=weights)
        np.testing.assert_allclose(found.numpy(), expected, rtol=3e-7)
        np.testing.assert_allclose(l1.value(x, axis=axis).numpy(), magnitudes(x).sum(axis=axis), rtol=3e-7)


def test_threads_do_not_share_it(tensors):
    x = tensors[0].flatten()
    arrays = [x, x[1:] * 2, x[:-1] * 3, x * 4]
    expected = [l1.value(a) for a in arrays]
    found = [[] for _ in arrays]

    def reduce_often(i):
        found[i].extend(l1.value(arrays[i]) for _ in range(10))

    threads = [threading.Thread(target=reduce_often, args=(i,)) for i in range(len(arrays))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[value] * 10 for value in expected]


def test_modes_leave_nothing_behind(tensors, library, monkeypatch):
    from torch._subclasses.fake_tensor import FakeTensorMode

    x, y = tensors[0], tensors[0][:, :200_000]
    expected = [l1.value(x), l1.value(y)]
    for mode in (library.xp.inference_mode(), FakeTensorMode(allow_non_fake_inputs=True)):
        for warm in (True, False):
            monkeypatch.setattr(_scratch, "_FREE", [])
            if warm:
                l1.value(x)
            with mode:
                assert l1.value(y).dtype == expected[1].dtype  # of a shape that is new
            assert [l1.value(x), l1.value(y)] == expected


def test_what_is_recorded_does_not_share_it(tensors, library):
    from torch.fx.experimental.proxy_tensor import make_fx

    x = tensors[0]
    l1.value(x)
    graph = make_fx(lambda x: l1.value(x * 2))(x)
    in_place = [node.target for node in graph.graph.nodes if "copy_." in str(node.target)]
    assert not in_place
    # The graph sums the whole, and the eager call blocks: in float64 not the same bits.
    few_units = 1e-15 if x.dtype == library.xp.float64 else 0
    np.testing.assert_allclose(graph(x), l1.value(x * 2), rtol=few_units)


def test_long_rows_do_not_fill_it(tensors, monkeypatch):
    x, where, weights = tensors
    if x.is_complex():
        pytest.skip("torch takes complex magnitudes in memory of its own")
    monkeypatch.setattr(_scratch, "_FREE", [])
    l1.project(x.flatten()[:2_000_000], 1.0)
    l1.value(x, where=where, weights=weights)
    (memory,) = _scratch._FREE
    assert len(memory.pieces) > 1


def test_it_stays_small(tensors):
    x, where, weights = tensors
    for _ in range(2):
        l1.value_and_subgradient(x, where=where, weights=weights)
        l1.prox(x, 0.5, where=where, weights=weights)
    assert _scratch._FREE
    assert all(sum(map(len, memory.pieces)) <= 16 * 2**20 for memory in _scratch._FREE)
