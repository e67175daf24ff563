"""The command ``l1-any``: its options, its output streams and its exit status."""

import io
import os
import sys
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

import l1_any

from .checkpoint import print_summaries, summaries, summaries_json
from .compare import Comparison, compare
from .demo import print_demo
from .errors import CommandError, printable
from .idioms import SIZE, rows
from .inputs import KINDS, read, read_all
from .memory import available_memory
from .parts import compare_parts, is_large
from .progress import Steps, progress
from .report import Source, as_json, conclusion, facts, print_comparison, to_json

_DISAGREEMENT, _ERROR = 1, 2
_HIDDEN = ("array-api-strict",)  # a reference implementation, which nobody uses for its speed
_EQUAL, _HALF_SIZE, _ENOUGH_MEMORY = 0.1, 10_000_000, 4e9

app = typer.Typer(pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]})


class Target(StrEnum):
    """What the penalty is computed from."""

    logprobs = "logprobs"
    probs = "probs"


class Reduce(StrEnum):
    """How the magnitudes are reduced."""

    sum = "sum"
    mean = "mean"


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer passes an option's value by position
    if wanted:
        typer.echo(f"l1-any {l1_any.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    *,
    version: Annotated[  # noqa: ARG001 - its callback prints it
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """The L1 penalty for every array. Without a command: the demo."""  # noqa: D401 - the command's help text
    if context.invoked_subcommand is None:
        demo_command()


@app.command("demo")
def demo_command() -> None:
    """Show where the usual expressions for an L1 norm go wrong, what l1_any gives, and how long both take."""
    _print_any_character()
    with progress() as steps:
        found = list(
            rows(
                SIZE if available_memory() > _ENOUGH_MEMORY / 4 else SIZE // 100,
                more=False,
                started=steps.started,
            )
        )
    _print(lambda console: print_demo(console, found))


@app.command("compare")
def compare_command(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help=f"Floating-point data: {KINDS} with its index. Without one: 100 million equal numbers in float32, "
            "and 10 million in float16.",
            show_default=False,
        ),
    ] = None,
    *,
    target: Annotated[
        Target, typer.Option(help="Take the data itself, or its exponential.")
    ] = Target.logprobs,
    reduce: Annotated[Reduce, typer.Option(help="Sum or mean of the absolute values.")] = Reduce.sum,
    library: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this library; repeatable. Default: all that are installed, but for array-api-strict.",
            metavar="NAME",
        ),
    ] = None,
    device: Annotated[str | None, typer.Option(help='Only this device, such as "cpu" or "cuda:0".')] = None,
    key: Annotated[
        str | None,
        typer.Option(help='The array\'s name in a file that holds several, such as "model/encoder.weight".'),
    ] = None,
    every: Annotated[
        bool,
        typer.Option("--all", help="A table of all arrays of FILE: values, means, zeros, small numbers."),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Every number, with errors in units of the last place.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """
    Compute the same penalty with every installed library, against the exact value and the usual expressions.

    Exit status: 0 if all agree, 1 if not, 2 if the input or an option cannot be used.
    """
    _print_any_character()
    found: list[tuple[Source, Comparison]] = []
    try:
        if every:
            _print_all(file, key, json=json)
            return
        with progress() as steps:
            for name, x in _data(file, key, steps):
                compared = _compare(
                    x,
                    steps,
                    penalty=context.obj or l1_any,
                    target=target.value,
                    reduce=reduce.value,
                    libraries=library or [],
                    hidden=() if verbose or device else _HIDDEN,
                    device=device,
                )
                source = Source(printable(name), tuple(x.shape), x.dtype.name, target.value, reduce.value)
                found.append((source, compared))
    except CommandError as error:
        _fail(str(error))
    if json:
        _echo(to_json(*found[0]) if file else as_json({"comparisons": [facts(*pair) for pair in found]}))
    else:
        for number, pair in enumerate(found):
            _print(partial(_show, pair, verbose=verbose), gap=number > 0)
    if any(comparison.disagreeing for _, comparison in found):
        raise typer.Exit(_DISAGREEMENT)
    if not any(comparison.agreeing for _, comparison in found):
        _fail(conclusion(found[0][1]))


def _show(pair: tuple[Source, Comparison], console: Console, *, verbose: bool) -> None:
    print_comparison(console, *pair, verbose=verbose)


def _data(file: Path | None, key: str | None, steps: Steps) -> list[tuple[str, Any]]:
    """Return the data to compare and their names."""
    steps.started("reading the data")
    if file is not None:
        return [(str(file) + (f"[{key}]" if key else ""), read(file, key=key))]
    if key is not None:
        raise CommandError("--key names an array within FILE, but no FILE is given.")
    size = SIZE if available_memory() > _ENOUGH_MEMORY else SIZE // 10
    return [
        (f"equal numbers, {_EQUAL}", np.full(size, _EQUAL, np.float32)),
        (f"equal numbers, {_EQUAL}, in half precision", np.full(_HALF_SIZE, _EQUAL, np.float16)),
    ]


def _compare(x: Any, steps: Steps, **options: Any) -> Comparison:
    if not is_large(x):
        return compare(x, started=steps.started, **options)
    steps.expect(x.nbytes)
    return compare_parts(x, started=steps.started, advanced=steps.advanced, **options)


def _print_all(file: Path | None, key: str | None, *, json: bool) -> None:
    if file is None or key is not None:
        raise CommandError("--all takes a FILE, and no --key.")
    with progress() as steps:
        steps.started("reading the data")
        found = summaries(
            read_all(file), started=steps.started, advanced=steps.advanced, expected=steps.expect
        )
    name = printable(str(file))
    if json:
        _echo(summaries_json(name, found))
    else:
        _print(lambda console: print_summaries(console, name, found))
    if all(item.note for item in found):
        raise CommandError(f"no array of {str(file)!r} can be read.")


def _print(show: Callable[[Console], object], *, gap: bool = False) -> None:
    """Print by a function of a console; what is printed is written at once."""
    console = Console(markup=False, highlight=False)
    with console.capture() as captured:
        show(console)
    _echo(("\n" if gap else "") + captured.get().removesuffix("\n"))


def _echo(text: str) -> None:
    """Print a text. If nobody reads it to its end, as in ``l1-any | head -3``, that is no error."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would fail again when it flushes stdout at its end: https://docs.python.org/3/library/signal.html
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str) -> None:
    typer.echo(f"l1-any: {printable(message)}", err=True)
    raise typer.Exit(_ERROR)


def _print_any_character() -> None:
    """Let the output streams escape what their encoding lacks; a file's name may hold any character."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
