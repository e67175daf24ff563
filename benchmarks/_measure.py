"""Times, errors and memory: how each number in the tables is measured."""

import contextlib
import math
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _cases import Library

from l1_any.testing import kernels


@dataclass(frozen=True)
class Formula:
    """A run on the formulas alone: kernels are turned off before the clock starts."""

    run: Callable[[], Any]


def interleaved(runs: Sequence[Callable[[], Any] | Formula], rounds: int) -> list[list[float]]:
    """Return the seconds of each run in each round.

    Every round runs each of them once. The first round does not count. Other work on the machine then affects all
    runs of a round alike, so compare only times of the same round. The order changes from round to round, because
    a run affects the next one, mostly through the memory that it frees.
    """
    times: list[list[float]] = [[] for _ in runs]
    order = list(range(len(runs)))
    shuffle = random.Random(0).shuffle  # noqa: S311 - no secret
    for round_ in range(rounds + 1):
        for i in order:
            run, formula = (runs[i].run, True) if isinstance(runs[i], Formula) else (runs[i], False)
            with kernels(enabled=False) if formula else contextlib.nullcontext():
                start = time.perf_counter()
                run()
                elapsed = time.perf_counter() - start
            if round_:
                times[i].append(elapsed)
        shuffle(order)
    return times


def ratio(usual: Sequence[float], other: Sequence[float]) -> float:
    """Return how many times faster than the usual expression the other is: the median over rounds."""
    return statistics.median(a / b for a, b in zip(usual, other, strict=True))


def overhead(usual: Sequence[float], other: Sequence[float]) -> float:
    """Return how many more seconds the other takes: the median over rounds."""
    return statistics.median(b - a for a, b in zip(usual, other, strict=True))


def read_limit(libraries: Iterable[Library], size: int, rounds: int) -> tuple[float, str]:
    """Return the highest rate of reading float32 on the device, in bytes per second, and the name of the reader."""
    x = np.random.default_rng(0).standard_normal(size, dtype=np.float32)
    runs = {library.reader[0]: reading(library, x) for library in libraries if library.reader}
    times = interleaved(list(runs.values()), rounds)
    return max((x.nbytes / min(seconds), name) for name, seconds in zip(runs, times, strict=True))


def reading(library: Library, x: np.ndarray) -> Callable[[], Any]:
    """Return a function that reads the rows of a float32 array as fast as the library can."""
    x = x.reshape(-1, math.gcd(x.size, 1 << 12))
    rows, (_, read) = library.array(x, "float32"), library.reader
    library.wait(rows)
    return lambda: library.wait(read(rows))


def peak_extra(*, library: str, kind: str, index: int, dtype: str, shape: tuple[int, ...]) -> int | None:
    """Return the peak extra bytes of CPU memory of a case, measured in a separate process."""
    child = Path(__file__).with_name("_peak.py")
    command = [sys.executable, child, library, kind, str(index), dtype, *map(str, shape)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    printed = done.stdout.strip()
    return int(printed) if printed else None


def python_calls(function: Callable[[], object]) -> int:
    """Return how many functions written in Python a call enters in this thread, after a warm-up."""
    function()
    entered = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal entered
        entered += event == "call"

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return entered
