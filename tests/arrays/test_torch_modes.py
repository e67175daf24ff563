"""torch's modes, which watch or replace what is done: they see no buffer of ours, and leave nothing behind."""

import concurrent.futures
import functools

import numpy as np
import pytest

import l1_any as l1
from l1_any.testing import to_numpy, ulps

pytestmark = pytest.mark.only("torch")

N = 2_100_000  # more than a block of any kind has
FUNCTIONS = {
    "value": l1.value,
    "masked mean": lambda x: l1.value(x, axis=0, reduce="mean", where=x > 0, weights=0.5),
    "subgradient": lambda x: l1.subgradient(x, reduce="mean"),
    "both": lambda x: l1.value_and_subgradient(x)[1],
    "norm": l1.subgradient_norm,
    "prox": lambda x: l1.prox(x, 0.3),
    "project": lambda x: l1.project(x, 10.0),
    "group": lambda x: l1.group_value(x, axis=1),
}


def data(seed=0):
    import torch

    return torch.randn(N // 500, 500, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=FUNCTIONS)
def function(request):
    return FUNCTIONS[request.param]


@pytest.fixture
def x(library):
    return data().to(library.device)


def same(a, b):
    """Blocks and compilers add up in another order; what is elementwise has the same bits."""
    a, b = to_numpy(a.detach()), to_numpy(b.detach())
    return np.array_equal(a, b) if a.ndim > 1 and a.size == N else np.allclose(a, b, rtol=1e-6, atol=0)


def unchanged_afterwards(function, x, before):
    """A plain call gives what it gave before, to the bit, and its result can be recorded."""
    import torch

    after = function(x)
    assert type(after) is torch.Tensor
    assert not after.is_inference()
    assert after.numpy(force=True).tobytes() == before.numpy(force=True).tobytes()
    leaf = x.clone().requires_grad_()
    l1.value(leaf).backward()
    assert torch.equal(leaf.grad, x.sign())


def test_inference_mode(function, x):
    import torch

    before = function(x)
    with torch.inference_mode():
        inside = function(x)
        of_inference_tensor = function(x.clone())
    assert inside.is_inference()
    assert same(inside, before)
    assert same(of_inference_tensor, before)
    unchanged_afterwards(function, x, before)


def test_fake_tensors(function, x):
    from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

    before = function(x)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        for each in (x, mode.from_tensor(x)):
            fake = function(each)
            assert isinstance(fake, FakeTensor)
            assert (fake.shape, fake.dtype) == (before.shape, before.dtype)
    unchanged_afterwards(function, x, before)


@pytest.mark.parametrize("tracing_mode", ["real", "fake", "symbolic"])
def test_a_graph_of_make_fx_computes_new_data(function, x, tracing_mode):
    from torch.fx.experimental.proxy_tensor import make_fx

    before = function(x)
    # A lambda, since make_fx counts the parameters of what it traces.
    graph = make_fx(lambda x: function(x), tracing_mode=tracing_mode)(x)  # noqa: PLW0108
    for other in (x, data(1).to(x.device)):
        assert same(graph(other), function(other))
    unchanged_afterwards(function, x, before)


@pytest.mark.parametrize("policy", ["MUST_SAVE", "PREFER_RECOMPUTE"])
def test_selective_checkpoints(x, policy):
    import torch
    from torch.utils import checkpoint

    chosen = checkpoint.CheckpointPolicy[policy]
    contexts = functools.partial(
        checkpoint.create_selective_checkpoint_contexts, lambda *args, **kwargs: chosen
    )
    for function in (
        l1.value,
        lambda x: l1.value(x, weights=x.detach() + 9),
        lambda x: (x * l1.subgradient(x, weights=x.detach() + 9)).sum(),
        lambda x: l1.prox(x, 0.3).sum(),
        lambda x: l1.project(x, 10.0).sum(),
    ):
        leaf = x.clone().requires_grad_()
        (expected,) = torch.autograd.grad(function(leaf * 2), leaf)
        loss = checkpoint.checkpoint(
            lambda x, f=function: f(x * 2), leaf, use_reentrant=False, context_fn=contexts
        )
        (g,) = torch.autograd.grad(loss, leaf)
        assert torch.allclose(g, expected, rtol=1e-6, atol=1e-7)
    unchanged_afterwards(l1.value, x, l1.value(x))


def test_flop_counter(function, x):
    from torch.utils.flop_counter import FlopCounterMode

    before = function(x)
    with FlopCounterMode(display=False):
        inside = function(x)
    assert same(inside, before)
    unchanged_afterwards(function, x, before)


def test_saved_tensors_are_the_callers_own(x):
    """What autograd keeps of a large array is the array, and no copy of it."""
    import torch

    x.requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        l1.value(x).backward()
    assert {t.data_ptr() for t in kept if t.numel() == N} <= {x.data_ptr()}
    assert torch.equal(x.grad, x.detach().sign())


def test_threads_do_not_meet(library):
    arrays = [data(seed).to(library.device) * (seed + 1) for seed in range(3)]
    exact = [np.sum(np.abs(to_numpy(x)), dtype=float) for x in arrays]

    def work(i):
        x = arrays[i % len(arrays)]
        v, s = l1.value_and_subgradient(x)
        p = l1.prox(x, 0.3)
        q = l1.project(x[:2], 1.0, axis=1)
        leaf = x.clone().requires_grad_()
        l1.value(leaf).backward()
        return l1.value(x), v, s, p, q, leaf.grad

    alone = [work(i) for i in range(len(arrays))]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, range(2 * len(arrays))))
    for i, results in enumerate(found):
        for got, expected in zip(results, alone[i % len(arrays)], strict=True):
            assert to_numpy(got).tobytes() == to_numpy(expected).tobytes()
        assert ulps(to_numpy(results[0]), exact[i % len(arrays)], "float32") <= 1


def test_modes_of_other_threads_are_not_met(library):
    """One thread traces while another calculates."""
    from torch.fx.experimental.proxy_tensor import make_fx

    x = data().to(library.device)
    expected = l1.value(x)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        graphs = pool.submit(lambda: [make_fx(lambda x: l1.prox(x, 0.3))(x) for _ in range(5)])
        values = [l1.value(x) for _ in range(20)]
        traced = graphs.result()
    assert all(v == expected for v in values)
    assert same(traced[-1](x), l1.prox(x, 0.3))
