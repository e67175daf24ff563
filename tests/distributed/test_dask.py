"""dask.distributed: two worker processes compute what NumPy computes, also if memory is short or a worker dies."""

import functools
import io
import math
import os
import signal
import time

import numpy as np
import pytest
from every_function import CALLS, arrays, flat

import l1_any as l1
from l1_any._arrays.standard import ArrayOps

# A folder of the tests has the name of the package, and Python would take it for the package if that is missing.
pytest.importorskip("distributed.client", reason="dask.distributed is not installed")
zarr = pytest.importorskip("zarr")

import dask  # noqa: E402
import dask.array as da  # noqa: E402
from cloudpickle import Pickler  # noqa: E402
from dask.distributed import Client, LocalCluster  # noqa: E402

MEMORY = 400 << 20
"""Bytes that a worker may take. An idle worker takes about 150 MiB of it."""


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            memory_limit=MEMORY,
            dashboard_address=None,
            env={"L1_ANY_KERNELS": "0"},  # to compile kernels takes memory and time
            local_directory=str(tmp_path_factory.mktemp("spilled")),
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """An array in Zarr that is larger than the memory of a worker, and its sum of magnitudes."""
    path = str(tmp_path_factory.mktemp("zarr") / "x.zarr")
    shape, chunks = (11_000, 10_000), (500, 4_000)
    assert math.prod(shape) * 4 > MEMORY
    x = zarr.create_array(path, shape=shape, chunks=chunks, dtype="float32", compressors=None)
    rows = np.random.default_rng(0).random((chunks[0], shape[1]), dtype=np.float32)
    sums = []
    for start in range(0, shape[0], chunks[0]):
        rows = -rows[::-1]
        x[start : start + chunks[0]] = rows
        sums.append(np.abs(rows).sum(dtype=np.float64))
    return path, math.fsum(sums)


