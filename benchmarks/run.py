"""Times the package beside every idiom it replaces, in one run: ``python benchmarks/run.py --help``.

All cases of a group run in turn in every round; ratios and overheads are medians over rounds. GB/s count one
reading of the input, also where a gradient is written. Errors are in units in the last place of the exact
value rounded to float32 (float64 for float64); for ``axis=-1`` the worst of 256 rows.
"""

import argparse
import contextlib
import datetime as dt
import functools
import importlib.metadata
import os
import platform
import statistics
import sys
import warnings
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import _cases
import _measure
import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

SIZE = 1 << 26
SMALL = 1000
SMALL_ROUNDS = 2000
ROWS, COLUMNS = 4096, 32000
ROWS_CHECKED = 256
DISTRIBUTIONS = ("normal", "equal", "logprobs")
SMALL_KINDS = ("value", "gradient")
MIB = 1 << 20
MEMORY = (
    "Peak extra memory: the rise of VmHWM, less code loaded, in a process of its own; reset by "
    "/proc/self/clear_refs after a warm-up on 1000 elements (full size for JAX)."
)


def shape(kind: str, size: int) -> tuple[int, ...]:
    """Return the shape of the array for a kind of case; smaller than [4096, 32000] in quick runs."""
    if kind != "axis":
        return (size,)
    columns = min(COLUMNS, size)
    return max(1, min(ROWS, 2 * size // columns)), columns


@functools.cache
def _exact(distribution: str, dtype: str, shape: tuple[int, ...]) -> list[Fraction]:
    x = _cases.rounded(_cases.data(distribution, shape), dtype)
    return [_measure.exact_sum(row) for row in (x[:ROWS_CHECKED] if x.ndim > 1 else [x])]


def _errors(library: _cases.Library, kind: str, dtype: str, size: int) -> Iterator[list[float]]:
    """Yield for each case its error on each distribution."""
    shape_ = shape(kind, size)
    result = "float64" if dtype == "float64" else "float32"
    cases = dict(library.groups())[kind]
    found: list[list[float]] = [[] for _ in cases]
    for distribution in DISTRIBUTIONS:
        x = library.make(_cases.data(distribution, shape_), dtype, kind)
        exact = _exact(distribution, dtype, shape_)
        for case, errors in zip(cases, found, strict=True):
            out = _cases.reduced(case.run(x))
            got = [float(row) for row in out[:ROWS_CHECKED]] if out.ndim else [float(out)]
            errors.append(max(_measure.ulps(g, e, result) for g, e in zip(got, exact, strict=True)))
    yield from found


def large(library: _cases.Library, args: argparse.Namespace, limit: float) -> Iterator[list[str]]:
    """Yield the rows of the table of large arrays."""
    for dtype in (dtype for dtype in library.dtypes if dtype in args.dtype):
        for kind, cases in library.groups():
            if kind not in args.case:
                continue
            shape_ = shape(kind, args.size)
            x = library.make(_cases.data("normal", shape_), dtype, kind)
            library.wait(x)
            runs = [functools.partial(_run, library, case, x) for case in cases]
            times = _measure.interleaved(runs, args.rounds)
            del x, runs
            errors = _errors(library, kind, dtype, args.size)
            nbytes = int(np.prod(shape_)) * {"float64": 8, "float32": 4}.get(dtype, 2)
            for index, (case, seconds, error) in enumerate(zip(cases, times, errors, strict=True)):
                median = statistics.median(seconds)
                speed = nbytes / median
                peak = None
                if args.memory:
                    peak = _measure.peak_extra(
                        library=library.name,
                        device=args.device,
                        kind=kind,
                        index=index,
                        dtype=dtype,
                        shape=shape_,
                    )
                yield [
                    library.name,
                    dtype,
                    case.name,
                    f"{median * 1e3:.1f}",
                    f"{_measure.ratio(times[0], seconds):.2f}",
                    f"{speed / 1e9:.1f}",
                    f"{100 * speed / limit:.0f}",
                    *(f"{e:.0f}" if e < 1e4 else f"{e:.0e}" for e in error),
                    "" if peak is None else f"{peak / MIB:.0f}",
                ]


def small(library: _cases.Library, args: argparse.Namespace) -> Iterator[list[str]]:
    """Yield the rows of the table of small arrays."""
    for kind, cases in library.groups():
        if kind not in SMALL_KINDS:
            continue
        x = library.make(_cases.data("normal", (SMALL,)), "float32", kind)
        times = _measure.interleaved(
            [functools.partial(_run, library, case, x) for case in cases], args.small_rounds
        )
        for case, seconds in zip(cases, times, strict=True):
            added = _measure.overhead(times[0], seconds)
            yield [library.name, case.name, f"{statistics.median(seconds) * 1e6:.1f}", f"{added * 1e6:+.1f}"]


def _run(library: _cases.Library, case: _cases.Case, x: Any) -> None:
    library.wait(case.run(x))


def _table(title: str, columns: Sequence[str], left: int) -> Table:
    table = Table(title=title, title_justify="left", row_styles=["", "dim"])
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i < left else "right", no_wrap=i < left)
    return table


def _markdown(table: Table, rows: list[list[str]]) -> str:
    marks = [":--" if column.justify == "left" else "--:" for column in table.columns]
    lines = [[str(column.header) for column in table.columns], marks]
    lines += [[f"`{cell}`" if "(" in cell else cell for cell in row] for row in rows]
    return "\n".join([f"### {table.title}", "", *(f"| {' | '.join(line)} |" for line in lines), ""])


def _machine(libraries: Sequence[str], limit: float, reader: str) -> list[str]:
    cpuinfo = Path("/proc/cpuinfo")
    models = (
        [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        if cpuinfo.exists()
        else []
    )
    model = models[0].partition(":")[2].strip() if models else platform.processor()
    names = sorted({"l1_any", "numpy", *libraries})
    versions = [f"{name} {_version(name)}" for name in names]
    today = f"{dt.datetime.now(dt.UTC):%Y-%m-%d}"
    python = f"Python {platform.python_version()}"
    return [
        f"{', '.join([today, model, f'{os.cpu_count()} cores', python, *versions])}.",
        f"Read limit: {limit / 1e9:.1f} GB/s ({reader}). {MEMORY}",
    ]


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:  # CuPy's distributions are named for their CUDA version
        return str(sys.modules[name].__version__)


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
    parser.add_argument("--rounds", type=int, default=5, help="rounds on large arrays")
    parser.add_argument("--small-rounds", type=int, default=SMALL_ROUNDS, help="rounds on small arrays")
    parser.add_argument("--no-memory", dest="memory", action="store_false", help="do not measure the memory")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the tables there")
    args = parser.parse_args(argv)
    at_hand = _cases.installed(args.device)
    for name in args.library or []:
        if name not in at_hand:
            parser.error(f"--library must be one of the installed {', '.join(at_hand)}, got {name}.")
    args.library = args.library or at_hand
    args.case = args.case or [*_cases.KINDS, "small"]
    args.dtype = args.dtype or list(_cases.DTYPES)
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables."""
    args = _arguments(argv)
    console = Console(width=None if sys.stdout.isatty() else 150)
    libraries = [_cases.library(name, args.device) for name in args.library]
    limit, reader = _measure.read_limit(args.size, args.rounds)
    machine = _machine(args.library, limit, reader)
    tables = []
    if set(args.case) & set(_cases.KINDS):
        columns = ("library", "dtype", "case", "ms", "x usual", "GB/s", "% of limit")
        errors = [f"ulps, {distribution}" for distribution in DISTRIBUTIONS]
        title = f"{args.size} elements, {list(shape('axis', args.size))} for axis=-1"
        table = _table(title, [*columns, *errors, "peak MiB"], left=3)
        tables.append((table, [row for library in libraries for row in large(library, args, limit)]))
    if "small" in args.case:
        table = _table(f"{SMALL} elements, float32", ("library", "case", "us", "us above the usual"), left=2)
        tables.append((table, [row for library in libraries for row in small(library, args)]))
    for line in machine:
        console.print(Text(line))
    for table, rows in tables:
        for row in rows:
            table.add_row(*row, style="bold" if "l1." in " ".join(row) else None)
        console.print(table)
    if args.markdown:
        parts = [*machine, *(_markdown(table, rows) for table, rows in tables)]
        args.markdown.write_text("\n\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    with warnings.catch_warnings(), np.errstate(all="ignore"), contextlib.suppress(KeyboardInterrupt):
        warnings.simplefilter("ignore")  # the idioms warn of the very overflow that the tables show
        main()
