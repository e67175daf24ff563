"""torch on one shard of a DTensor, with sums and maxima over the shards of all processes."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.distributed.tensor import DTensor, Partial, Replicate

from l1_any._typing import Array

from .torch import TorchOps


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class PartOps(TorchOps):
    """Operations for a shard, whose sums and maxima along the axes that are cut are those of the whole tensor."""

    own: Any = None
    mesh: Any = None
    mesh_axes: tuple[int, ...] = ()
    alike: bool = False

    is_part = True

    @property
    def alone(self) -> Any:
        """The operations for the shard alone."""
        return self.own

    def over_shards(self, total: Array) -> Array:
        """Add up the totals of all shards."""
        if not (torch.is_grad_enabled() and total.requires_grad):
            return _added(total, self.mesh, self.mesh_axes)
        found: Array = _Added.apply(total, self.mesh, self.mesh_axes, self.alike)
        return found

    def largest(
        self, x: Array, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False
    ) -> Array:
        """Return the largest numbers of all shards along the axes that are cut, or NaN if one of them is NaN."""
        axes = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else axis
        if math.prod([x.shape[a] for a in axes]):
            here = self.own.largest(x, axes, keepdims=keepdims)
        else:
            shape = [1 if a in axes else n for a, n in enumerate(x.shape) if keepdims or a not in axes]
            here = torch.full(shape, -math.inf, dtype=x.dtype, device=x.device)
        return largest_of_all(here, self.mesh, self.mesh_axes)

    def number_below(self, ascending: Array, bounds: Array) -> Array:
        """Count, along the last axis, the sorted elements below each bound."""
        return torch.searchsorted(ascending.contiguous(), bounds.contiguous())

    def sorted_with(self, keys: Array, *others: Array) -> tuple[Array, ...]:
        """Sort keys along the last axis, and order other tensors as the keys."""
        ascending, order = torch.sort(keys, dim=-1)
        return ascending, *[torch.gather(a, -1, order) for a in others]


class _Added(torch.autograd.Function):  # type: ignore[misc]
    """The sum of the tensors of all processes along some axes of a mesh, with its gradient.

    If each process goes on with its shard, the gradient of the sum is the sum of the gradients. If all processes
    compute the same from the sum, its gradient is the same in all of them.
    """

    @staticmethod
    def forward(ctx: Any, here: Array, mesh: Any, cuts: tuple[int, ...], alike: bool) -> Array:  # noqa: FBT001
        """Return the sum."""
        ctx.mesh, ctx.cuts, ctx.alike = mesh, cuts, alike
        return _added(here, mesh, cuts)

    @staticmethod
    def backward(ctx: Any, g: Array) -> tuple[Array | None, ...]:
        """Return the gradient for the tensor of this process."""
        return g if ctx.alike else _Added.apply(g, ctx.mesh, ctx.cuts, ctx.alike), None, None, None


def _added(here: Array, mesh: Any, cuts: Sequence[int], operation: str = "sum") -> Array:
    """Reduce the tensors of all processes along some axes of a mesh."""
    here, alike = here.detach(), [Replicate()] * mesh.ndim
    for cut in cuts:
        placements = [Partial(operation) if i == cut else Replicate() for i in range(mesh.ndim)]
        here = arrived(DTensor.from_local(here, mesh, placements).redistribute(placements=alike).to_local())
    return here


def largest_of_all(here: Array, mesh: Any, cuts: Sequence[int]) -> Array:
    """Return the largest of real numbers of all processes; NaN travels as a number of its own."""
    if not cuts:
        return here
    nan = torch.isnan(here)
    both = torch.stack([torch.where(nan, torch.zeros_like(here), here), nan.to(here.dtype)])
    most, is_nan = _added(both, mesh, cuts, "max")
    return torch.where(is_nan > 0, torch.full_like(most, math.nan), most)


def arrived(local: Array) -> Array:
    """Return a tensor that has arrived, as a plain tensor."""
    return local.wait() if hasattr(local, "wait") else local
