"""torch's DTensor: an array of which each process holds a shard.

Only public functions of `torch.distributed.tensor` are used. Formulas run on the shards, which are plain tensors, so
that they have kernels, blocks and autograd. Sums travel in the accumulator's dtype, and are rounded when they are one.
"""

import functools
import operator
from collections.abc import Sequence
from typing import Any, Self

import torch
from torch.distributed.tensor import DTensor, Partial, Placement, Replicate, Shard

from l1_any._typing import Array, DType

from .state import State
from .torch import TorchOps
from .torch_parts import PartOps, arrived, largest_of_all


class DTensorOps(TorchOps):
    """Operations for torch's DTensors."""

    title = "PyTorch DTensor"
    has_shards = True

    @classmethod
    def table(cls) -> dict[Any, Self]:
        """Return the operations for all dtypes."""
        return {dtype: cls._of_dtype(dtype) for dtype in super().table()}

    def at(self, around: State | None, x: Array, *others: Array | None) -> Self:
        """Return the operations for sharded tensors. Those for the shards have a state of their own."""
        del around, others
        return self.sibling(State.SHARDED, self.accumulator_of(x), x.device.type)

    def devices(self, x: Array) -> Any:
        """Return the mesh, or the device of a plain tensor."""
        return x.device_mesh if isinstance(x, DTensor) else x.device

    def refuses(self, other: Any, name: str) -> str:
        """Say that a plain tensor, of which each process may hold another one, must be distributed."""
        if other.has_shards:
            return ""
        return (
            f"a plain tensor beside a DTensor; pass distribute_tensor({name}, mesh, placements) with any placements, "
            "such as [Replicate()]"
        )

    def settled(self, x: Array) -> Array:
        """Return x without partial sums: the penalty of a sum is not the sum of penalties."""
        for i, p in enumerate(x.placements):
            if p.is_partial():  # torch warns of sums over several axes of the mesh in one call
                x = self.uncut(x, (i,))
        return x

    def finished(self, total: Array) -> Array:
        """Round a total to the dtype of results, when it is one."""
        return super().finished(self.settled(total))

    def gathered(self, x: Array) -> Array:
        """Return the whole tensor."""
        return x.full_tensor() if isinstance(x, DTensor) else x

    def placed(self, x: Array, like: Array) -> Array:
        """Return a plain tensor that all processes have as a replicated DTensor."""
        if isinstance(x, DTensor) or not isinstance(like, DTensor):
            return x
        return DTensor.from_local(x, like.device_mesh, _replicated(like))

    def to_host(self, x: Array) -> Any:
        """Return the values of the whole tensor as a NumPy array."""
        return super().to_host(self.gathered(x.detach()))

    def memory(self, x: Array) -> Any:
        """Return None: the memory of a shard is not that of the tensor."""
        del x

    def address(self, x: Array) -> int | None:
        """Return None, as `memory` does."""
        del x
        return None

    def full(self, shape: tuple[int, ...], value: complex, dtype: DType, like: Array) -> Array:
        """Return a replicated tensor filled with one value."""
        return self.placed(super().full(shape, value, dtype, like), like)

    def zero(self, x: Array) -> Array:
        """Return a 0-d zero."""
        return self.placed(super().zero(x), x)

    def constant_number(self, number: Array) -> Array:
        """Return a number as a plain tensor."""
        return self.gathered(number)

    def shards(self, *arrays: Array | None, alike: tuple[int, ...] = ()) -> list[Array | None]:
        """Return this process's shards of tensors, all of them placed like the first."""
        x: Any = self.settled(arrays[0])
        return [
            arrived(x.to_local()),
            *[None if a is None else self._beside(a, x, alike) for a in arrays[1:]],
        ]

    def _beside(self, a: Array, x: Array, alike: tuple[int, ...]) -> Array:
        """Return the shard of a mask, weights or numbers that broadcast to x."""
        a = self.settled(self.placed(a, x))
        if a.ndim < x.ndim:
            a = a.reshape((*(1,) * (x.ndim - a.ndim), *a.shape))
        wanted = [p if _is_cut(p, a.shape) else Replicate() for p in x.placements]
        # What is replicated beside a shard has another gradient in each process; the gradients are to be added up.
        gradients = [
            Partial() if w.is_replicate() and not p.is_replicate() and i not in alike else w
            for i, (w, p) in enumerate(zip(wanted, x.placements, strict=True))
        ]
        return arrived(a.redistribute(placements=wanted).to_local(grad_placements=gradients))

    def from_shard(self, shard: Array, x: Array) -> Array:
        """Return the tensor that has this process's shard and is placed like x."""
        return _whole(shard, x.device_mesh, _settled(x), tuple(x.shape))

    def from_sums(
        self,
        sums: Array,
        x: Array,
        axes: tuple[int, ...],
        *,
        keepdims: bool,
        counted: tuple[int, ...] = (),
    ) -> Array:
        """Add up the sums of the shards of x, in their own dtype."""
        placements: list[Placement] = []
        for p in x.placements:
            if p.is_replicate() or p.is_partial() or p.dim in counted:
                placements.append(Replicate())
            elif p.dim in axes:
                placements.append(Partial())
            else:
                placements.append(p if keepdims else _moved(p, sum(axis < p.dim for axis in axes)))
        shape = tuple(
            [1 if axis in axes else n for axis, n in enumerate(x.shape) if keepdims or axis not in axes]
        )
        whole = _whole(sums, x.device_mesh, placements, shape)
        return self.settled(whole) if shape else whole

    def added(self, totals: Sequence[Array]) -> Array:
        """Add up 0-d results of `from_sums`: those with equal placements before they travel."""
        alike: dict[Any, Array] = {}
        for total in totals:
            key = total.placements
            alike[key] = alike[key] + total if key in alike else total
        return functools.reduce(operator.add, [self.settled(total) for total in alike.values()])

    def from_largest(self, largest: Array, x: Array) -> Array:
        """Return the largest of the 0-d results of all shards of x, or NaN if one is NaN."""
        cuts = [i for i, p in enumerate(x.placements) if not (p.is_replicate() or p.is_partial())]
        return self.placed(largest_of_all(largest, x.device_mesh, cuts), x)

    def cuts(self, axes: tuple[int, ...], *arrays: Array) -> tuple[int, ...]:
        """Return the axes of the mesh over which some axes of one of the tensors are spread."""
        found = {i for x in arrays for i, p in enumerate(x.placements) if getattr(p, "dim", None) in axes}
        return tuple(sorted(found))

    def uncut(self, x: Array, cuts: tuple[int, ...]) -> Array:
        """Return x replicated along some axes of the mesh."""
        return x.redistribute(
            placements=[Replicate() if i in cuts else p for i, p in enumerate(x.placements)]
        )

    def cut(self, x: Array, cuts: tuple[int, ...]) -> Array:
        """Return x spread over some axes of the mesh, along its first axis where it was replicated."""
        x = x if x.ndim else x.reshape(1)
        spread = [Shard(0) if i in cuts and p.is_replicate() else p for i, p in enumerate(x.placements)]
        return x.redistribute(placements=spread)

    def replaced(self, x: Array, like: Array) -> Array:
        """Return x, of the shape of another tensor, placed like it."""
        return x.redistribute(placements=_settled(like)).reshape(like.shape)

    def part(self, own: Any, like: Array, cuts: tuple[int, ...], *, alike: bool = False) -> PartOps:
        """Return operations for a shard, with sums and maxima over all shards along some axes of the mesh."""
        return PartOps(
            xp=own.xp,
            dtype=own.dtype,
            dtype_name=own.dtype_name,
            state=own.state,
            accumulator_name=own.accumulator_name,
            own=own,
            mesh=like.device_mesh,
            mesh_axes=cuts,
            alike=alike,
        )


