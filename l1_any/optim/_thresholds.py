"""The thresholds of a step: all arrays with the same step together, because one kernel can do them all."""

from collections.abc import Sequence

import torch

from l1_any._run.proximal import prox_in_place
from l1_any._typing import Array, Axis
from l1_any.groups import prox_group
from l1_any.proximal import prox

from ._param_groups import AdmittedGroup
from ._tensors import local_part, memory_place


def threshold_all(groups: Sequence[AdmittedGroup], strengths: Sequence[float]) -> None:
    """Soft-threshold the parameters of the groups that have a gradient, each once."""
    seen = set()
    whole_arrays: dict[float, list[torch.Tensor]] = {}
    for admitted_group, strength in zip(groups, strengths, strict=True):
        group = admitted_group.group
        group["strength"] = strength
        group["strength_step"] += 1
        if strength == 0:
            continue
        step = group["lr"] * strength
        for p in group["params"]:
            if p.grad is None or p not in admitted_group.thresholded:
                continue
            local = local_part(p)
            # An empty shard has no memory, and its tensor is new in each call.
            place = memory_place(local) if local.numel() else (id(p),)
            if place in seen:
                continue
            seen.add(place)
            if group["group_axis"] is None and isinstance(step, float):
                whole_arrays.setdefault(step, []).append(local)
            else:
                _threshold(p, step, group["group_axis"])
    for step, arrays in whole_arrays.items():
        prox_in_place(arrays, step)


def _threshold(p: torch.Tensor, step: Array | float, axis: Axis) -> None:
    if isinstance(step, torch.Tensor):  # learning rates can be tensors, even on other devices
        step = step.reshape(()).to(p.device)
    if axis is None:
        local = local_part(p)
        local.copy_(prox(local, step))
    else:
        p.copy_(prox_group(p, step, axis=axis))
