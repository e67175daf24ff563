"""Functions of sharded JAX arrays, beside the usual expressions: what is sent, how results are sharded, the digits.

`python jax_cases.py` prints a row of JSON for each; it needs XLA_FLAGS=--xla_force_host_platform_device_count=4.
"""

import functools
import json
from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jax_traffic import per_device, sent

import l1_any as l1

STEP = 0.25
MESHES = {"flat": {"d": 4}, "square": {"a": 2, "d": 2}}
ALL = "rows and columns"  # All functions are compiled for this sharding, and the core for the others.
SHARDINGS = {  # mesh, partition, shape
    ALL: ("square", ("a", "d"), (1024, 768)),
    "odd vector": ("flat", ("d",), (4 * 1009,)),
    "rows": ("flat", ("d",), (28, 45)),
    "columns": ("flat", (None, "d"), (28, 44)),
    "columns, half replicated": ("square", (None, "a"), (9, 54)),
    "last two of three": ("square", (None, "a", "d"), (3, 8, 40)),
    "both along one": ("square", (("a", "d"), None, None), (8, 13, 6)),
}
EXPLICIT = (ALL, "last two of three", "both along one")
CORE = ("value", "weighted mean", "strength_max", "prox", "masked mean", "group_value")


def length(xp, x, axis=None):
    return xp.sqrt(xp.sum(x * x, axis=axis))


def huber(xp, x, axis=None):
    a = xp.abs(x)
    return xp.sum(xp.where(a <= STEP, x * x / (2 * STEP), a - STEP / 2), axis=axis)


def shrunk(xp, x):
    return xp.sign(x) * xp.maximum(xp.abs(x) - STEP, 0)


# The package's function, and the usual expression: for JAX, and in NumPy's float64 for the digits.
NUMBERS = {
    "value": (l1.value, lambda xp, x: xp.sum(xp.abs(x))),
    "value and subgradient": (lambda x: l1.value_and_subgradient(x)[0], lambda xp, x: xp.sum(xp.abs(x))),
    "value of a pytree": (lambda x: l1.value({"a": x, "b": [x]}), lambda xp, x: 2 * xp.sum(xp.abs(x))),
    "mean": (lambda x: l1.value(x, reduce="mean"), lambda xp, x: xp.mean(xp.abs(x))),
    "weighted mean": (
        lambda x: l1.value(x, reduce="mean", where=x > -1, weights=abs(x)),
        lambda xp, x: xp.sum(xp.where(x > -1, x * x, 0)) / xp.sum(x > -1),
    ),
    "norm": (l1.subgradient_norm, lambda xp, x: xp.sqrt(xp.sum(x != 0))),
    "weighted norm": (lambda x: l1.subgradient_norm(x, weights=abs(x)), length),
    "huber": (lambda x: l1.huber(x, STEP), huber),
    "strength_max": (l1.strength_max, lambda xp, x: xp.max(xp.abs(x))),
}
ELEMENTS = {
    "subgradient": (l1.subgradient, lambda xp, x: xp.sign(x)),
    "grad": (jax.grad(l1.value), lambda xp, x: xp.sign(x)),
    "huber_gradient": (
        lambda x: l1.huber_gradient(x, STEP),
        lambda xp, x: xp.where(abs(x) <= STEP, x / STEP, xp.sign(x)),
    ),
    "prox": (lambda x: l1.prox(x, STEP), shrunk),
    "prox_elastic_net": (lambda x: l1.prox_elastic_net(x, STEP, l1_ratio=1.0), shrunk),
    "subdiff_distance": (
        lambda x: l1.subdiff_distance(x, x, STEP),
        lambda xp, x: xp.where(x == 0, 0, xp.abs(x) + STEP),
    ),
}
ALONG = {
    "value": (lambda x, axis: l1.value(x, axis=axis), lambda xp, x, axis: xp.sum(xp.abs(x), axis=axis)),
    "masked mean": (
        lambda x, axis: l1.value(x, axis=axis, reduce="mean", where=x > -9),
        lambda xp, x, axis: xp.mean(xp.abs(x), axis=axis),
    ),
    "huber": (lambda x, axis: l1.huber(x, STEP, axis=axis), huber),
}
OF_GROUPS = {
    "group_value": (
        lambda x, axis: l1.group_value(x, axis=axis),
        lambda xp, x, axis: xp.sum(length(xp, x, axis)),
    ),
    "group_subgradient": (
        lambda x, axis: l1.group_subgradient(x, axis=axis),
        lambda xp, x, axis: x / xp.sqrt(xp.sum(x * x, axis=axis, keepdims=True)),
    ),
    "prox_group": (
        lambda x, axis: l1.prox_group(x, STEP, axis=axis),
        lambda xp, x, axis: x * (1 - STEP / xp.sqrt(xp.sum(x * x, axis=axis, keepdims=True))),
    ),
}