class Chunked:
    """Makes Dask's arrays with several chunks along every axis."""

    def asarray(self, values, dtype):
        values = np.asarray(values, dtype)
        return da.from_array(values, chunks=tuple(max(1, n // 2) for n in values.shape))

    def bool(self, values):
        return self.asarray(values, "bool")


class Whole:
    """Makes NumPy's arrays."""

    asarray = staticmethod(np.asarray)
    bool = staticmethod(np.asarray)


def agree(found, expected):
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-12)


def test_every_function(client):
    lazy, whole = arrays(Chunked(), (9, 11)), arrays(Whole(), (9, 11))
    expected = [flat(call(whole, 0.7)) for call in CALLS.values()]
    found = dask.compute(*[flat(call(lazy, 0.7)) for call in CALLS.values()], scheduler=client)
    for one, other in zip(found, expected, strict=True):
        agree(one, other)


def test_a_pipeline(client):
    values = -np.random.default_rng(3).exponential(size=(2, 6, 10)).astype(np.float32)
    pipe = l1.Pipeline(
        l1.L1Regularizer(reduce="mean"),
        [l1.Term(l1.L1Regularizer(("delta", ("uniform", 50))), 0.1), l1.Term(l1.SoftL1Regularizer(0.5), 0.2)],
    )
    loss, gradient, report = pipe.value_and_gradient(None, [da.from_array(x, chunks=(4, 3)) for x in values])
    loss, gradient = dask.compute(loss, gradient, scheduler=client)
    own_loss, own_gradient, own_report = pipe.value_and_gradient(None, list(values))
    agree([loss, *gradient], [own_loss, *own_gradient])
    numbers, expected = report.to_floats(), own_report.to_floats()  # on the cluster, which is the default
    assert numbers.keys() == expected.keys()
    for name in {name for name in numbers if "seconds" not in name}:
        assert numbers[name] == pytest.approx(expected[name], rel=1e-6)


def test_an_array_larger_than_the_memory_of_a_worker(client, stored):
    path, total = stored
    x = da.from_zarr(path)
    mean, rows = client.gather(
        client.compute([l1.value(x, reduce="mean"), l1.value(l1.prox(x, 0.0), axis=1)])
    )
    assert mean == np.float32(total / x.size)
    assert rows.sum(dtype=np.float64) == pytest.approx(total, rel=1e-6)


def test_an_array_that_is_spilled(client, stored):
    path, total = stored
    x = client.persist(da.from_zarr(path))
    found = client.compute(l1.value(x)).result()
    on_disk = client.run(lambda dask_worker: dask_worker.data.spilled_total.disk)
    assert sum(on_disk.values()) > 10 << 20
    assert found == np.float32(total)


def test_a_worker_is_killed(client):
    values = np.random.default_rng(1).standard_normal((60, 50)).astype(np.float32)
    before = client.run(os.getpid)

    def slow(block):
        time.sleep(0.05)
        return block

    x = da.from_array(values, chunks=(5, 10)).map_blocks(slow, dtype=values.dtype)
    futures = client.compute(l1.value_and_subgradient(x, reduce="mean"))
    deadline = time.monotonic() + 60
    victim = None
    while victim is None:
        assert time.monotonic() < deadline, "no worker has results"
        victim = next((worker for worker, keys in client.has_what().items() if len(keys) > 3), None)
    assert not any(future.done() for future in futures)
    os.kill(before[victim], signal.SIGKILL)
    found = client.gather(futures)
    agree(found, l1.value_and_subgradient(values, reduce="mean"))
    client.wait_for_workers(2, timeout=60)
    assert before[victim] not in client.run(os.getpid).values()


def plain_norms(x):
    return da.sqrt((x * x).sum(axis=1, keepdims=True))


def plain_prox(x, t):
    return da.sign(x) * da.maximum(abs(x) - t, 0)


BESIDE_PLAIN = {
    "value": (lambda x, m, w: l1.value(x), lambda x, m, w: abs(x).sum()),
    "value, rows": (lambda x, m, w: l1.value(x, axis=1), lambda x, m, w: abs(x).sum(axis=1)),
    "mean": (lambda x, m, w: l1.value(x, reduce="mean"), lambda x, m, w: abs(x).mean()),
    "masked": (
        lambda x, m, w: l1.value(x, where=m, weights=w),
        lambda x, m, w: (da.where(m, abs(x), 0) * w).sum(),
    ),
    "masked mean": (
        lambda x, m, w: l1.value(x, where=m, reduce="mean"),
        lambda x, m, w: da.where(m, abs(x), 0).sum() / m.sum(),
    ),
    "subgradient": (lambda x, m, w: l1.subgradient(x), lambda x, m, w: da.sign(x)),
    "subgradient, mean": (
        lambda x, m, w: l1.subgradient(x, where=m, reduce="mean"),
        lambda x, m, w: da.where(m, da.sign(x), 0) / m.sum(),
    ),
    "both": (lambda x, m, w: l1.value_and_subgradient(x), lambda x, m, w: (abs(x).sum(), da.sign(x))),
    "subgradient_norm": (
        lambda x, m, w: l1.subgradient_norm(x),
        lambda x, m, w: da.sqrt((da.sign(x) ** 2).sum()),
    ),
    "huber": (
        lambda x, m, w: l1.huber(x, 0.5),
        lambda x, m, w: da.where(abs(x) < 0.5, x * x, abs(x) - 0.25).sum(),
    ),
    "huber_gradient": (lambda x, m, w: l1.huber_gradient(x, 0.5), lambda x, m, w: da.clip(x / 0.5, -1, 1)),
    "prox": (lambda x, m, w: l1.prox(x, 0.5), lambda x, m, w: plain_prox(x, 0.5)),
    "prox, masked": (
        lambda x, m, w: l1.prox(x, 0.5, where=m, weights=w),
        lambda x, m, w: da.where(m, plain_prox(x, 0.5 * w), x),
    ),
    "prox_elastic_net": (
        lambda x, m, w: l1.prox_elastic_net(x, 0.5, l1_ratio=0.5),
        lambda x, m, w: plain_prox(x, 0.25) / 1.25,
    ),
    "project": (
        lambda x, m, w: l1.project(x, 1.0, axis=1),
        lambda x, m, w: x.rechunk({1: -1}).map_blocks(np.sort, axis=1),
    ),
    "prox_max": (
        lambda x, m, w: l1.prox_max(x, 1.0, axis=1),
        lambda x, m, w: x.rechunk({1: -1}).map_blocks(np.sort, axis=1),
    ),
    "group_value": (lambda x, m, w: l1.group_value(x, axis=1), lambda x, m, w: plain_norms(x).sum()),
    "group_subgradient": (
        lambda x, m, w: l1.group_subgradient(x, axis=1),
        lambda x, m, w: x / plain_norms(x),
    ),
    "prox_group": (
        lambda x, m, w: l1.prox_group(x, 0.5, axis=1),
        lambda x, m, w: x * da.maximum(1 - 0.5 / plain_norms(x), 0),
    ),
    "subdiff_distance": (
        lambda x, m, w: l1.subdiff_distance(x, w, 0.5),
        lambda x, m, w: da.where(x == 0, da.maximum(abs(w) - 0.5, 0), abs(w + 0.5 * da.sign(x))),
    ),
    "strength_max": (lambda x, m, w: l1.strength_max(x), lambda x, m, w: abs(x).max()),
}
"""Functions of an array, a mask and weights, and plain expressions for the same or nearly the same."""


@functools.cache
def operands(n):
    x = da.fromfunction(np.subtract, shape=(4 * n, 6 * n), chunks=n, dtype=np.float32)
    return x, x > 0, abs(x)


def graph(result):
    """The tasks of a result as they are sent to a cluster."""
    results = dask.optimize(*flat(result))
    return {key: task for each in results for key, task in dict(each.__dask_graph__()).items()}


@pytest.mark.parametrize("name", BESIDE_PLAIN)
def test_tasks_are_as_many_as_those_of_the_plain_expression(name):
    own, plain = BESIDE_PLAIN[name]
    assert len(graph(own(*operands(50)))) <= 1.5 * len(graph(plain(*operands(50))))


class Watching(Pickler):
    """Pickles, and keeps what is pickled that is no name, number or function."""

    def __init__(self, file):
        super().__init__(file)
        self.seen = []

    def reducer_override(self, obj):
        if isinstance(obj, np.ndarray | ArrayOps):
            self.seen.append(obj)
        return super().reducer_override(obj)


def pickled(tasks):
    """Return the bytes of tasks, and which arrays and operations are among them."""
    file = io.BytesIO()
    watching = Watching(file)
    watching.dump(tasks)
    return len(file.getvalue()), watching.seen


@pytest.mark.parametrize("name", BESIDE_PLAIN)
def test_names_and_small_options_are_pickled(name):
    own, plain = BESIDE_PLAIN[name]
    size, seen = pickled(graph(own(*operands(50))))
    assert not [each for each in seen if isinstance(each, ArrayOps) or each.size > 1]
    larger, _ = pickled(graph(own(*operands(500))))
    assert larger < size + 500  # a number takes a byte more here and there
    assert size < pickled(graph(plain(*operands(50))))[0] + 20_000


def test_watching_finds_arrays():
    x = np.arange(9.0)
    (seen,) = pickled({"task": (lambda: x)})[1]
    assert seen.size == x.size
