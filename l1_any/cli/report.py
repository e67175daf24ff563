"""Prints a comparison: in words, as tables with every number, or as JSON."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from .compare import Comparison
from .idioms import off_by
from .measure import Idiom, Result, Row
from .words import ABSENT, Line, number, print_lines, speed, table, time_of

_WIDE = 110
_EPS = {"float32": 2.0**-23, "float64": 2.0**-52}


@dataclass(frozen=True)
class Source:
    """The input of a comparison: the source of the data, their shape and dtype, and the options."""

    data: str
    shape: tuple[int, ...]
    dtype: str
    target: str
    reduce: str


def conclusion(comparison: Comparison, *, verbose: bool = True) -> str:
    """Say in one line whether the rows agree, and which of them do not; verbose: by how many ulps."""
    if comparison.disagreeing:
        places = (f"{row.library} {row.device}".strip() for row in comparison.disagreeing)
        return f"DISAGREE: {', '.join(places)}"
    results = [row.result for row in comparison.rows if row.result]
    if not results:
        return "nothing was compared"
    who = f"all {len(results)} agree" if len(results) > 1 else "the only one agrees"
    if verbose:
        return f"{who}: at most {number(max(r.ulps for r in results))} ulp from the exact value, 0 at 0"
    off = max(r.ulps for r in results)
    value = "the exact value, rounded once" if not off else "the exact value up to its last digit"
    return f"{who}: {value}, and 0 at 0"


def print_comparison(
    console: Console, source: Source, comparison: Comparison, *, verbose: bool = False
) -> None:
    """Print the penalty of each library beside its usual expressions, the notes, and the conclusion."""
    shape = " x ".join(map(str, source.shape)) or "one number"
    console.print(f"L1 {source.reduce} of {source.target}: {source.data}, {shape}, {source.dtype}")
    results = [row.result for row in comparison.rows if row.result]
    if results:
        exact = f"exact value, rounded once: {_float(results[0].exact, results[0])}"
        of_each = "each against the exact value for its own exp(x)"
        console.print(exact if source.target == "logprobs" else of_each)
        if results[0].parts > 1:
            console.print(
                f"read in {results[0].parts} parts; times and usual expressions are of the first part"
            )
        console.print()
        if verbose:
            console.print(_penalties(comparison.rows, console.width), "", sep="\n")
            console.print(_idioms(comparison.rows, console.width), "", sep="\n")
        else:
            print_lines(console, "library and expression", _lines(comparison.rows))
            console.print()
    _print_notes(console, comparison, verbose=verbose)
    style = "red" if comparison.disagreeing else "green"
    console.print(conclusion(comparison, verbose=verbose), style=style)


def _print_notes(console: Console, comparison: Comparison, *, verbose: bool) -> None:
    for row in comparison.rows:
        if row.note:
            console.print(f"{f'{row.library} {row.device}'.strip()}: {row.note}")
        for idiom in row.result.idioms if row.result else ():
            if idiom.note:
                console.print(f"{row.library} {row.device}, {idiom.source}: {idiom.note}")
    if comparison.advice:
        console.print(f"{comparison.advice} makes large arrays on a CPU faster")
    if verbose:
        for name, command in comparison.not_installed.items():
            console.print(f"{name} is not installed: {command}")
    elif comparison.not_installed:
        console.print(
            f"not installed: {', '.join(comparison.not_installed)} (--verbose says how to install them)"
        )


def to_json(source: Source, comparison: Comparison) -> str:
    """Return the same facts as JSON; infinities and NaN become strings, because JSON has no such numbers."""
    return as_json(facts(source, comparison))


def facts(source: Source, comparison: Comparison) -> dict[str, Any]:
    """Return all facts of a comparison."""
    return asdict(source) | {
        "rows": [asdict(row) for row in comparison.rows],
        "not_installed": comparison.not_installed,
        "advice": comparison.advice,
        "agree": not comparison.disagreeing,
        "conclusion": conclusion(comparison),
    }


def as_json(value: Any) -> str:
    """Write facts as JSON; infinities and NaN become strings."""
    return json.dumps(_finite(value), indent=2, allow_nan=False)


def _lines(rows: tuple[Row, ...]) -> Iterator[Line]:
    """Yield for each library what the package and its usual expressions give, how wrong that is, and the times."""
    for row in rows:
        if result := row.result:
            device = "" if row.device == "cpu" else f", {row.device}"
            yield Line(f"{row.library} {row.version.partition('+')[0]}{device}", "", "", "", "", heading=True)
            within = result.ulps <= result.ulps_allowed
            figures = _float(result.value, result), _off(result.value, result.exact, result, within=within)
            yield Line(
                f"l1_any ({result.how})" if result.how else "l1_any", *figures, time_of(result.seconds), ""
            )
            for idiom in result.idioms:
                if not idiom.note:
                    yield _usual(idiom, result)


def _usual(idiom: Idiom, result: Result) -> Line:
    value, right, off = (
        math.nan if number is None else number for number in (idiom.value, idiom.right, idiom.ulps)
    )
    wrong = _off(value, right, result, within=off <= result.ulps_allowed)
    ratio = None if idiom.seconds is None else idiom.seconds / result.seconds
    # of the first part alone, which is no number to hold beside the sum of all parts
    gives = _float(value, result) if result.parts == 1 else ""
    return Line(idiom.source, gives, wrong, time_of(idiom.seconds), speed(ratio))


def _off(value: float, right: float, result: Result, *, within: bool) -> str:
    return "right" if within else off_by(value, right, _EPS[result.dtype])


def _penalties(rows: tuple[Row, ...], width: int) -> Table:
    wide = width >= _WIDE
    together = [">value", ">mean"] if wide else [">value\nmean"]
    times = [">time", "how", "than the\nusual"] if wide else [">time", "than the\nusual"]
    headers = [*together, ">norm\nof s", ">ulps\noff", ">s\nat 0", ">grad\nat 0", *times]
    made = table("library", "device", *headers, gap=int(wide))
    for row in rows:
        if result := row.result:
            pairs = (
                (_float(result.value, result), _float(result.mean, result)),
                (time_of(result.seconds), result.how or ABSENT),
            )
            beside = " " if wide else "\n"
            sums, time = (pair if wide else ["\n".join(pair)] for pair in pairs)
            made.add_row(
                row.library + beside + row.version.partition("+")[0],
                row.device + beside + row.dtype,
                *sums,
                number(result.subgradient_norm, 7),
                number(result.ulps),
                number(result.subgradient_at_zero),
                number(result.autodiff_at_zero),
                *time,
                speed(result.ratio).replace(" x ", f" x{beside}"),
            )
    return made


def _idioms(rows: tuple[Row, ...], width: int) -> Table:
    headers = "usual idiom", "library", "device", ">ulps\noff", ">time", ">l1_any is"
    made = table(*headers, gap=int(width >= _WIDE))
    for row in rows:
        for idiom in row.result.idioms if row.result else ():
            ratio = None
            if row.result and idiom.seconds is not None:
                ratio = idiom.seconds / row.result.seconds
            figures = number(idiom.ulps), time_of(idiom.seconds), speed(ratio)
            made.add_row(idiom.source, row.library, row.device, *figures)
    return made


def _float(value: float | None, result: Result) -> str:
    """Write a float with enough digits to tell it from its neighbours in its dtype."""
    return ABSENT if value is None else f"{value:.{17 if result.dtype == 'float64' else 9}g}"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