def _whole(shard: Array, mesh: Any, placements: Sequence[Placement], shape: tuple[int, ...]) -> Array:
    """Return the tensor of a shape that has this process's shard. Shards may have different lengths."""
    strides = [1] * len(shape)
    for i in range(len(shape) - 1, 0, -1):
        strides[i - 1] = strides[i] * max(shape[i], 1)
    return DTensor.from_local(shard, mesh, placements, shape=torch.Size(shape), stride=tuple(strides))


def _is_cut(p: Placement, shape: tuple[int, ...]) -> bool:
    return not p.is_replicate() and shape[p.dim] != 1


def _moved(p: Placement, by: int) -> Placement:
    """Return a shard of an axis that has another number, because axes before it were reduced."""
    if not by:
        return p
    if isinstance(p, Shard):
        return Shard(p.dim - by)
    # Tensor parallelism below FSDP2 cuts an axis twice, in strides: the placement has another class.
    kind: Any = type(p)
    return kind(p.dim - by, split_factor=p.split_factor)


def _settled(x: Array) -> list[Placement]:
    """Return the placements of x when its partial sums are taken."""
    return [Replicate() if p.is_partial() else p for p in x.placements]


def _replicated(x: Array) -> list[Placement]:
    return [Replicate()] * x.device_mesh.ndim
