"""One of two processes that share a JAX mesh: `python jax_process.py PORT INDEX` prints the errors of its results."""

import json
import sys

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import l1_any as l1

SHAPE = (6, 10)


def main(port, index):
    """Compute sums and elementwise results of an array of which this process holds half."""
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(
        f"127.0.0.1:{port}", num_processes=2, process_id=index, initialization_timeout=60
    )
    x = np.random.default_rng(0).standard_normal(SHAPE).astype("float32")
    mesh = jax.make_mesh((2, 2), ("hosts", "local"), axis_types=(AxisType.Auto,) * 2)

    def spread(values, *spec):
        return jax.make_array_from_callback(
            values.shape, NamedSharding(mesh, P(*spec)), lambda part: values[part]
        )

    y, mask = spread(x, "hosts", "local"), spread(x > 0, None, "hosts")
    assert not y.is_fully_addressable
    exact = np.abs(x.astype("float64"))
    found = {
        "value": (l1.value(y), exact.sum()),
        "mean": (l1.value(y, reduce="mean", where=mask), exact[x > 0].mean()),
        "norm": (l1.subgradient_norm(y), exact.size**0.5),
        "huber": (l1.huber(y, 0.5), np.where(exact < 0.5, exact**2, exact - 0.25).sum()),
        "group": (l1.group_value(y, axis=0), np.sqrt((exact**2).sum(0)).sum()),
        "strength_max": (l1.strength_max(y), exact.max()),
        "rows": (l1.value(y, axis=1), exact.sum(1)),
        "columns": (l1.value(y, axis=0), exact.sum(0)),
    }
    errors = {name: error(*pair) for name, pair in found.items()}
    same = {
        "subgradient": (l1.subgradient(y), np.sign(x)),
        "grad": (jax.grad(l1.value)(y), np.sign(x)),
        "prox": (l1.prox(y, 0.5), np.sign(x) * np.maximum(np.abs(x) - np.float32(0.5), 0)),
    }
    for name, (got, want) in same.items():
        assert got.sharding.is_equivalent_to(y.sharding, 2), name
        assert all(np.array_equal(part.data, want[part.index]) for part in got.addressable_shards), name
    print(json.dumps({"devices": jax.device_count(), "errors": errors}))


def error(got, exact):
    """Return the largest distance of this process's part of a result, in units in the last place."""
    exact = np.asarray(exact)
    distances = [
        abs(np.asarray(part.data, np.float64) - exact[part.index])
        / np.spacing(exact[part.index].astype("float32"))
        for part in got.addressable_shards
    ]
    return max(float(each.max()) for each in distances)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
