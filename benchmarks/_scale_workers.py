"""Measures one engine with some devices or worker processes, in a process of its own: `_scale_workers.py jax 4 1000`.

It prints JSON: for the package's value and for the plain expression the time, the bytes that travelled between devices
or workers, and the peak memory of a device or worker beyond that of its part of the array.
"""

import json
import math
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROUNDS = 3
ROW = 1000
SIZES = {"f64": 8, "f32": 4, "s64": 8, "s32": 4, "u64": 8, "u32": 4, "pred": 1}


def _median(run: Callable[[], Any]) -> float:
    run()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def traffic(text: str) -> int:
    """Return the bytes that the collectives of a compiled program give to each device."""
    total = 0
    for line in text.splitlines():
        found = re.search(
            r"= (.+?) (all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)\(", line
        )
        if found:
            for dtype, lengths in re.findall(r"(\w+)\[([\d,]*)\]", found[1]):
                total += SIZES.get(dtype, 2) * math.prod(int(n) for n in lengths.split(",") if n)
    return total


def of_jax(devices: int, rows: int) -> dict[str, dict[str, float]]:
    """Measure an array whose rows are divided among virtual devices of this CPU."""
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    import jax
    import jax.numpy as jnp

    import l1_any as l1

    mesh = jax.sharding.Mesh(np.asarray(jax.devices()), ("rows",))
    where = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("rows"))
    x = jax.device_put(np.random.default_rng(0).standard_normal((rows, ROW), dtype=np.float32), where)
    out = {}
    for name, function in {"package": l1.value, "plain": lambda x: jnp.abs(x).sum()}.items():
        compiled = jax.jit(function).lower(x).compile()
        memory = compiled.memory_analysis()
        out[name] = {
            "seconds": _median(lambda compiled=compiled: compiled(x).block_until_ready()),
            "bytes": traffic(compiled.as_text()),
            "peak": memory.temp_size_in_bytes + memory.output_size_in_bytes,
        }
    return out


def _vm_hwm() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _forget_peak() -> int:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _vm_hwm()


def _sent(dask_worker: Any) -> int:
    return int(dask_worker.transfer_outgoing_bytes_total)


def of_dask(workers: int, rows: int) -> dict[str, dict[str, float]]:
    """Measure an array whose chunks lie in the memory of worker processes."""
    import dask
    import dask.array as da
    from dask.distributed import Client, LocalCluster, wait

    import l1_any as l1

    dask.config.set({"distributed.logging.distributed": "error"})
    chunks = max(1, rows // 32), ROW
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address=None,
            local_directory=folder,
            env={"L1_ANY_KERNELS": "0"},
        ) as cluster,
        Client(cluster) as client,
    ):
        x = client.persist(
            da.random.default_rng(0).standard_normal((rows, ROW), chunks=chunks, dtype=np.float32)
        )
        wait(x)
        out = {}
        for name, lazy in {"package": l1.value(x), "plain": abs(x).sum(dtype="float64")}.items():
            client.compute(lazy).result()
            before, base = client.run(_sent), client.run(_forget_peak)
            seconds = _median(lambda lazy=lazy: client.compute(lazy).result())
            after, top = client.run(_sent), client.run(_vm_hwm)
            out[name] = {
                "seconds": seconds,
                "bytes": sum(after[w] - before[w] for w in after) / (ROUNDS + 1),
                "peak": max(top[w] - base[w] for w in top),
            }
    return out


ENGINES = {"jax": of_jax, "dask": of_dask}

if __name__ == "__main__":
    engine, count, rows = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    print(json.dumps(ENGINES[engine](count, rows)))
