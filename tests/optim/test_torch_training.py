"""`ProximalL1` beside the rest of a training loop: schedulers, gradient scalers, closures and hooks."""

import copy

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler
from torch_runs import (
    INNER,
    assert_same,
    backward,
    loss_of,
    make_model,
    parameters_of,
    soft_threshold,
    train,
)

import l1_any as l1


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
