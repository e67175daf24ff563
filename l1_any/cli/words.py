"""Numbers, times and speeds in words, and tables of them."""

from collections.abc import Iterable
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

ABSENT = "-"
NARROW = 80
"""Terminals with fewer columns get lines in the place of tables, so that no number is cut."""


def speed(ratio: float | None) -> str:
    """Say how fast something is beside the usual expression, whose time over its time is `ratio`."""
    if ratio is None:
        return ABSENT
    times, word = (ratio, "faster") if ratio >= 1 else (1 / ratio, "slower")
    return f"{times:.1f} x {word}" if f"{times:.1f}" != "1.0" else "as fast"


def number(value: float | None, digits: int = 4) -> str:
    """Write a number, or "-" for None."""
    return ABSENT if value is None else f"{value:.{digits}g}"


def time_of(seconds: float | None) -> str:
    """Write a time with three digits, or "-" for None."""
    if seconds is None:
        return ABSENT
    for unit, name in ((1, "s"), (1e-3, "ms")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds / 1e-6:.3g} us"


def table(*headers: str, gap: int = 1) -> Table:
    """Make a table; a header that begins with ">" marks a column of numbers, which are not broken."""
    made = Table(box=SIMPLE_HEAD, padding=(0, gap, 0, 0), show_edge=False)
    for header in headers:
        numeric = header.startswith(">")
        made.add_column(
            header.lstrip(">"), justify="right" if numeric else "left", overflow="fold", no_wrap=numeric
        )
    return made


class Line(NamedTuple):
    """A heading, or an expression under it: what it gives, by how much it is wrong, its time, its speed in words."""

    text: str
    gives: str
    off: str
    time: str
    speed: str
    heading: bool = False


def print_lines(console: Console, title: str, lines: Iterable[Line]) -> None:
    """Print lines as a table with this title of its first column; on a narrow console as lines, numbers whole."""
    if console.width >= NARROW:
        cells = table(title, ">gives", ">off by", ">time", ">l1_any is")
        for line in lines:
            text = line.text if line.heading else f"  {line.text}"
            cells.add_row(text, *line[1:5], style="bold" if line.heading else None)
        console.print(cells)
        return
    for line in lines:
        console.print(line.text if line.heading else f"  {line.text}", style="bold" if line.heading else None)
        for words in (f"{line.gives} {line.off}", line.time, line.speed):
            if words.strip():
                console.print(f"    {words.strip()}")
