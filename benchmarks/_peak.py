"""Prints the peak extra memory of one case in bytes: the rise of the peak of this process's resident memory.

First the case runs on 524,288 elements, which loads code and compiles kernels. (With JAX it runs at full size, so that
the compiler's memory does not count.) Then ``/proc/self/clear_refs`` resets ``VmHWM``, and the case runs again. The
size of code that is loaded in this second run is subtracted. On a system without these files nothing is printed.
"""

import argparse
import gc
from pathlib import Path

import _cases
import _libraries

WARM_UP = {1: (1 << 19,), 2: (512, 1024)}
_STATUS = Path("/proc/self/status")


def _resident(name: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def _peak(args: argparse.Namespace) -> int | None:
    library = _libraries.library(args.library, "cpu")
    case = dict(library.groups())[args.kind][args.index]
    shape = tuple(args.shape)

    def run(shape: tuple[int, ...]):
        x = library.make(_cases.data("equal", shape), args.dtype, args.kind)
        library.wait(x)
        return lambda: library.wait(case.run(x))

    warm_up = run(shape if args.library == "jax" else WARM_UP[len(shape)])
    warm_up()
    measured = warm_up if args.library == "jax" else run(shape)
    gc.collect()
    if not _STATUS.exists():
        return None
    Path("/proc/self/clear_refs").write_text("5")
    before, code = _resident("VmRSS"), _resident("RssFile")
    measured()
    return max(0, _resident("VmHWM") - before - (_resident("RssFile") - code))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("library", "kind"):
        parser.add_argument(name)
    parser.add_argument("index", type=int)
    parser.add_argument("dtype")
    parser.add_argument("shape", type=int, nargs="+")
    return parser.parse_args()


if __name__ == "__main__":
    peak = _peak(_arguments())
    print("" if peak is None else peak)
