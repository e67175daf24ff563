"""Cases of training on several processes: FSDP2, tensor parallelism, pipelines, checkpoints."""

import functools

import torch
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Replicate, Shard
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch_meshes import mesh, placed, whole

import l1_any as l1

STEPS = 4


def model(parallel="data"):
    """Return a small model. Tensor parallelism needs equal shards of the hidden axis."""
    torch.manual_seed(0)
    hidden = 9 if parallel == "data" else 12
    return nn.Sequential(nn.Linear(6, hidden), nn.ReLU(), nn.Linear(hidden, 5))


def sharded(parallel):
    """Return the model of `model`, sharded by FSDP2, by tensor parallelism, or by both."""
    net = model(parallel)
    on = mesh(2, 2) if parallel == "both" else mesh(2)
    if parallel != "data":
        plan = {"0": ColwiseParallel(), "2": RowwiseParallel()}
        parallelize_module(net, on["model"] if parallel == "both" else on, plan)
    if parallel != "tensor":
        own = on["data"] if parallel == "both" else on
        for layer in (net[0], net[2]):
            fully_shard(layer, mesh=own)
        fully_shard(net, mesh=own)
    return net


OPTIMIZERS = {
    "sgd": lambda net: torch.optim.SGD(net.parameters(), lr=0.1),
    "adamw": lambda net: torch.optim.AdamW(net.parameters(), lr=0.05, weight_decay=0.0),
}


def optimizer_of(net, kind="sgd", **options):
    options = {"strength": lambda step: 0.15 + 0.02 * step, "min_ndim": 2} | options
    return l1.optim.ProximalL1(OPTIMIZERS[kind](net), **options)


def trained(net, optimizer, steps=STEPS, *, l1_in_loss=0.0, clip=None):
    """Train on the same batch in every process, and return the loss of each step."""
    x = torch.randn(8, 6, generator=torch.Generator().manual_seed(1))
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        if l1_in_loss:
            penalty = l1.value([p for p in net.parameters() if p.ndim == 2], weights=l1_in_loss)
            penalty.backward()
        if clip is not None:
            norm = nn.utils.clip_grad_norm_(net.parameters(), clip)
            losses.append(float(whole(norm)))
        optimizer.step()
        losses.append(loss.item())
    return losses


def alike(net, expected):
    """Assert that parameters, their zeros and their placements are those of training in one process."""
    for (name, p), q in zip(net.named_parameters(), expected.parameters(), strict=True):
        assert isinstance(p, DTensor), name
        got = p.detach().full_tensor()
        torch.testing.assert_close(got, q.detach(), rtol=1e-5, atol=1e-6)
        assert torch.equal(got == 0, q == 0), name


def proximal_steps(parallel, options):
    """Zeros come as in one process; groups may span shards."""
    expected, net = model(parallel), sharded(parallel)
    one, optimizer = optimizer_of(expected, **options), optimizer_of(net, **options)
    before = [p.placements for p in net.parameters()]
    losses = trained(expected, one), trained(net, optimizer)
    torch.testing.assert_close(*map(torch.tensor, losses), rtol=1e-5, atol=0)
    alike(net, expected)
    assert [p.placements for p in net.parameters()] == before
    assert 0.05 < one.sparsity()[0] < 1 or options.get("group_axis") == (0, 1)
    assert optimizer.sparsity() == one.sparsity()


def penalty_in_the_loss():
    """The gradient of the penalty is added to that of the model's own loss, and clipped with it."""
    expected, net = model(), sharded("data")
    losses = [trained(m, optimizer_of(m, strength=0.0), l1_in_loss=0.01, clip=0.1) for m in (expected, net)]
    torch.testing.assert_close(*map(torch.tensor, losses), rtol=1e-5, atol=0)
    alike(net, expected)


def empty_shards():
    """A layer of one row leaves the other process with empty parameters."""
    for options in ({}, {"group_axis": 0}, {"group_axis": (0, 1)}):
        torch.manual_seed(0)
        expected = nn.Sequential(nn.Linear(6, 1), nn.Linear(1, 1), nn.Linear(1, 1))
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(6, 1), nn.Linear(1, 1), nn.Linear(1, 1))
        fully_shard(net, mesh=mesh(2))
        for m in (expected, net):
            trained(m, optimizer_of(m, strength=0.05, **options))
        alike(net, expected)


