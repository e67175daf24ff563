"""No call gives another number because others run beside it: threads, tasks, forked and spawned processes."""

import asyncio
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import rounds
from every_function import CALLS

from l1_any.testing import kernels

COUNT = {"numpy": 5000, "torch": 5000, "strict": 500, "jax": 1000, "dask": 100, "cubed": 20}
NO_NUMBA = pytest.mark.skipif(find_spec("numba") is None, reason="the kernels need numba")
WAYS = ["formulas", pytest.param("kernels", marks=NO_NUMBA)]


@pytest.fixture
def switching():
    """Let Python change threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def names(library):
    """What to call: all where calls are quick; JAX compiles each, and Dask makes a graph for each."""
    return tuple(CALLS) if library.name in {"numpy", "torch"} else rounds.QUICK


def with_mode(library):
    """The library with what sets its mode in a thread."""

    class InMode:
        asarray, bool = staticmethod(library.asarray), staticmethod(library.bool)

        def mode(self):
            return library.backend.mode(library.variant)

    return InMode()


def test_formulas_in_threads(library, names, switching):
    with kernels(enabled=False):
        assert not rounds.Round(with_mode(library), names).wrong_in_threads(COUNT[library.name])


@NO_NUMBA
@pytest.mark.only("numpy", "torch")
def test_kernels_in_threads(library, switching):
    with kernels(enabled=True, smallest=0):
        assert not rounds.Round(with_mode(library), rounds.QUICK).wrong_in_threads(COUNT[library.name])


def test_tasks(library):
    async def run(calls):
        return await asyncio.gather(*(asyncio.to_thread(calls.wrong, number) for number in range(200)))

    calls = rounds.Round(with_mode(library), rounds.QUICK)
    assert not set(asyncio.run(run(calls))) - {""}


@pytest.mark.only("numpy", "torch")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes(library, method, way):
    if method == "fork" and not hasattr(os, "fork"):
        pytest.skip("the system has no fork")
    program = [sys.executable, str(Path(rounds.__file__)), method, library.name, way]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr


def test_a_race_is_found(monkeypatch, switching):
    """A function that shares memory between threads gives other numbers than one after another."""
    buffer = np.zeros(1)

    def racy(a, _):
        buffer[0] = a.x[0, 1]
        time.sleep(1e-4)
        return buffer.copy()

    monkeypatch.setattr(rounds, "CALLS", {"racy": racy})
    calls = rounds.Round(rounds.Plain("numpy"), ("racy",))
    assert calls.wrong_in_threads(200) == ["racy"]
