"""Calls whose results are known, to be made at the same time: from threads, tasks and processes.

Run as a program, it makes them in processes that it forks or spawns while its own threads compute:
`python tests/stress/rounds.py fork|spawn numpy|torch formulas|kernels`. JAX is never imported here: it warns of forks.
"""

import concurrent.futures
import contextlib
import importlib
import multiprocessing
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from every_function import CALLS, arrays, flat

from l1_any.testing import kernels, to_numpy

THREADS, PROCESSES = 8, 2
QUICK = (
    "value",
    "value, masked, mean",
    "subgradient",
    "value_and_subgradient, list",
    "huber",
    "prox",
    "prox, list",
)
SHAPES = ((5, 7), (64, 129))


class Plain:
    """Makes arrays of NumPy or torch."""

    def __init__(self, name):
        self.asarray_ = importlib.import_module(name).asarray

    def asarray(self, values, dtype=None):
        return self.asarray_(np.array(values, dtype=dtype))

    bool = asarray


def bits(result):
    """What a result is, bit for bit."""
    return tuple((array.dtype.str, array.shape, array.tobytes()) for array in map(to_numpy, flat(result)))


class Round:
    """All calls of some names on some arrays, with the bits that they give one after another."""

    def __init__(self, library, names=tuple(CALLS), shapes=SHAPES):
        self.mode = getattr(library, "mode", contextlib.nullcontext)
        data = [arrays(library, shape, seed=seed) for seed, shape in enumerate(shapes)]
        self.calls = [(CALLS[name], each, name) for name in names for each in data]
        self.expected = [self.bits(number) for number in range(len(self.calls))]

    def bits(self, number):
        call, data, _ = self.calls[number]
        with self.mode():  # of this thread: JAX's x64
            return bits(call(data, 0.5))

    def wrong(self, number):
        """The name of a call if its result differs, else nothing."""
        number %= len(self.calls)
        return "" if self.bits(number) == self.expected[number] else self.calls[number][2]

    def wrong_in_threads(self, count):
        """The names of the calls that gave a wrong number, of `count` calls from eight threads."""
        order = np.random.default_rng(0).integers(len(self.calls), size=count)
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            return sorted(set(pool.map(self.wrong, order.tolist())) - {""})


def in_child(library, names, expected, use_kernels):
    """Make the calls in a process of its own."""
    with kernels(enabled=use_kernels, smallest=0 if use_kernels else None):
        calls = Round(Plain(library), names)
        wrong = calls.wrong_in_threads(4 * len(calls.calls))
    return wrong + (["another result than in the parent"] if calls.expected != expected else [])


def main(method, library, way):
    """Start processes while eight threads compute; return what was wrong."""
    names, use_kernels = QUICK, way == "kernels"
    context = multiprocessing.get_context(method)
    with kernels(enabled=use_kernels, smallest=0 if use_kernels else None):
        calls = Round(Plain(library), names)
        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            own = beside.submit(calls.wrong_in_threads, 1000)
            with context.Pool(PROCESSES) as pool:
                task = (library, names, calls.expected, use_kernels)
                found = pool.starmap_async(in_child, [task] * PROCESSES).get(timeout=120)
            return [*own.result(), *(name for each in found for name in each)]


if __name__ == "__main__":
    faults = main(*sys.argv[1:])
    sys.exit(", ".join(faults) if faults else 0)
