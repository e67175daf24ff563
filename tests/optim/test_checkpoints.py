"""A run that is resumed from a checkpoint is bit for bit the run that was never stopped."""

import copy
import importlib
import io
import pickle

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

import l1_any as l1


def make_run(make_inner, strength=0.5):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 3))
    weights = {"params": [p for name, p in model.named_parameters() if name.endswith("weight")]}
    biases = {"params": [p for name, p in model.named_parameters() if name.endswith("bias")], "strength": 0.0}
    optimizer = l1.optim.ProximalL1(make_inner([weights, biases]), strength)
    return model, optimizer, lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=20)


def train(run, steps):
    model, optimizer, scheduler = run
    for step in steps:
        optimizer.zero_grad()
        generator = torch.Generator().manual_seed(step)
        for (
            p
        ) in model.parameters():  # elementwise: a matrix product may differ in the last bit from call to call
            (p - torch.randn(p.shape, generator=generator)).square().mean().backward()
        optimizer.step()
        scheduler.step()


def through_a_file(objects):
    file = io.BytesIO()
    torch.save([o.state_dict() for o in objects], file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize(
    "make_inner",
    [
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: torch.optim.AdamW(p, lr=0.01, foreach=True),
        lambda p: torch.optim.AdamW(p, lr=0.01, fused=True),
    ],
    ids=["momentum", "adamw foreach", "adamw fused"],
)
@pytest.mark.parametrize("strength", [0.5, lambda step: 0.1 * step], ids=["number", "schedule"])
def test_resumed_run_is_the_same_run(make_inner, strength):
    unbroken = make_run(make_inner, strength)
    train(unbroken, range(10))
    if not callable(strength):
        unbroken[1].param_groups[0]["strength"] = 0.75
    saved = through_a_file(unbroken)
    train(unbroken, range(10, 20))

    resumed = make_run(make_inner, strength)
    for target, state in zip(resumed, saved, strict=True):
        target.load_state_dict(state)
    train(resumed, range(10, 20))

    for p, q in zip(unbroken[0].parameters(), resumed[0].parameters(), strict=True):
        assert torch.equal(p, q)
    assert 0 < resumed[1].sparsity()[0] == unbroken[1].sparsity()[0]
    for key in ("strength", "strength_step", "lr"):
        values = [[group[key] for group in run[1].param_groups] for run in (unbroken, resumed)]
        assert values[0] == values[1]


def test_state_of_the_inner_optimizer_loads_and_leaves_the_strengths():
    _, plain, _ = make_run(torch.optim.AdamW)
    for group in (saved := plain.inner_optimizer.state_dict())["param_groups"]:
        for key in ("strength", "strength_step", "group_axis"):
            del group[key]
    _, optimizer, _ = make_run(torch.optim.AdamW, strength=0.25)
    optimizer.load_state_dict(saved)
    assert [group["strength"] for group in optimizer.param_groups] == [0.25, 0.0]


def test_state_loads_into_the_inner_optimizer():
    run = make_run(torch.optim.AdamW)
    train(run, range(2))
    plain = torch.optim.AdamW([{"params": group["params"]} for group in run[1].param_groups])
    plain.load_state_dict(run[1].state_dict())
    assert plain.state_dict()["state"].keys() == run[1].state_dict()["state"].keys()


def test_deep_copy_goes_on_by_itself():
    run = make_run(torch.optim.AdamW)
    train(run, range(5))
    model, optimizer = copy.deepcopy(run[:2])
    before = [p.detach().clone() for p in run[0].parameters()]
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    assert all(torch.equal(p, q) for p, q in zip(run[0].parameters(), before, strict=True))
    assert not any(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))
    assert optimizer.param_groups[0]["strength_step"] == 6
    assert run[1].param_groups[0]["strength_step"] == 5


def test_whole_optimizer_is_saved_under_its_public_module(tmp_path):
    run = make_run(torch.optim.AdamW)
    train(run, range(5))
    assert type(run[1]).__module__ == "l1_any.optim.torch"
    assert importlib.import_module("l1_any.optim.torch").ProximalL1 is l1.optim.ProximalL1
    assert pickle.loads(pickle.dumps(l1.optim.ProximalL1)) is l1.optim.ProximalL1  # noqa: S301
    torch.save(run[:2], tmp_path / "run.pt")
    model, optimizer = torch.load(tmp_path / "run.pt", weights_only=False)
    for net, opt in (run[:2], (model, optimizer)):
        for p in net.parameters():
            p.grad = torch.ones_like(p)
        opt.step()
    for p, q in zip(run[0].parameters(), model.parameters(), strict=True):
        assert torch.equal(p, q)
    assert optimizer.sparsity()[0] == run[1].sparsity()[0]
