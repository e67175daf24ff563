"""A call of every public function, with masks, weights, axes and lists, for tests of compilers and caches."""

import inspect
from typing import Any, NamedTuple

import numpy as np

import l1_any as l1


class Arrays(NamedTuple):
    """What the calls take: three arrays of one shape, a mask of that shape, and one more row."""

    x: Any
    gradient: Any
    weights: Any
    mask: Any
    row: Any


def arrays(library, shape=(5, 7), dtype="float32", seed=0):
    """Make arrays of a library, with some zeros."""
    rng = np.random.default_rng(seed)
    x, gradient = rng.standard_normal((2, *shape))
    x[..., ::3] = 0
    weights, row = rng.uniform(0.5, 2, shape), rng.standard_normal(shape[-1])
    floats = [library.asarray(a, dtype) for a in (x, gradient, weights)]
    return Arrays(*floats, library.bool(rng.random(shape) < 0.7), library.asarray(row, dtype))


REDUCTIONS = {
    "value": lambda x, t, **options: l1.value(x, **options),
    "subgradient": lambda x, t, **options: l1.subgradient(x, **options),
    "value_and_subgradient": lambda x, t, **options: l1.value_and_subgradient(x, **options),
    "huber": l1.huber,
    "huber_gradient": l1.huber_gradient,
}
"""What takes axes. The number t is the half-width of the Huber function, and elsewhere a step, radius or weight."""

