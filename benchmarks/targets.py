"""Prints the speeds that the package is to reach on two cores, and those that it has.

Every round runs the usual expression and the package once. A ratio says how many times as fast as the usual expression
the package is, and an overhead how many microseconds it takes longer; both are medians over rounds. All kernels are
loaded before the clock starts. The last rows say how much of the read limit a value of 64M elements reaches: the limit
is the speed of the fastest read in the same rounds. Nothing else should run on the machine. With ``--busy`` another
process keeps one core busy meanwhile; then the package is to be as fast as the usual expression in every row.
"""

import argparse
import contextlib
import functools
import os
import statistics
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import _cases
import _libraries
import _measure
import _report
import numpy as np
from _shapes import SIZE, shape
from rich.console import Console
from rich.progress import track
from rich.text import Text

NAMES = {"1k": 1000, "100k": 100_000, "1M": 1_000_000, "64M": SIZE}
LOADS_KERNELS = 1 << 16
FEWEST_ROUNDS = 7


class Target(NamedTuple):
    """A number to reach: at least so many times as fast, at most so many us above, or a share of the read limit."""

    title: str
    library: str
    kind: str
    size: str
    number: float
    unit: str = "x"
    dtype: str = "float32"
    usual: int = 0
    """Which of the usual expressions."""

    def holds(self, measured: float) -> bool:
        """Whether a measured number is good enough, with as many digits as are shown."""
        return measured <= self.number if self.unit == "us" else round(measured, 2) >= self.number


def _of_sizes(title: str, library: str, kind: str, *numbers: float | None) -> Iterator[Target]:
    for size, number in zip(NAMES, numbers, strict=True):
        if number is not None:
            yield Target(title, library, kind, size, number, "us" if size == "1k" else "x")


def _targets() -> Iterator[Target]:
    yield from _of_sizes("NumPy value", "numpy", "value", 2, 1.5, 2.5, 3)
    yield from _of_sizes("torch value", "torch", "value", 6, 1.0, 2.5, 4)
    yield from _of_sizes("NumPy value_and_subgradient", "numpy", "gradient", None, 1.5, 2, 2.5)
    yield from _of_sizes("torch forward and backward", "torch", "gradient", 35, 1.0, 2, 2)
    yield from _of_sizes("NumPy prox", "numpy", "prox", 2, 2, 3, 4)
    yield from _of_sizes("torch prox beside softshrink", "torch", "prox", 2, 0.9, 1.2, 1.2)
    for library, number in (("NumPy", 5), ("torch", 3)):
        yield Target(f"{library} mask, beside x[m]", library.lower(), "mask", "64M", number)
        yield Target(
            f"{library} mask, beside where(m, x, 0)", library.lower(), "mask", "64M", number, usual=1
        )
    yield Target("NumPy last axis", "numpy", "axis", "64M", 2)
    yield Target("torch last axis", "torch", "axis", "64M", 1.5)
    for library, dtypes in (("NumPy", ["float16", "float64"]), ("torch", ["bfloat16", "float16", "float64"])):
        for dtype in dtypes:
            yield Target(f"{library} value, {dtype}", library.lower(), "value", "64M", 1, dtype=dtype)
    for library in ("NumPy", "torch"):
        yield Target(f"{library} value of a model", library.lower(), "model", "64M", 2)
    yield Target("torch forward and backward of a model", "torch", "model-signs", "64M", 1.5)
    yield Target("ProximalL1 around SGD", "torch", "model-step", "64M", 1.5)
    for library in ("NumPy", "torch"):
        yield Target(
            f"{library} value, share of the read limit", library.lower(), "value", "64M", 0.6, "limit"
        )


TARGETS = tuple(_targets())
BUSY_TARGETS = tuple(target._replace(number=1.0) for target in TARGETS if target.unit == "x")
"""What is to be reached while one core is busy."""


