"""What the cases of torch's processes share: meshes, placements, and comparisons with the whole tensor."""

import functools

import torch
from every_function import flat
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_tensor
from torch.utils._python_dispatch import TorchDispatchMode

ROWS, COLUMNS, EVERYWHERE = Shard(0), Shard(1), Replicate()
PLACEMENTS = {
    (2,): [(ROWS,), (COLUMNS,), (EVERYWHERE,)],
    (1, 2): [(ROWS, COLUMNS)],
    (2, 1): [(ROWS, COLUMNS)],
    (2, 2): [(ROWS, COLUMNS), (COLUMNS, ROWS), (EVERYWHERE, ROWS), (COLUMNS, EVERYWHERE), (ROWS, ROWS)],
}


@functools.cache
def mesh(*shape):
    return init_device_mesh("cpu", shape, mesh_dim_names=("data", "model")[: len(shape)])


def everywhere(shape):
    """Every mesh of a number of processes, with every way to place a matrix."""
    return [(mesh(*s), p) for s, all_of in PLACEMENTS.items() if _size(s) == shape for p in all_of]


def _size(shape):
    return functools.reduce(lambda a, b: a * b, shape)


def placed(x, on, placements):
    """Distribute a matrix, and a vector as a row of it."""
    if x.ndim < 2:
        placements = [Shard(0) if p == COLUMNS and x.ndim else Replicate() for p in placements]
    return distribute_tensor(x, on, placements)


def partial(x, on):
    """Return x as a sum that is still to be taken: each process has the same share."""
    return DTensor.from_local(x / on.size(), on, [Partial()] * on.ndim)


def whole(x):
    return x.full_tensor() if isinstance(x, DTensor) else x


def same(got, expected, *, bits=True, names=()):
    """Assert that DTensors are the whole tensors: in all bits, or within two roundings."""
    got, expected = flat(got), flat(expected)
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert isinstance(a, DTensor), (names, type(a))
        assert not any(p.is_partial() for p in a.placements), (names, a.placements)
        found = a.detach().full_tensor()
        assert found.dtype == b.dtype, names
        if bits:
            assert torch.equal(torch.nan_to_num(found), torch.nan_to_num(b)), (names, found, b)
            assert torch.equal(torch.isnan(found), torch.isnan(b)), names
        else:
            eps = torch.finfo(b.dtype).eps
            torch.testing.assert_close(
                found, b, rtol=4 * eps, atol=4 * eps, equal_nan=True, msg=lambda m: f"{names}: {m}"
            )


class Traffic(TorchDispatchMode):
    """Counts the numbers that this process gives to collective operations."""

    def __init__(self):
        super().__init__()
        self.numbers = 0
        self.calls = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if DTensor in types:
            return NotImplemented
        name = function.name().partition("::")[2].split(".")[0]
        if function.namespace == "_c10d_functional" and name not in ("wait_tensor", "_wrap_tensor_autograd"):
            given = args[0] if isinstance(args[0], (list, tuple)) else [args[0]]
            self.numbers += sum(x.numel() for x in given)
            self.calls += 1
        return function(*args, **(kwargs or {}))
