"""Times the package and the usual expressions that it replaces, in one run: ``python benchmarks/run.py --help``.

The kinds of cases are the operations in the table of kernels, `l1_any/_kernels/table.py`, in the dtypes of its rows,
and a few without kernels. Every round runs all cases of a group once, in a new order. Ratios and overheads are medians
over rounds. "x usual" says how many times as fast as the first case of its library and dtype a case is, and "x formula"
how many times as fast as without kernels. GB/s counts one read of the input, also if the case writes an array. The
error of a sum is in units in the last place of the exact value rounded to float32 (float64 for float64 data); for
``axis=-1`` it is the worst of 256 rows. The error of prox and project is in units in the last place of the largest
element. The data are float32 numbers cast to each dtype. A float64 sum of such numbers rounds rarely, so its errors say
little.
"""

import argparse
import concurrent.futures
import contextlib
import functools
import math
import os
import statistics
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import _cases
import _errors
import _gpu_memory
import _libraries
import _measure
import _report
import numpy as np
from _shapes import SIZE, shape
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

SMALL = 1000
SMALL_ROUNDS = 2000
SMALL_KINDS = ("value", "gradient")
TITLES = {
    "value": "Value",
    "gradient": "Value and gradient",
    "axis": "Value along the last axis",
    "columns": "Value along the first axis",
    "mask": "Value of half of the elements, which a mask selects",
    "signs": "Subgradient",
    "huber": "Huber function, delta = 1",
    "huber-gradient": "Gradient of the Huber function, delta = 1",
    "norm": "Norm of the subgradient",
    "prox": "Soft threshold, t = 0.5",
    "project": "Projection of rows onto the L1 ball, r = 10",
    "groups": "Sum of the norms of rows",
    "shrink": "Shrinkage of rows, t = 0.5",
    "model": "Value of the 126 parameters of a model",
    "model-signs": "Signs of the parameters of a model; torch: forward and backward",
    "model-huber": "Huber function of the parameters of a model, delta = 1",
    "model-step": "Step of SGD and soft thresholds of the parameters of a model",
}
MIB = 1 << 20


def groups(library: _cases.Library, args: argparse.Namespace) -> Iterator[_cases.Group]:
    """Yield the groups to measure on large arrays."""
    for kind, cases in library.groups():
        for dtype in library.dtypes:
            wanted = kind in args.case and dtype in args.dtype
            if wanted and library.measures(kind, dtype, args.device):
                yield _cases.Group(library, kind, dtype, shape(kind, args.size), cases)


def timed(group: _cases.Group, args: argparse.Namespace, limit: float) -> list[list[str]]:
    """Return the cells of each case for its time; the package's cases also run without kernels."""
    x = group.library.make(_cases.data("normal", group.shape), group.dtype, group.kind)
    group.library.wait(x)
    runs = [functools.partial(_run, group.library, case, x) for case in group.cases]
    has_kernel = group.library.has_kernel(group.kind, group.dtype, args.device)
    own = [i for i, case in enumerate(group.cases) if case.is_own and has_kernel]
    times = _measure.interleaved([*runs, *(_measure.Formula(runs[i]) for i in own)], args.rounds)
    formulas = dict(zip(own, times[len(runs) :], strict=True))
    nbytes = math.prod(group.shape) * _cases.ITEM_SIZES[group.dtype]
    cells = []
    for i, seconds in enumerate(times[: len(runs)]):
        median = statistics.median(seconds)
        speed = nbytes / median
        usual = _measure.ratio(times[0], seconds)
        formula = f"{_measure.ratio(formulas[i], seconds):.2f}" if i in formulas else ""
        share = f"{100 * speed / limit:.0f}"
        cells.append([_milliseconds(median), f"{usual:.2f}", formula, f"{speed / 1e9:.1f}", share])
    return cells


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.1f}" if seconds >= 0.01 else f"{seconds * 1e3:.3f}"