class Row(NamedTuple):
    """What a function of a sharded array did."""

    name: str
    sent: int
    allowed: int
    is_like_usual: bool
    """Whether the result is sharded as that of the usual expression."""
    error: float
    """In units in the last place; of elementwise results 0 or infinite."""


def allowed(kind, axis, sharding, result, groups):
    """Return how many numbers the function may send."""
    shape, own = sharding
    crosses = axis is not None and own.shard_shape(shape)[axis] != shape[axis]
    numbers = 64 if kind in ("number", "groups") and result.ndim == 0 else 0
    return numbers + (4 * int(groups) if crosses else 0)


def error(kind, got, exact):
    """Return the largest distance from the exact result."""
    got, exact = np.asarray(got, np.float64), np.asarray(exact, np.float64)
    if kind == "elements":
        return 0.0 if np.array_equal(got, exact) else float("inf")
    return float(np.max(abs(got - exact) / np.spacing(np.abs(exact).astype("float32"))))


def cases(ndim, only=None):
    """Yield name, kind, axis, function and usual expression."""
    for kind, table in (("number", NUMBERS), ("elements", ELEMENTS), ("along", ALONG), ("groups", OF_GROUPS)):
        for name in [*table] if only is None else [name for name in only if name in table]:
            if kind in ("number", "elements"):
                yield name, kind, None, *table[name]
                continue
            for axis in {0, ndim - 1} if ndim > 1 or kind == "groups" else ():
                f, usual = (functools.partial(each, axis=axis) for each in table[name])
                yield f"{name}, axis {axis}", kind, axis, f, usual


def rows(x, y, only=None):
    """Yield a row for each case, for a sharded array y with the values x."""
    sums = {}
    for axis in range(x.ndim):
        program = jax.jit(functools.partial(jnp.sum, axis=axis)).lower(y).compile()
        sums[axis] = program.output_shardings, x.shape[:axis] + x.shape[axis + 1 :]
    for name, kind, axis, f, usual in cases(x.ndim, only):
        program = jax.jit(f).lower(y).compile()
        result = program(y)
        like, groups = y.sharding, 0
        if axis is not None:
            groups = per_device(*sums[axis])
        if kind == "along":
            like, _ = sums[axis]
        own = program.output_shardings
        yield Row(
            name,
            sent(program),
            allowed(kind, axis, (x.shape, y.sharding), result, groups),
            own.is_equivalent_to(like, result.ndim) if result.ndim else own.is_fully_replicated,
            error(kind, result, usual(np, x if kind == "elements" else x.astype("float64"))),
        )


def sharded(name, axis_type):
    """Return an array of NumPy, and the same sharded."""
    mesh, spec, shape = SHARDINGS[name]
    sizes = MESHES[mesh]
    mesh = jax.make_mesh(tuple(sizes.values()), tuple(sizes), axis_types=(axis_type,) * len(sizes))
    x = np.random.default_rng(0).standard_normal(shape).astype("float32")
    return x, jax.device_put(x, NamedSharding(mesh, PartitionSpec(*spec)))


def main():
    """Print all rows, by mesh and sharding."""
    found = {}
    for names, axis_type in ((SHARDINGS, AxisType.Auto), (EXPLICIT, AxisType.Explicit)):
        for name in names:
            x, y = sharded(name, axis_type)
            found[f"{axis_type.name}: {name}"] = list(
                rows(x, y, None if name == ALL and axis_type == AxisType.Auto else CORE)
            )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