CALLS = {
    "value, weight": lambda a, t: l1.value(a.x, weights=t),
    "value, weight, mean": lambda a, t: l1.value(a.x, weights=t, reduce="mean", where=a.mask),
    "subgradient, weight": lambda a, t: l1.subgradient(a.x, weights=t, reduce="mean"),
    "value_and_subgradient, weight": lambda a, t: l1.value_and_subgradient(a.x, weights=t, reduce="mean"),
    "subgradient_norm": lambda a, t: l1.subgradient_norm(a.x),
    "subgradient_norm, mean": lambda a, t: l1.subgradient_norm(a.x, reduce="mean", weights=t),
    "subgradient_norm, masked": lambda a, t: l1.subgradient_norm(
        a.x, reduce="mean", where=a.mask, weights=a.weights
    ),
    "subgradient_norm, list": lambda a, t: l1.subgradient_norm([a.x, a.row], reduce="mean"),
    "prox": lambda a, t: l1.prox(a.x, t),
    "prox, nonnegative": lambda a, t: l1.prox(a.x, t, nonnegative=True),
    "prox, masked": lambda a, t: l1.prox(a.x, t, where=a.mask, weights=a.weights),
    "prox, step of each": lambda a, t: l1.prox(a.x, a.weights),
    "prox, list": lambda a, t: l1.prox([a.x, a.row], t, weights=2.0),
    "prox_elastic_net": lambda a, t: l1.prox_elastic_net(a.x, t, l1_ratio=0.5),
    "prox_elastic_net, ratio": lambda a, t: l1.prox_elastic_net(a.x, 0.5, l1_ratio=min(t, 1.0)),
    "prox_elastic_net, list": lambda a, t: l1.prox_elastic_net([a.x, a.row], t, l1_ratio=0.5),
    "project": lambda a, t: l1.project(a.x, t),
    "project, weight": lambda a, t: l1.project(a.x, 1.0, weights=t),
    "project, weight 0": lambda a, t: l1.project(a.x, t, weights=0.0),
    "project, weights": lambda a, t: l1.project(a.x, t, weights=a.weights),
    "project, rows": lambda a, t: l1.project(a.x, t, axis=1),
    "project, columns": lambda a, t: l1.project(a.x, t, axis=0, nonnegative=True),
    "project, rows, weights": lambda a, t: l1.project(a.x, t, axis=-1, weights=a.weights),
    "project, radius of each": lambda a, t: l1.project(a.x, a.weights[:, :1], axis=1),
    "project, list": lambda a, t: l1.project([a.x, a.row], t),
    "project, list, weights": lambda a, t: l1.project([a.x, a.row], t, weights=[a.weights, t]),
    "prox_max": lambda a, t: l1.prox_max(a.x, t),
    "prox_max, rows": lambda a, t: l1.prox_max(a.x, t, axis=1),
    "prox_max, list": lambda a, t: l1.prox_max([a.x, a.row], t),
    "group_value": lambda a, t: l1.group_value(a.x, axis=1),
    "group_value, whole": lambda a, t: l1.group_value(a.x, axis=None, weights=t),
    "group_value, mean": lambda a, t: l1.group_value(a.x, axis=0, reduce="mean", weights=t),
    "group_value, weights": lambda a, t: l1.group_value(a.x, axis=1, weights=a.weights[:, :1]),
    "group_value, list": lambda a, t: l1.group_value([a.x, a.row], axis=-1, reduce="mean"),
    "group_subgradient": lambda a, t: l1.group_subgradient(a.x, axis=1),
    "group_subgradient, mean": lambda a, t: l1.group_subgradient(a.x, axis=0, reduce="mean", weights=t),
    "group_subgradient, weights": lambda a, t: l1.group_subgradient(a.x, axis=1, weights=a.weights[:, :1]),
    "group_subgradient, list": lambda a, t: l1.group_subgradient([a.x, a.row], axis=-1, reduce="mean"),
    "prox_group": lambda a, t: l1.prox_group(a.x, t, axis=1),
    "prox_group, whole": lambda a, t: l1.prox_group(a.x, t, axis=None),
    "prox_group, step of each": lambda a, t: l1.prox_group(a.x, a.weights[:, :1], axis=1),
    "prox_group, list": lambda a, t: l1.prox_group([a.x, a.row], t, axis=-1),
    "subdiff_distance": lambda a, t: l1.subdiff_distance(a.x, a.gradient, t),
    "subdiff_distance, masked": lambda a, t: l1.subdiff_distance(
        a.x, a.gradient, t, where=a.mask, weights=a.weights
    ),
    "subdiff_distance, list": lambda a, t: l1.subdiff_distance([a.x, a.row], [a.gradient, a.row], t),
    "strength_max": lambda a, t: l1.strength_max(a.gradient),
    "strength_max, weight": lambda a, t: l1.strength_max(a.gradient, weights=t),
    "strength_max, weights": lambda a, t: l1.strength_max(a.gradient, weights=a.weights),
    "strength_max, list": lambda a, t: l1.strength_max([a.gradient, a.row]),
}
for _name, _function in REDUCTIONS.items():
    CALLS |= {
        _name: lambda a, t, f=_function: f(a.x, t),
        f"{_name}, rows, mean": lambda a, t, f=_function: f(a.x, t, axis=1, reduce="mean"),
        f"{_name}, columns, mean": lambda a, t, f=_function: f(a.x, t, axis=0, reduce="mean"),
        f"{_name}, mean": lambda a, t, f=_function: f(a.x, t, reduce="mean"),
        f"{_name}, masked": lambda a, t, f=_function: f(a.x, t, where=a.mask, weights=a.weights),
        f"{_name}, masked, mean": lambda a, t, f=_function: f(
            a.x, t, axis=0, reduce="mean", where=a.mask, weights=a.weights
        ),
        f"{_name}, mask of rows": lambda a, t, f=_function: f(
            a.x, t, reduce="mean", where=a.mask[:, :1], weights=a.weights[0, ...]
        ),
        f"{_name}, list": lambda a, t, f=_function: f([a.x, a.row], t),
        f"{_name}, list, mean": lambda a, t, f=_function: f(
            {"x": a.x, "row": a.row}, t, reduce="mean", where={"x": a.mask, "row": None}, weights=t
        ),
    }


def functions():
    """Name the public functions that compute arrays from arrays."""
    return {name for name in l1.__all__ if inspect.isfunction(getattr(l1, name))} - {"explain", "to_floats"}


def flat(result):
    """Return all arrays in what a call gives, in order."""
    if isinstance(result, dict):
        result = [result[key] for key in sorted(result)]
    if isinstance(result, list | tuple):
        return [a for each in result for a in flat(each)]
    return [] if result is None else [result]