def peaks(groups: Iterable[_cases.Group], device: str) -> Iterator[str]:
    """Yield the peak extra memory of each case of each group, in MiB; on a CPU several processes measure at once."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        waiting = [_peak(group, index, device, pool) for group in groups for index in range(len(group.cases))]
        for result in track(waiting, "memory", console=Console(stderr=True)):
            peak = result()
            yield "" if peak is None else f"{peak / MIB:.0f}"


def _peak(
    group: _cases.Group, index: int, device: str, pool: concurrent.futures.Executor
) -> Callable[[], int | None]:
    if device == "cuda":
        case = group.cases[index]
        return functools.partial(_gpu_memory.peak_extra, group.library, case, group.dtype, group.shape)
    query = {"kind": group.kind, "index": index, "dtype": group.dtype, "shape": group.shape}
    return pool.submit(_measure.peak_extra, library=group.library.name, **query).result


def large(libraries: Iterable[_cases.Library], args: argparse.Namespace, limit: float) -> Iterator[Table]:
    """Yield a table for each kind of case on large arrays."""
    found = [group for library in libraries for group in groups(library, args)]
    rows = []
    for group in track(found, "time and error", console=Console(stderr=True)):
        cells = zip(group.cases, timed(group, args, limit), _errors.errors(group), strict=True)
        rows.append(
            [[group.library.name, group.dtype, case.name, *time, *error] for case, time, error in cells]
        )
    if args.memory:
        memory = peaks(found, args.device)
        for row in (row for of_group in rows for row in of_group):
            row.append(next(memory))
    for kind in _cases.KINDS:
        of_kind = [
            row for group, of_group in zip(found, rows, strict=True) if group.kind == kind for row in of_group
        ]
        if not of_kind:
            continue
        columns = ["library", "dtype", "case", "ms", "x usual", "x formula", "GB/s", "% of limit"]
        columns += _errors.columns(kind)
        if args.memory:
            columns.append("peak MiB")
        yield _report.table(f"{TITLES[kind]}: {list(shape(kind, args.size))}", columns, of_kind, left=3)


def small(library: _cases.Library, args: argparse.Namespace) -> Iterator[list[str]]:
    """Yield a library's rows for the table of small arrays."""
    for kind, cases in library.groups():
        if kind not in SMALL_KINDS:
            continue
        x = library.make(_cases.data("normal", (SMALL,)), "float32", kind)
        times = _measure.interleaved(
            [functools.partial(_run, library, case, x) for case in cases], args.small_rounds
        )
        nothing = _cases.Case(kind, "nothing", lambda x: x)
        own = _measure.python_calls(functools.partial(_run, library, nothing, x))
        for case, seconds in zip(cases, times, strict=True):
            added = _measure.overhead(times[0], seconds)
            calls = max(0, _measure.python_calls(functools.partial(_run, library, case, x)) - own)
            median = statistics.median(seconds)
            yield [library.name, case.name, f"{median * 1e6:.1f}", f"{added * 1e6:+.1f}", f"{calls}"]


def _run(library: _cases.Library, case: _cases.Case, x: Any) -> None:
    library.wait(case.run(x))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=SIZE, help="elements of the large arrays (default: 64M)")
    parser.add_argument(
        "--library", action="append", help="library to run; repeatable (default: all installed)"
    )
    parser.add_argument(
        "--case", action="append", choices=[*_cases.KINDS, "small"], help="repeatable; default: all"
    )
    parser.add_argument("--dtype", action="append", choices=_cases.DTYPES, help="repeatable; default: all")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--rounds", type=int, help="rounds on large arrays (default: 7, on a GPU 50)")
    parser.add_argument("--small-rounds", type=int, default=SMALL_ROUNDS, help="rounds on small arrays")
    parser.add_argument("--no-memory", dest="memory", action="store_false", help="do not measure the memory")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the tables there")
    args = parser.parse_args(argv)
    at_hand = _libraries.installed(args.device)
    for name in args.library or []:
        if name not in at_hand:
            parser.error(f"--library must be one of the installed {', '.join(at_hand)}, got {name}.")
    args.library = args.library or at_hand
    if args.rounds is None:
        args.rounds = 50 if args.device == "cuda" else 7
    args.case = args.case or [*_cases.KINDS, "small"]
    args.dtype = args.dtype or list(_cases.DTYPES)
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables."""
    args = _arguments(argv)
    console = Console(width=None if sys.stdout.isatty() else 150)
    libraries = [_libraries.library(name, args.device) for name in args.library]
    reading = ["numpy"] if args.device == "cpu" and "numpy" not in args.library else []
    readers = [*libraries, *(_libraries.library(name, args.device) for name in reading)]
    limit, reader = _measure.read_limit(readers, args.size, args.rounds)
    machine = [
        _report.machine(args.library, args.device),
        _report.limit_and_memory(args.device, limit, reader),
    ]
    tables = []
    if "small" in args.case:  # first, while the process takes little memory
        rows = [row for library in libraries for row in small(library, args)]
        columns = ("library", "case", "us", "us above the usual", "Python calls")
        tables.append(_report.table(f"Small arrays: {SMALL} elements of float32", columns, rows, left=2))
    tables.extend(large(libraries, args, limit))
    for part in (*map(Text, machine), *tables):
        console.print(part)
    if args.markdown:
        parts = [*machine, *map(_report.markdown, tables)]
        args.markdown.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with warnings.catch_warnings(), np.errstate(all="ignore"), contextlib.suppress(KeyboardInterrupt):
        warnings.simplefilter("ignore")  # the usual expressions warn about overflow, which the tables show
        main()