def measured(target: Target, args: argparse.Namespace) -> float:
    """Return the number of a target."""
    library = _library(target.library)
    size = min(NAMES[target.size], args.size)
    dimensions = shape(
        target.kind, size // 2 if target.kind == "axis" else size
    )  # twice as many along an axis
    cases = dict(library.groups())[target.kind]
    package = next(case for case in cases if case.is_own)
    _runner(library, package, target, shape(target.kind, LOADS_KERNELS))()
    run = _runner(library, package, target, dimensions)
    rounds = args.rounds or max(FEWEST_ROUNDS, min(2000, 40_000_000 // size))
    if target.unit == "limit":
        nbytes = size * _cases.ITEM_SIZES[target.dtype]
        readers = [
            _measure.reading(_library(name), _cases.data("normal", dimensions)) for name in ("numpy", "torch")
        ]
        *reads, own = _measure.interleaved([*readers, run], rounds)
        return nbytes / statistics.median(own) / max(nbytes / min(seconds) for seconds in reads)
    usual, own = _measure.interleaved(
        [_runner(library, cases[target.usual], target, dimensions), run], rounds
    )
    return _measure.overhead(usual, own) * 1e6 if target.unit == "us" else _measure.ratio(usual, own)


_library = functools.cache(functools.partial(_libraries.library, device="cpu"))


def _runner(
    library: _cases.Library, case: _cases.Case, target: Target, dimensions: tuple[int, ...]
) -> Callable[[], Any]:
    x = library.make(_cases.data("normal", dimensions), target.dtype, target.kind)
    return lambda: library.wait(case.run(x))


@contextlib.contextmanager
def one_core_busy(*, wanted: bool) -> Iterator[None]:
    """Keep one core busy by another process, if that is wanted."""
    if not wanted:
        yield
        return
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        child.kill()
        child.wait()


def row(target: Target, numbers: Sequence[float]) -> list[str]:
    """Return the cells of a target: its title and size, what to reach, what each run gave, and whether it holds."""
    sign, unit = ("at most ", " us above") if target.unit == "us" else ("", "")
    size = "12.6M" if target.kind.startswith("model") else target.size
    held = all(map(target.holds, numbers))
    digits = 1 if target.unit == "us" else 2
    return [
        target.title,
        size,
        f"{sign}{target.number:g}{unit}",
        *(f"{number:.{digits}f}" for number in numbers),
        "yes" if held else "NO",
    ]


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1, help="measure all rows so often (default: 1)")
    parser.add_argument("--busy", action="store_true", help="keep one core busy by another process meanwhile")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the table there")
    parser.add_argument("--size", type=int, default=SIZE, help="elements of the largest arrays, for tests")
    parser.add_argument(
        "--rounds", type=int, help="rounds of each row (default: 7 to 2000, fewer for large arrays)"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    args = _arguments(argv)
    targets = BUSY_TARGETS if args.busy else TARGETS
    runs = []
    with one_core_busy(wanted=args.busy):
        for number in range(args.runs):
            named = f"run {number + 1} of {args.runs}"
            runs.append([measured(t, args) for t in track(targets, named, console=Console(stderr=True))])
    rows = [row(target, numbers) for target, numbers in zip(targets, zip(*runs, strict=True), strict=True)]
    held = sum(cells[-1] == "yes" for cells in rows)
    other = "One core was kept busy by another process." if args.busy else "No other process was started."
    load = f"Load average at the end: {os.getloadavg()[0]:.1f}." if hasattr(os, "getloadavg") else ""
    lines = [_report.machine(["torch"], "cpu"), f"{other} {load} {held} of {len(rows)} rows hold."]
    columns = ["case", "elements", "to reach", *(f"run {i + 1}" for i in range(args.runs)), "holds"]
    table = _report.table("Times as fast as the usual expression", columns, rows, left=1)
    console = Console(width=None if sys.stdout.isatty() else 150)
    for part in (*map(Text, lines), table):
        console.print(part)
    if args.markdown:
        args.markdown.write_text("\n\n".join([*lines, _report.markdown(table)]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with warnings.catch_warnings(), np.errstate(all="ignore"), contextlib.suppress(KeyboardInterrupt):
        warnings.simplefilter("ignore")  # the usual expressions warn about overflow in float16
        main()
