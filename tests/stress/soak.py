"""Random calls on all CPU libraries for minutes; the process must not grow after the first one.

`python tests/stress/soak.py --minutes 5` prints its memory every ten seconds, and exits with 1 if it grew.
"""

import argparse
import gc
import random
import resource
import sys
import time
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import Library
from every_function import CALLS, arrays
from rounds import QUICK, bits

from l1_any.testing import BACKENDS, kernels

SHAPES = ((5, 7), (64, 129), (300, 1000))
EVERY, WARM = 10, 60
MOST_GROWTH = 16 << 20


def memory():
    """The bytes of memory that the process holds now; the most that it held, where the system does not say."""
    gc.collect()
    statm = Path("/proc/self/statm")
    if statm.is_file():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def calls():
    """All calls: functions, arrays, and the mode and the kernels they run with."""
    for backend in BACKENDS:
        if not backend.installed():
            continue
        for variant in backend.variants:
            if variant.gpu:
                continue
            library = Library(backend, variant)
            with backend.mode(variant):
                data = [arrays(library, shape, seed=seed) for seed, shape in enumerate(SHAPES)]
            # JAX compiles each call for each shape
            names = QUICK if backend.name == "jax" else CALLS
            ways = (0, None) if backend.name in {"numpy", "torch"} and find_spec("numba") else (None,)
            for name in names:
                for a in data[: None if name in QUICK else 2]:
                    yield from ((name, a, backend, variant, smallest) for smallest in ways)


def run(name, data, backend, variant, smallest):
    with backend.mode(variant), kernels(smallest=smallest):
        bits(CALLS[name](data, 0.5))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    choice, known = random.Random(options.seed), list(calls())  # noqa: S311
    start = time.monotonic()
    choice.shuffle(known)
    for call in known:  # compiles what is compiled
        run(*call)
    print(
        f"{len(known)} different calls: {time.monotonic() - start:.0f} s, {memory() / 2**20:.1f} MiB",
        flush=True,
    )
    start, count, following, after = time.monotonic(), 0, EVERY, []
    while (elapsed := time.monotonic() - start) < 60 * options.minutes:
        run(*choice.choice(known))
        count += 1
        if elapsed >= following:
            now = memory()
            print(f"{elapsed:4.0f} s {count:8d} calls {now / 2**20:8.1f} MiB", flush=True)
            following += EVERY
            if elapsed >= min(WARM, 30 * options.minutes):
                after.append(now)
    if not after:
        return "too short to say"
    growth = max(after[-3:]) - max(after[:3])
    print(f"growth after the first minute: {growth / 2**20:.1f} MiB")
    return f"memory grew by more than {MOST_GROWTH >> 20} MiB" if growth > MOST_GROWTH else 0


if __name__ == "__main__":
    sys.exit(main())