def checkpoint(folder, kind):
    """What `torch.distributed.checkpoint` saved on two processes goes on from there."""
    net = sharded("data")
    optimizer = optimizer_of(net, kind)
    trained(net, optimizer)
    parameters, state = get_state_dict(net, optimizer)
    dcp.save({"model": parameters, "optimizer": state}, checkpoint_id=folder / kind)
    again = sharded("data")
    for p in again.parameters():
        nn.init.zeros_(p)
    other = optimizer_of(again, kind)
    load(again, other, folder / kind)
    assert other.param_groups[0]["strength_step"] == STEPS
    trained(net, optimizer)
    trained(again, other)
    for p, q in zip(net.parameters(), again.parameters(), strict=True):
        assert torch.equal(p.full_tensor(), q.full_tensor())


def go_on_alone(folder, kind):
    """Load the checkpoint in one process without a group, and take the steps that one process would have taken."""
    net, expected = model(), model()
    for p in net.parameters():
        nn.init.zeros_(p)
    one, optimizer = optimizer_of(expected, kind), optimizer_of(net, kind)
    load(net, optimizer, folder)
    assert optimizer.param_groups[0]["strength_step"] == STEPS
    losses = trained(net, optimizer)
    torch.testing.assert_close(losses, trained(expected, one, 2 * STEPS)[STEPS:], rtol=1e-5, atol=0)
    for p, q in zip(net.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-6)
        assert torch.equal(p == 0, q == 0)


def load(net, optimizer, folder):
    parameters, state = get_state_dict(net, optimizer)
    dcp.load({"model": parameters, "optimizer": state}, checkpoint_id=folder)
    set_state_dict(net, optimizer, model_state_dict=parameters, optim_state_dict=state)


class OwnTerm:
    """A term without a gradient of its own: autograd finds it."""

    def compute(self, data, logprobs):
        rows = logprobs if isinstance(logprobs, list) else [logprobs]
        return sum(row.exp().square().sum() for row in rows), {"first": rows[0].amax()}


def pipeline(placement):
    lp = -torch.rand(4, 6, generator=torch.Generator().manual_seed(0)) * 3
    fields = {
        "reference": lp - torch.where(lp > -1, 0.5, 0.0),
        "mask": torch.rand(4, 6, generator=torch.Generator().manual_seed(1)) > 0.3,
    }
    pipe = l1.Pipeline(
        l1.L1Regularizer(target="logprobs", where="mask"),
        [
            l1.Term(l1.L1Regularizer(target=("delta", "reference"), reduce="mean"), weight=0.1),
            l1.Term(l1.L1Regularizer(target="probs", where="mask"), weight=0.01, name="probs"),
            l1.Term(l1.SoftL1Regularizer(target="probs", delta=0.1), weight=0.5, name="soft"),
            l1.Term(OwnTerm(), weight=0.3, name="own", background=True),
        ],
    )
    results = []
    for x, data in (
        (lp.clone(), fields),
        (placed(lp, mesh(2), [placement]), {k: placed(v, mesh(2), [Shard(0)]) for k, v in fields.items()}),
        (placed(lp, mesh(2), [placement]), {k: v.numpy() for k, v in fields.items()}),
    ):
        x.requires_grad_()
        loss, report = pipe(data, x)
        loss.backward()
        if isinstance(x, DTensor):
            assert x.grad.placements == x.placements
        results.append((whole(loss).item(), report.to_floats(), whole(x.grad)))
    (loss, floats, gradient), *others = results
    assert floats["probs/grad_norm"] > 0
    for got in others:
        torch.testing.assert_close(torch.tensor(got[0]), torch.tensor(loss))
        assert got[1].keys() == floats.keys()
        for name, number in floats.items():
            torch.testing.assert_close(
                torch.tensor(got[1][name]), torch.tensor(number), msg=lambda m, n=name: f"{n}: {m}"
            )
        torch.testing.assert_close(got[2], gradient)
    whole_list = [placed(row, mesh(2), [Replicate()]) for row in lp]
    loss, _ = pipe({k: [r.numpy() for r in v] for k, v in fields.items()}, whole_list)
    torch.testing.assert_close(whole(loss).item(), results[0][0])


def of(world, folder):
    """Return the cases for a number of processes, by name."""
    options = {
        "elements": {},
        "rows": {"group_axis": 1},
        "columns": {"group_axis": 0},
        "all": {"group_axis": (0, 1)},
    }
    kinds = ["data", "tensor"] if world == 2 else ["both"]
    cases = {
        f"ProximalL1 of {name}, {kind} parallel": functools.partial(
            proximal_steps, kind, own | ({"strength": 1.5} if own else {})
        )
        for kind in kinds
        for name, own in options.items()
    }
    if world != 2:
        return cases
    cases |= {f"checkpoint of {kind}": functools.partial(checkpoint, folder, kind) for kind in OPTIMIZERS}
    cases |= {f"pipeline, {p}": functools.partial(pipeline, p) for p in (Shard(0), Shard(1), Replicate())}
    return cases | {"penalty in the loss": penalty_in_the_loss, "empty shards": empty_shards}
