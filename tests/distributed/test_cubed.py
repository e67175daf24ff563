"""Cubed: every function on several chunks is that of NumPy, nothing is computed early, and memory stays bounded."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from every_function import CALLS, arrays, flat

import l1_any as l1
from l1_any.testing import kernels

cubed = pytest.importorskip("cubed", reason="Cubed is not installed")
zarr = pytest.importorskip("zarr", reason="Cubed is not installed")

ALLOWED = 240_000_000
"""Bytes that a task may take, those of Python and its libraries included."""


class Chunked:
    """Makes Cubed's arrays with two or three chunks along every axis."""

    def asarray(self, values, dtype):
        values = np.asarray(values, dtype)
        return cubed.asarray(values, chunks=tuple(max(1, n // 2) for n in values.shape))

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


def test_every_function_of_several_chunks():
    lazy, whole = arrays(Chunked(), (5, 7)), arrays(Whole(), (5, 7))
    expected = [flat(call(whole, 0.7)) for call in CALLS.values()]
    found = [flat(call(lazy, 0.7)) for call in CALLS.values()]
    values = iter(cubed.compute(*[each for own in found for each in own]))
    for own, other in zip(found, expected, strict=True):
        agree([next(values) for _ in own], other)


@pytest.mark.parametrize("name", CALLS)
def test_nothing_is_computed_early(name):
    with cubed.raise_if_computes():
        CALLS[name](arrays(Chunked(), (4, 6)), 0.7)


def test_groups_of_infinities_nan_and_numbers_near_the_limits_across_chunks():
    big, small = np.finfo(np.float64).max, np.finfo(np.float64).smallest_subnormal
    rows = [
        [big / 4, big / 8, -big / 4, 0],
        [small, 0, 0, small],
        [np.inf, 1, -np.inf, 2],
        [np.nan, 1, 2, 3],
        [0, 0, 0, 0],
    ]
    x = np.asarray(rows)
    lazy = cubed.asarray(x, chunks=(2, 1))
    for call in (
        lambda x: l1.group_subgradient(x, axis=1),
        lambda x: l1.prox_group(x, 0.5, axis=1),
        lambda x: l1.group_value(x[:, :2] / 8, axis=1),
    ):
        np.testing.assert_allclose(call(lazy).compute(), call(x), rtol=1e-15)


def test_the_spec_of_the_user_is_kept(tmp_path):
    spec = cubed.Spec(str(tmp_path), allowed_mem="200MB")
    x = cubed.asarray(np.linspace(-1, 1, 12).reshape(3, 4), chunks=(2, 2), spec=spec)
    for result in (
        *l1.value_and_subgradient(x, where=x > 0, reduce="mean"),
        l1.prox(x, 0.5),
        l1.huber(x, 0.5),
    ):
        assert result.spec is spec


class TestMemory:
    def test_a_vector_that_does_not_fit_is_refused(self, tmp_path):
        spec = cubed.Spec(str(tmp_path), allowed_mem=1_000_000)
        x = cubed.random.random((1_000, 1_000), chunks=(50, 50), spec=spec)
        assert l1.project(x[:10], 1.0, axis=0).shape == (10, 1_000)
        for call in (lambda: l1.project(x, 1.0), lambda: l1.prox_max(x, 1.0)):
            with pytest.raises(ValueError, match=r"too long for Cubed: .*cannot sort.*larger `allowed_mem`"):
                call()

    def test_chunks_that_leave_no_room_are_refused(self, tmp_path):
        spec = cubed.Spec(str(tmp_path), allowed_mem=1_000_000)
        x = cubed.random.random((1_000, 100), chunks=(1_000, 100), spec=spec)
        p = l1.prox(x, 0.5)
        with pytest.raises(ValueError, match=r"Projected blockwise memory .* exceeds allowed_mem"):
            p.compute()

    def test_an_array_20_times_larger_than_the_allowed_memory(self, tmp_path):
        # A Zarr array stores only the chunks that are written; the others have the fill value, also when read.
        n, chunk = 20 * ALLOWED // 4, 4_000_000
        path = str(tmp_path / "x.zarr")
        stored = zarr.create_array(path, shape=(n,), chunks=(chunk,), dtype="float32", fill_value=-0.5)
        own = np.random.default_rng(0).standard_normal((3, chunk)).astype(np.float32)
        for i, values in enumerate(own):
            start = i * (n // 3) // chunk * chunk
            stored[start : start + chunk] = values
        total = np.abs(own).sum(dtype=np.float64) + 0.5 * (n - own.size)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            found, before, after = pool.submit(computed_in_bounds, path, str(tmp_path)).result()
        assert found == np.float32(total / n)
        assert before < after <= ALLOWED


def computed_in_bounds(path, work_dir):
    """Compute the mean in a process of its own. Return it, and the peak of memory before and after."""
    options = {"work_dir": work_dir, "executor_name": "single-threaded", "allowed_mem": ALLOWED}
    small = cubed.asarray(np.ones(9, np.float32), chunks=2, spec=cubed.Spec(**options))
    with kernels(enabled=False):  # numba and its compiled code take 100 MB
        l1.value(small, reduce="mean").compute()
        reserved = peak()
        x = cubed.from_zarr(path, spec=cubed.Spec(**options, reserved_mem=reserved))
        assert x.nbytes >= 20 * ALLOWED
        return l1.value(x, reduce="mean").compute(), reserved, peak()


def peak():
    """Return the most bytes that this process has had in memory, without those of the process that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
