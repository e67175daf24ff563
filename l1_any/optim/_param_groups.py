"""The parameter groups of a torch optimizer. Other code may add, remove, reorder or replace them at any time.

A group is recognized by its dictionary, or else by one of its parameters, because `Optimizer.load_state_dict` makes
new dictionaries with the same parameters. A group that is not recognized is admitted with the defaults.
"""

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from l1_any._arguments.numbers import number
from l1_any._typing import Axis

from ._exclusion import Exclusion, is_excluded
from ._group_axis import as_ints, check_axes

Schedule = Callable[[int], float]
Group = dict[str, Any]

_KEYS = ("strength", "strength_step", "group_axis")


@dataclass(eq=False)
class AdmittedGroup:
    """A parameter group, and its content at the last check."""

    group: Group
    params: list[torch.Tensor]
    thresholded: set[torch.Tensor]
    group_axis: Axis
    schedule: Schedule | None

    def is_of(self, group: Group) -> bool:
        """Whether this is the group, and nothing in it must be checked again."""
        return (
            self.group is group
            and all(key in group for key in _KEYS)
            and not callable(group["strength"])
            and group["group_axis"] == self.group_axis
            and len(group["params"]) == len(self.params)
            and all(map(operator.is_, group["params"], self.params))
        )

    def strength(self, index: int) -> float:
        """Return the strength of the group's next step."""
        return _strength(self.group, self.schedule, index)


def admitted(
    groups: Sequence[Group],
    known: list[AdmittedGroup],
    defaults: Group,
    exclude: Exclusion | None,
    min_ndim: int,
) -> list[AdmittedGroup]:
    """Return the groups as admitted groups, with missing entries added. An error leaves all groups unchanged."""
    if len(groups) == len(known) and all(map(AdmittedGroup.is_of, known, groups)):
        return known
    by_id = {id(old.group): old for old in known}
    by_parameter = {p: old for old in known for p in old.params}
    counts = (g["strength_step"] for g in (*groups, *(old.group for old in known)) if "strength_step" in g)
    defaults = defaults | {
        "strength_step": next(counts, 0)
    }  # schedules of new groups start at the current step of the others
    found = []
    for index, group in enumerate(groups):
        if "lr" not in group:
            raise ValueError(f"`inner_optimizer` must have a learning rate, got none in group {index}.")
        old = by_id.get(id(group)) or _continued(group, by_parameter)
        before = defaults | old.group if old else defaults
        own = {key: group.get(key, before[key]) for key in _KEYS}
        schedule = old.schedule if old else None
        if callable(own["strength"]):
            schedule = own["strength"]
            own["strength"] = _strength(own, schedule, index)
        elif old is None or old.group is not group:
            own["strength"] = _strength(own, None, index)
        own["group_axis"] = axis = as_ints(own["group_axis"])
        thresholded = _thresholded(group, index, axis, by_parameter, exclude, min_ndim=min_ndim)
        found.append((AdmittedGroup(group, list(group["params"]), thresholded, axis, schedule), own))
    for record, own in found:
        record.group.update(own)
    return [record for record, _ in found]


def _continued(group: Group, by_parameter: dict[torch.Tensor, AdmittedGroup]) -> AdmittedGroup | None:
    """Return the known group that shares a parameter with a new dictionary, or None."""
    if "strength" in group and "strength_step" not in group:
        return None  # this strength was passed with the group, and is not the state of an earlier step
    return next((by_parameter[p] for p in group["params"] if p in by_parameter), None)


def _thresholded(
    group: Group,
    index: int,
    axis: Axis,
    by_parameter: dict[torch.Tensor, AdmittedGroup],
    exclude: Exclusion | None,
    *,
    min_ndim: int,
) -> set[torch.Tensor]:
    """Return the parameters to threshold. `exclude` is called only for new parameters."""
    thresholded = set()
    for name, p in zip(_names(group, index, exclude), group["params"], strict=True):
        if p in by_parameter:
            excluded = p not in by_parameter[p].thresholded
        else:
            excluded = p.ndim < min_ndim or is_excluded(exclude, name, p, f"`param_groups[{index}]`")
        if not excluded:
            check_axes(axis, p.shape, "a parameter" if name is None else f"`{name}`", "`exclude`")
            thresholded.add(p)
    return thresholded


def _names(group: Group, index: int, exclude: Exclusion | None) -> Iterable[str | None]:
    n = len(group["params"])
    names: Sequence[str] | None = group.get("param_names")
    if names is not None and len(names) == n:
        return names
    if names is not None and exclude is not None:
        raise ValueError(
            f"`param_groups[{index}]['param_names']` must name each parameter, got {len(names)} names for {n}."
        )
    return [None] * n


def _strength(group: Group, schedule: Schedule | None, index: int) -> float:
    strength = group["strength"] if schedule is None else schedule(group["strength_step"])
    return number(strength, f"param_groups[{index}]['strength']")
