"""The command ``l1-any demo``: where the usual expressions go wrong, and how long they and the package take."""

import importlib.util
import itertools
from collections.abc import Iterable, Iterator

from rich.console import Console

from .idioms import Row, off_by
from .words import Line, print_lines, speed, time_of

_FLOAT32 = 2.0**-23


def print_demo(console: Console, rows: Iterable[Row]) -> None:
    """
    Print what is right, what each expression gives and what the package gives, with the times of both.

    Parameters
    ----------
    console
        Where to print; `words.print_lines` says how on a narrow one.
    rows
        Rows of `idioms.rows`.
    """
    console.print("Where the usual expressions for an L1 norm go wrong, and what l1_any gives", style="bold")
    console.print()
    print_lines(console, "expression", itertools.chain.from_iterable(map(_lines, rows)))
    console.print()
    if importlib.util.find_spec("numba") is None:
        console.print('pip install "l1_any[fast]" makes large arrays on a CPU faster.')
    console.print("Next: l1-any compare, l1-any compare FILE, l1-any --help")


def _lines(row: Row) -> Iterator[Line]:
    gives, right, package = row.numbers()
    yield Line(row.of, right, "is right", "", "", heading=True)
    yield Line(row.expression, gives, row.off, time_of(row.seconds), "")
    if isinstance(row.package, str):
        verb, _, noun = package.partition(" ")
        yield Line("l1_any", verb, noun, "", "")
    else:
        ratio = row.seconds / row.package_seconds if row.package_seconds else None
        off = off_by(row.package, row.right, _FLOAT32)
        yield Line("l1_any", package, off, time_of(row.package_seconds), speed(ratio))
