"""Prints a comparison as tables or as JSON."""

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from .compare import Comparison
from .measure import Result, Row

_ABSENT = "-"
_WIDE = 110


@dataclass(frozen=True)
class Source:
    """The input of a comparison: the source of the data, their shape and dtype, and the options."""

    data: str
    shape: tuple[int, ...]
    dtype: str
    target: str
    reduce: str


def conclusion(comparison: Comparison) -> str:
    """Say in one line whether the rows agree, and which of them do not."""
    if comparison.disagreeing:
        places = (f"{row.library} {row.device}".strip() for row in comparison.disagreeing)
        return f"DISAGREE: {', '.join(places)}"
    results = [row.result for row in comparison.rows if row.result]
    if not results:
        return "nothing was compared"
    who = f"all {len(results)} agree" if len(results) > 1 else "the only one agrees"
    return f"{who}: at most {_number(max(r.ulps for r in results))} ulp from the exact value, 0 at 0"


def print_tables(console: Console, source: Source, comparison: Comparison) -> None:
    """Print the penalty of each library, the usual expressions, the notes, and the conclusion."""
    shape = " x ".join(map(str, source.shape)) or "one number"
    console.print(f"L1 {source.reduce} of {source.target}: {source.data}, {shape}, {source.dtype}")
    results = [row.result for row in comparison.rows if row.result]
    if results:
        exact = f"exact value, rounded once: {_float(results[0].exact, results[0])}"
        of_each = "each against the exact value for its own exp(x)"
        console.print(exact if source.target == "logprobs" else of_each)
        console.print("", _penalties(comparison.rows, console.width), "", sep="\n")
        console.print(_idioms(comparison.rows, console.width), "", sep="\n")
    for row in comparison.rows:
        if row.note:
            console.print(f"{f'{row.library} {row.device}'.strip()}: {row.note}")
        for idiom in row.result.idioms if row.result else ():
            if idiom.note:
                console.print(f"{row.library} {row.device}, {idiom.source}: {idiom.note}")
    if comparison.advice:
        console.print(f"{comparison.advice} makes large arrays on a CPU faster")
    for name, command in comparison.not_installed.items():
        console.print(f"{name} is not installed: {command}")
    console.print(conclusion(comparison), style="red" if comparison.disagreeing else "green")


def to_json(source: Source, comparison: Comparison) -> str:
    """Return the same facts as JSON; infinities and NaN become strings, because JSON has no such numbers."""
    rows = [_finite(asdict(row)) for row in comparison.rows]
    facts = asdict(source) | {
        "rows": rows,
        "not_installed": comparison.not_installed,
        "advice": comparison.advice,
        "agree": not comparison.disagreeing,
        "conclusion": conclusion(comparison),
    }
    return json.dumps(facts, indent=2, allow_nan=False)


def _penalties(rows: tuple[Row, ...], width: int) -> Table:
    wide = width >= _WIDE
    together = [">value", ">mean"] if wide else [">value\nmean"]
    times = [">time", "how", "than the\nusual"] if wide else [">time", "than the\nusual"]
    headers = [*together, ">norm\nof s", ">ulps\noff", ">s\nat 0", ">grad\nat 0", *times]
    table = _table("library", "device", *headers, wide=wide)
    for row in rows:
        if result := row.result:
            pairs = (
                (_float(result.value, result), _float(result.mean, result)),
                (_time(result.seconds), _how(result)),
            )
            beside = " " if wide else "\n"
            sums, time = (pair if wide else ["\n".join(pair)] for pair in pairs)
            table.add_row(
                row.library + beside + row.version.partition("+")[0],
                row.device + beside + row.dtype,
                *sums,
                _number(result.subgradient_norm, 7),
                _number(result.ulps),
                _number(result.subgradient_at_zero),
                _number(result.autodiff_at_zero),
                *time,
                _speed(result.ratio).replace(" x ", f" x{beside}"),
            )
    return table


def _how(result: Result) -> str:
    return result.how or _ABSENT


def _speed(ratio: float | None) -> str:
    """Say how fast the value is beside the usual expression."""
    if ratio is None:
        return _ABSENT
    times, word = (ratio, "faster") if ratio >= 1 else (1 / ratio, "slower")
    return f"{times:.1f} x {word}" if f"{times:.1f}" != "1.0" else "as fast"


def _idioms(rows: tuple[Row, ...], width: int) -> Table:
    headers = "usual idiom", "library", "device", ">ulps\noff", ">time", ">time\nto ours"
    table = _table(*headers, wide=width >= _WIDE)
    for row in rows:
        for idiom in row.result.idioms if row.result else ():
            ratio = _ABSENT
            if row.result and idiom.seconds is not None:
                ratio = f"{idiom.seconds / row.result.seconds:.2f} x"
            figures = _number(idiom.ulps), _time(idiom.seconds), ratio
            table.add_row(idiom.source, row.library, row.device, *figures)
    return table


def _table(*headers: str, wide: bool) -> Table:
    """Make a table; a header that begins with ">" marks a column of numbers."""
    table = Table(box=SIMPLE_HEAD, padding=(0, int(wide), 0, 0), show_edge=False)
    for header in headers:
        numeric = header.startswith(">")
        table.add_column(header.lstrip(">"), justify="right" if numeric else "left", overflow="fold")
    return table


def _float(number: float | None, result: Result) -> str:
    """Write a float with enough digits to tell it from its neighbours in its dtype."""
    return _ABSENT if number is None else f"{number:.{17 if result.dtype == 'float64' else 9}g}"


def _number(number: float | None, digits: int = 4) -> str:
    return _ABSENT if number is None else f"{number:.{digits}g}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return _ABSENT
    for unit, name in ((1, "s"), (1e-3, "ms")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds / 1e-6:.3g} us"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
