"""A small torch model, its training, and the optimizers that the tests wrap."""

import torch
from torch import nn

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
