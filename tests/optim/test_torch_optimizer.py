"""`ProximalL1` is the torch optimizer that it wraps, with a threshold after each step."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch_runs import INNER, backward, make_model, soft_threshold

import l1_any as l1

INNER = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "sgd foreach": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, foreach=True),
    "sgd fused": lambda p: torch.optim.SGD(p, lr=0.1, fused=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, foreach=False),
    "adamw foreach": lambda p: torch.optim.AdamW(p, lr=0.01, foreach=True),
    "adamw fused": lambda p: torch.optim.AdamW(p, lr=0.01, fused=True),
    "adamw tensor lr": lambda p: torch.optim.AdamW(p, lr=torch.tensor(0.01), foreach=False),
    "adamw 1-d tensor lr": lambda p: torch.optim.AdamW(p, lr=torch.tensor([0.01]), foreach=False),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01),
}


def soft_threshold(x, t):
    return x.sign() * (x.abs() - t).clamp(min=0)


def make_model(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, 6), nn.LayerNorm(6), nn.Tanh(), nn.Linear(6, 3))


def loss_of(model, seed=0):
    """Elementwise: equal parameters have equal gradients, bit for bit. A matrix product would not promise that."""
    generator = torch.Generator().manual_seed(seed)
    targets = [torch.randn(p.shape, generator=generator) for p in model.parameters()]
    return sum((p - target).square().mean() for p, target in zip(model.parameters(), targets, strict=True))


def backward(model, seed=0):
    loss = loss_of(model, seed)
    loss.backward()
    return loss


def train(model, optimizer, n_steps, scheduler=None, start=0):
    for step in range(start, start + n_steps):
        optimizer.zero_grad()
        backward(model, step)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()


def parameters_of(model):
    return [p.detach().clone() for p in model.parameters()]


def assert_same(ours, theirs):
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


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


def test_no_temporary_is_larger_than_one_parameter():
    n = 1 << 20
    parameters = [nn.Parameter(torch.randn(n)) for _ in range(4)]
    optimizer = l1.optim.ProximalL1(torch.optim.SGD(parameters, lr=0.1, foreach=False), strength=1.0)
    for p in parameters:
        p.grad = torch.zeros(n)
    pointers = [p.data_ptr() for p in parameters]
    with torch.profiler.profile(
        profile_memory=True, activities=[torch.profiler.ProfilerActivity.CPU]
    ) as profile:
        optimizer.step()
    held = peak = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    assert n * 4 <= peak < n * 4 * 1.75
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


class TestSchedulers:
    @pytest.mark.parametrize(
        "make_scheduler",
        [
            lambda opt: lr_scheduler.OneCycleLR(opt, max_lr=0.1, total_steps=12),
            lambda opt: lr_scheduler.LambdaLR(opt, lambda epoch: 0.9**epoch),
            lambda opt: lr_scheduler.CosineAnnealingWarmRestarts(opt, T_0=4),
        ],
        ids=["OneCycleLR", "LambdaLR", "CosineAnnealingWarmRestarts"],
    )
    def test_threshold_follows_the_learning_rate(self, make_scheduler):
        model = make_model()
        plain_model = copy.deepcopy(model)
        plain = torch.optim.AdamW(plain_model.parameters(), lr=0.1)
        optimizer = l1.optim.ProximalL1(torch.optim.AdamW(model.parameters(), lr=0.1), strength=0.5)
        scheduler, plain_scheduler = make_scheduler(optimizer), make_scheduler(plain)
        for step in range(10):
            train(model, optimizer, 1, scheduler, start=step)
            backward(plain_model, step)
            plain.step()
            with torch.no_grad():
                for p in plain_model.parameters():
                    p.copy_(soft_threshold(p, plain.param_groups[0]["lr"] * 0.5))
            plain.zero_grad()
            plain_scheduler.step()
        assert optimizer.param_groups[0]["lr"] == plain.param_groups[0]["lr"] != 0.1
        for p, q in zip(model.parameters(), plain_model.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=0, atol=1e-6)

    def test_scheduler_of_the_inner_optimizer_works_too(self):
        p = nn.Parameter(torch.ones(1))
        inner = torch.optim.SGD([p], lr=0.5)
        scheduler = lr_scheduler.ExponentialLR(inner, gamma=0.5)
        optimizer = l1.optim.ProximalL1(inner, strength=1.0)
        p.grad = torch.zeros(1)
        for _ in range(2):
            optimizer.step()
            scheduler.step()
        torch.testing.assert_close(p.detach(), torch.tensor([0.25]))


class TestGradScaler:
    @pytest.mark.parametrize("name", ["adamw", "adamw foreach", "adamw fused"])
    def test_a_skipped_step_has_no_threshold(self, name):
        model = make_model()
        optimizer = l1.optim.ProximalL1(INNER[name](model.parameters()), strength=0.5)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
        before = parameters_of(model)
        scaler.scale(model(torch.ones(1, 8)).square().mean()).backward()
        model[0].weight.grad[0, 0] = float("inf")
        scaler.step(optimizer)
        scaler.update()
        assert_same(parameters_of(model), before)
        assert optimizer.param_groups[0]["strength_step"] == 0
        assert scaler.get_scale() == 2.0**9

    @pytest.mark.parametrize("name", ["adamw", "adamw foreach", "adamw fused"])
    def test_scaled_steps_are_those_without_a_scaler(self, name):
        model = make_model()
        twin = copy.deepcopy(model)
        optimizer = l1.optim.ProximalL1(INNER[name](model.parameters()), strength=0.5)
        train(twin, l1.optim.ProximalL1(INNER[name](twin.parameters()), strength=0.5), 3)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
        for step in range(3):
            optimizer.zero_grad()
            scaler.scale(loss_of(model, step)).backward()
            scaler.step(optimizer)
            scaler.update()
        assert_same(parameters_of(model), parameters_of(twin))


class TestClosures:
    def test_lbfgs_evaluates_the_closure_and_thresholds_once(self):
        target = torch.tensor([3.0, 0.05, -2.0])
        p = nn.Parameter(torch.zeros(3))
        optimizer = l1.optim.ProximalL1(torch.optim.LBFGS([p], lr=1.0), strength=0.1)
        losses = []

        def closure():
            optimizer.zero_grad()
            loss = (p - target).square().sum()
            loss.backward()
            losses.append(loss.item())
            return loss

        first = optimizer.step(closure)
        assert first.item() == losses[0] > losses[-1]
        assert len(losses) > 1
        torch.testing.assert_close(p.detach(), soft_threshold(target, 0.1), rtol=0, atol=1e-4)

    def test_sgd_returns_the_loss_of_its_closure(self):
        model = make_model()
        optimizer = l1.optim.ProximalL1(torch.optim.SGD(model.parameters(), lr=0.1), strength=0.1)
        assert optimizer.step(lambda: backward(model)).item() > 0


class TestHooks:
    def test_step_hooks_enclose_the_threshold(self):
        p = nn.Parameter(torch.full((1,), 0.05))
        optimizer = l1.optim.ProximalL1(torch.optim.SGD([p], lr=0.1), strength=1.0)
        p.grad = torch.zeros(1)
        seen = []
        optimizer.register_step_pre_hook(lambda *_: seen.append(p.item()))
        optimizer.register_step_post_hook(lambda *_: seen.append(p.item()))
        optimizer.step()
        assert seen == [pytest.approx(0.05), 0.0]

    def test_state_dict_hooks_run(self):
        optimizer = l1.optim.ProximalL1(torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1), strength=1.0)
        seen = []
        optimizer.register_state_dict_post_hook(lambda *_: seen.append("saved"))
        optimizer.register_load_state_dict_post_hook(lambda *_: seen.append("loaded"))
        optimizer.load_state_dict(optimizer.state_dict())
        assert seen == ["saved", "loaded"]


class TestErrors:
    @pytest.fixture
    def inner(self):
        return torch.optim.SGD(make_model().named_parameters(), lr=0.1)

    @pytest.mark.parametrize("strength", [-1.0, float("inf"), float("nan")])
    def test_strength_must_be_finite_and_not_negative(self, inner, strength):
        with pytest.raises(ValueError, match=r"`strength` must be a finite number >= 0, got"):
            l1.optim.ProximalL1(inner, strength=strength)
        with pytest.raises(ValueError, match=r"strength'\]` must be a finite number >= 0, got"):
            l1.optim.ProximalL1(inner, strength=lambda _: strength)

    def test_strength_must_be_a_number(self, inner):
        with pytest.raises(TypeError, match="`strength` must be a number, got str"):
            l1.optim.ProximalL1(inner, strength="1e-4")

    def test_changed_strength_is_checked_at_the_step(self, inner):
        optimizer = l1.optim.ProximalL1(inner, strength=0.1)
        optimizer.param_groups[0]["strength"] = -1.0
        with pytest.raises(ValueError, match=r"`param_groups\[0\]\['strength'\]` must be .* got -1.0"):
            optimizer.step()

    def test_inner_optimizer_must_be_one(self):
        with pytest.raises(TypeError, match=r"`inner_optimizer` must be a torch\.optim\.Optimizer, got list"):
            l1.optim.ProximalL1(list(make_model().parameters()), strength=0.1)

    def test_pattern_needs_names(self):
        inner = torch.optim.SGD(make_model().parameters(), lr=0.1)
        with pytest.raises(ValueError, match="`exclude` must be a function where parameters have no names"):
            l1.optim.ProximalL1(inner, strength=0.1, exclude="*.bias")

    def test_pattern_must_fit(self, inner):
        with pytest.raises(ValueError, match=r"`exclude` must fit the name of a parameter, got '\*\.biases'"):
            l1.optim.ProximalL1(inner, strength=0.1, exclude=["*.bias", "*.biases"])

    @pytest.mark.parametrize("exclude", [3, [nn.Parameter(torch.ones(2))]])
    def test_exclude_of_another_kind(self, inner, exclude):
        with pytest.raises(TypeError, match="`exclude` must be a pattern, several or a function"):
            l1.optim.ProximalL1(inner, strength=0.1, exclude=exclude)

    @pytest.mark.parametrize("axis", [1.0, "a", True, (), (0, 0.5)])
    def test_group_axis_of_another_kind(self, inner, axis):
        with pytest.raises(TypeError, match="`group_axis` must be an int, a tuple of ints or None"):
            l1.optim.ProximalL1(inner, strength=0.1, group_axis=axis)

    def test_group_axis_of_any_integer(self):
        inner = torch.optim.SGD([nn.Parameter(torch.ones(2, 3))], lr=1.0)
        l1.optim.ProximalL1(inner, strength=0.1, group_axis=np.int64(1))

    def test_group_axis_twice(self):
        inner = torch.optim.SGD([nn.Parameter(torch.ones(2, 3))], lr=1.0)
        with pytest.raises(ValueError, match="`group_axis` must name each axis once"):
            l1.optim.ProximalL1(inner, strength=0.1, group_axis=(1, -1))

    def test_a_wrong_strength_loses_nothing(self):
        p = nn.Parameter(torch.ones(2))
        optimizer = l1.optim.ProximalL1(torch.optim.SGD([p], lr=1.0), strength=0.1)
        optimizer.param_groups[0]["strength"] = -1
        p.grad = torch.ones(2)
        with pytest.raises(ValueError, match="strength"):
            optimizer.step()
        assert p.tolist() == [1, 1]

    def test_group_axis_must_exist(self, inner):
        with pytest.raises(ValueError, match=r"`group_axis` .* got 1 for `0.bias` of shape \(6,\)"):
            l1.optim.ProximalL1(inner, strength=0.1, group_axis=1)

    def test_inner_optimizer_must_have_a_learning_rate(self):
        class Fixed(torch.optim.Optimizer):
            def step(self, closure=None):
                raise NotImplementedError

        with pytest.raises(ValueError, match="`inner_optimizer` must have a learning rate"):
            l1.optim.ProximalL1(Fixed([nn.Parameter(torch.ones(1))], {}), strength=0.1)
