"""`ProximalL1` is the torch optimizer that it wraps, with a threshold after each step."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch_runs import INNER, backward, make_model, soft_threshold

import l1_any as l1
from l1_any.testing import kernels


@pytest.mark.parametrize("make_inner", INNER.values(), ids=INNER)
def test_step_is_the_inner_step_and_then_a_threshold(make_inner):
    model = make_model()
    twin = copy.deepcopy(model)
    inner = make_inner(twin.parameters())
    optimizer = l1.optim.ProximalL1(make_inner(model.parameters()), strength=4.0)
    for step in range(5):
        for net, opt in ((model, optimizer), (twin, inner)):
            opt.zero_grad()
            backward(net, step)
            opt.step()
        with torch.no_grad():
            for p in twin.parameters():
                p.copy_(soft_threshold(p, float(inner.param_groups[0]["lr"]) * 4.0))
        for p, q in zip(model.parameters(), twin.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=0, atol=1e-7)
            assert torch.equal(p == 0, q == 0)
    assert optimizer.sparsity()[0] > 0


def test_zeros_are_positive_and_reported():
    p = nn.Parameter(torch.tensor([0.05, -0.05, -0.0, 1.0]))
    optimizer = l1.optim.ProximalL1(torch.optim.SGD([p], lr=0.1), strength=1.0)
    p.grad = torch.zeros(4)
    optimizer.step()
    torch.testing.assert_close(p.detach(), torch.tensor([0.0, 0.0, 0.0, 0.9]))
    assert not p[:3].signbit().any()
    assert optimizer.sparsity() == [0.75]


def test_learning_rate_of_one_dimension_suits_a_parameter_of_none():
    p = nn.Parameter(torch.tensor(1.0))
    inner = torch.optim.AdamW([p], lr=torch.tensor([0.1]), weight_decay=0.0, foreach=False)
    optimizer = l1.optim.ProximalL1(inner, strength=2.0)
    p.grad = torch.zeros(())
    optimizer.step()
    torch.testing.assert_close(p.detach(), torch.tensor(0.8))


def test_complex_parameters_keep_their_phase():
    p = nn.Parameter(torch.tensor([3 + 4j, 0.03 - 0.04j]))
    optimizer = l1.optim.ProximalL1(torch.optim.SGD([p], lr=0.1), strength=10.0)
    p.grad = torch.zeros_like(p)
    optimizer.step()
    torch.testing.assert_close(p.detach(), torch.tensor([2.4 + 3.2j, 0j]))
    assert optimizer.sparsity() == [0.5]


def test_it_is_the_inner_optimizer_to_its_callers():
    model = make_model()
    inner = torch.optim.AdamW(model.parameters(), lr=0.1)
    optimizer = l1.optim.ProximalL1(inner, strength=0.1)
    assert isinstance(optimizer, torch.optim.Optimizer)
    assert optimizer.param_groups is inner.param_groups
    assert optimizer.state is inner.state
    assert optimizer.defaults is inner.defaults
    backward(model)
    optimizer.zero_grad()
    assert all(p.grad is None for p in model.parameters())
    assert "strength: 0.1" in repr(optimizer)


def test_parameters_without_gradient_are_left_alone():
    used, unused = nn.Parameter(torch.full((3,), 0.05)), nn.Parameter(torch.full((3,), 0.05))
    optimizer = l1.optim.ProximalL1(torch.optim.SGD([used, unused], lr=0.1), strength=1.0)
    used.sum().backward()
    optimizer.step()
    assert torch.equal(unused, torch.full((3,), 0.05))
    assert optimizer.sparsity() == [0.5]


def test_tied_parameters_are_thresholded_once():
    first = nn.Parameter(torch.ones(2, 3))
    second = nn.Parameter(first.data.T)
    optimizer = l1.optim.ProximalL1(torch.optim.SGD([first, second], lr=0.1), strength=1.0)
    first.grad, second.grad = torch.zeros(2, 3), torch.zeros(3, 2)
    optimizer.step()
    torch.testing.assert_close(first.detach(), torch.full((2, 3), 0.9))


@pytest.mark.parametrize(
    ("first", "second", "factors"),
    [
        (lambda w: w, lambda w: w.view(2, 3), [1, 1, 1, 1, 1, 1]),
        (lambda w: w.view(2, 3).T, lambda w: w, [1, 1, 1, 1, 1, 1]),
        (lambda w: w.view(1, 2, 3), lambda w: w.view(3, 2), [1, 1, 1, 1, 1, 1]),
        (lambda w: w[:3], lambda w: w[3:], [1, 1, 1, 1, 1, 1]),
        (lambda w: w[::2], lambda w: w[1::2], [1, 1, 1, 1, 1, 1]),
        (lambda w: w[::2], lambda w: w[:3], [2, 1, 2, 0, 1, 0]),
    ],
)
def test_views_of_one_tensor(first, second, factors):
    w = torch.ones(6)
    parameters = [nn.Parameter(first(w)), nn.Parameter(second(w))]
    for p in parameters:
        p.grad = torch.zeros_like(p)
    l1.optim.ProximalL1(torch.optim.SGD(parameters, lr=0.1), strength=1.0).step()
    torch.testing.assert_close(w, 1 - 0.1 * torch.tensor(factors))


def test_axes_of_numpy_are_saved_as_numbers(tmp_path):
    inner = torch.optim.SGD([nn.Parameter(torch.ones(3, 2))], lr=0.1)
    optimizer = l1.optim.ProximalL1(inner, strength=1.0, group_axis=(np.int64(0), np.int64(1)))
    torch.save(optimizer.state_dict(), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["param_groups"][0]["group_axis"] == (0, 1)


def test_a_module_used_twice_is_thresholded_once():
    layer = nn.Linear(4, 4, bias=False)
    model = nn.Sequential(layer, layer)
    before = layer.weight.detach().clone()
    optimizer = l1.optim.ProximalL1(torch.optim.SGD(model.parameters(), lr=0.1), strength=1.0)
    layer.weight.grad = torch.zeros(4, 4)
    optimizer.step()
    torch.testing.assert_close(layer.weight.detach(), soft_threshold(before, 0.1))


@pytest.mark.parametrize("fused", [False, True])
def test_no_temporary_is_larger_than_one_parameter(fused):
    if fused:
        pytest.importorskip("numba", reason="the kernels for a CPU need it")
    n = 1 << 20
    parameters = [nn.Parameter(torch.randn(n)) for _ in range(4)]
    optimizer = l1.optim.ProximalL1(torch.optim.SGD(parameters, lr=0.1, foreach=False), strength=1.0)
    for p in parameters:
        p.grad = torch.zeros(n)
    pointers = [p.data_ptr() for p in parameters]
    with (
        torch.profiler.profile(
            profile_memory=True, activities=[torch.profiler.ProfilerActivity.CPU]
        ) as profile,
        kernels(enabled=fused),
    ):
        optimizer.step()
    held = peak = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    assert peak == 0 if fused else n * 4 <= peak < n * 4 * 1.75
    assert [p.data_ptr() for p in parameters] == pointers


class TestWholeSlices:
    def test_rows_go_to_zero_together(self):
        p = nn.Parameter(torch.tensor([[0.3, 0.4], [3.0, -4.0]]))
        optimizer = l1.optim.ProximalL1(torch.optim.SGD([p], lr=0.5), strength=2.0, group_axis=1)
        p.grad = torch.zeros(2, 2)
        optimizer.step()
        torch.testing.assert_close(p.detach(), torch.tensor([[0.0, 0.0], [2.4, -3.2]]))
        assert optimizer.sparsity() == [0.5]

    def test_channels_of_a_convolution(self):
        torch.manual_seed(0)
        conv = nn.Conv2d(3, 8, 3, bias=False)
        optimizer = l1.optim.ProximalL1(
            torch.optim.SGD(conv.parameters(), lr=1.0), strength=0.6, group_axis=(1, 2, 3)
        )
        conv.weight.grad = torch.zeros_like(conv.weight)
        norms = torch.linalg.vector_norm(conv.weight.detach(), dim=(1, 2, 3))
        optimizer.step()
        after = torch.linalg.vector_norm(conv.weight.detach(), dim=(1, 2, 3))
        torch.testing.assert_close(after, (norms - 0.6).clamp(min=0))
        assert torch.equal((conv.weight == 0).all((1, 2, 3)), norms <= 0.6)
        assert 0 < (norms <= 0.6).sum() < 8

    def test_each_group_has_its_own_axis(self):
        a, b = nn.Parameter(torch.full((2, 2), 0.6)), nn.Parameter(torch.full((2, 2), 0.6))
        inner = torch.optim.SGD([{"params": [a], "group_axis": 0}, {"params": [b]}], lr=1.0)
        optimizer = l1.optim.ProximalL1(inner, strength=0.7)
        a.grad, b.grad = torch.zeros(2, 2), torch.zeros(2, 2)
        optimizer.step()
        assert optimizer.sparsity() == [0.0, 1.0]


def test_parameters_that_share_a_part_of_their_memory_are_thresholded_in_turn():
    memory = torch.linspace(-1, 1, 100_000)
    parameters = [nn.Parameter(memory[:60_000]), nn.Parameter(memory[40_000:])]
    optimizer = l1.optim.ProximalL1(torch.optim.SGD(parameters, lr=1.0), strength=0.25)
    for p in parameters:
        p.grad = torch.zeros_like(p)
    expected = memory.clone()
    for part in (expected[:60_000], expected[40_000:]):
        part.copy_(soft_threshold(part, 0.25))
    with kernels(smallest=0):
        optimizer.step()
    assert torch.equal(memory, expected)


@pytest.mark.parametrize("smallest", [0, None])
def test_autograd_notices_that_a_step_writes(smallest):
    """A backward pass through an old value of a parameter is an error, as with every optimizer of torch."""
    p = nn.Parameter(torch.linspace(-1, 1, 100_000))
    optimizer = l1.optim.ProximalL1(torch.optim.SGD([p], lr=1.0), strength=0.5)
    p.grad = torch.zeros_like(p)
    loss = (p * p).sum()
    with kernels(smallest=smallest):
        before = p._version
        optimizer.step()
    assert p._version > before
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
