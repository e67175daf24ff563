"""All arrays of a file as one table: ``l1-any compare --all``."""

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.console import Console

import l1_any

from .errors import CommandError, printable
from .parts import parts
from .report import as_json
from .words import NARROW, number, table

SMALL = 1e-3
"""Numbers of a smaller magnitude are counted as small."""


@dataclass(frozen=True)
class Summary:
    """One array: its L1 norm and mean magnitude, how many numbers are exactly 0, and the share below `SMALL`."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    value: float | None = None
    mean: float | None = None
    zeros: int | None = None
    small: float | None = None
    note: str = ""


def summaries(
    arrays: Iterable[tuple[str, Any]],
    *,
    started: Callable[[str], object] = lambda _: None,
    advanced: Callable[[int], object] = lambda _: None,
    expected: Callable[[int], object] = lambda _: None,
) -> list[Summary]:
    """
    Summarise arrays one after the other, part by part.

    Parameters
    ----------
    arrays
        Names and arrays, or the errors of those that cannot be read, as `inputs.read_all` yields.
    started, advanced, expected
        Called with the name of each array, with the number of bytes of each part that is done, and with the number
        of bytes of all arrays so far.
    """
    found = []
    size = 0
    for name, array in arrays:
        started(printable(name))
        size += getattr(array, "nbytes", 0)
        expected(size)
        if isinstance(array, CommandError):
            found.append(Summary(name, (), "", note=str(array)))
        else:
            found.append(_summary(name, array, advanced))
    return found


def _summary(name: str, array: Any, advanced: Callable[[int], object]) -> Summary:
    values, zeros, small = [], 0, 0
    with np.errstate(all="ignore"):
        for part in parts(array):
            # NumPy has no bfloat16 of its own; float32 holds all of its numbers
            x = part.astype(np.float32) if part.dtype.name == "bfloat16" else part
            values.append(float(l1_any.value(x)))
            zeros += int(np.count_nonzero(x == 0))
            small += int(np.count_nonzero(np.abs(x) < SMALL))
            advanced(part.nbytes)
    value = math.fsum(values)
    size = math.prod(array.shape)
    mean, share = (value / size, small / size) if size else (None, None)
    return Summary(name, tuple(array.shape), array.dtype.name, value, mean, zeros, share)


def print_summaries(console: Console, source: str, found: list[Summary]) -> None:
    """Print a table with a line for each array, or a few lines for each on a narrow terminal."""
    console.print(f"{source}: {len(found)} arrays")
    headers = "value", "mean", "zeros", f"below\n{SMALL:g}"
    cells = table("name", "shape", "dtype", *(f">{header}" for header in headers))
    for item in found:
        shape = "x".join(map(str, item.shape)) or ("-" if item.note else "one")
        share = "-" if item.small is None else f"{100 * item.small:.1f} %"
        zeros = "-" if item.zeros is None else str(item.zeros)
        figures = number(item.value, 7), number(item.mean), zeros, share
        if console.width < NARROW:
            console.print(f"{printable(item.name)}, {shape}, {item.dtype}")
            words = zip(("value", "mean", "zeros", f"below {SMALL:g}"), figures, strict=True)
            for word, figure in words:
                console.print(f"  {word} {figure}")
        else:
            cells.add_row(printable(item.name), shape, item.dtype, *figures)
    if console.width >= NARROW:
        console.print(cells)
    for item in found:
        if item.note:
            console.print(f"{printable(item.name)}: {item.note}")


def summaries_json(source: str, found: list[Summary]) -> str:
    """Return the same facts as JSON."""
    return as_json({"data": source, "arrays": [asdict(item) for item in found]})
