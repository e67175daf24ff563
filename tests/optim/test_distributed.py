"""Sharded parameters stay sharded, and are thresholded as whole ones are."""

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor

import l1_any as l1

SHAPE = (6, 5)


def whole():
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))


def stepped(p, **options):
    optimizer = l1.optim.ProximalL1(torch.optim.SGD([p], lr=0.5, foreach=False), **options)
    p.grad = torch.zeros_like(p)
    optimizer.step()
    return optimizer.sparsity()


def check_every_placement(rank, world_size, store):
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=world_size)
    try:
        mesh = init_device_mesh("cpu", (world_size,))
        for placement in (Shard(0), Shard(1), Replicate()):
            for options in ({"strength": 1.5}, {"strength": 4.0, "group_axis": 1}):
                expected = nn.Parameter(whole())
                expected_sparsity = stepped(expected, **options)
                assert 0 < expected_sparsity[0] < 1
                p = nn.Parameter(distribute_tensor(whole(), mesh, [placement]))
                shard = p.to_local().data_ptr()
                assert stepped(p, **options) == expected_sparsity
                assert isinstance(p, DTensor)
                assert p.placements == (placement,)
                assert p.to_local().data_ptr() == shard
                got = p.detach().full_tensor()
                torch.testing.assert_close(got, expected.detach(), rtol=1e-6, atol=0)
                assert torch.equal(got == 0, expected == 0)
    finally:
        dist.destroy_process_group()


@pytest.fixture(autouse=True)
def _loopback(monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")


def test_a_mesh_of_one_process(tmp_path):
    check_every_placement(0, 1, f"file://{tmp_path}/store")


def test_a_mesh_of_two_processes(tmp_path):
    mp.spawn(check_every_placement, (2, f"file://{tmp_path}/store"), nprocs=2)
