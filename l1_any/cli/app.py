"""The command ``l1-any``: its options, its output streams and its exit status."""

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy.typing as npt
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

import l1_any

from .compare import Comparison, compare
from .errors import CommandError, printable
from .inputs import read
from .ngram import EVALUATED, standard_library_logprobs
from .report import Source, conclusion, print_tables, to_json

_DISAGREEMENT, _ERROR = 1, 2

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


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


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """The L1 penalty for every array."""  # noqa: D401 - the command's help text


@app.command("compare")
def compare_command(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="A .npy, .npz, .safetensors, .pt or .pth file of floating-point data. Without one: the "
            "log-probabilities of a small language model of the Python standard library's source.",
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
        typer.Option(help="Only this library; repeatable. Default: all that are installed.", metavar="NAME"),
    ] = None,
    device: Annotated[str | None, typer.Option(help='Only this device, such as "cpu" or "cuda:0".')] = None,
    key: Annotated[str | None, typer.Option(help="The array's name in a file that holds several.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """
    Compute the same penalty with every installed library, against the exact value.

    Exit status: 0 if all agree, 1 if not, 2 if the input or an option cannot be used.
    """
    _print_any_character()
    try:
        with _progress() as started:
            started("reading the data")
            x = _data(file, key)
            comparison = compare(
                x,
                penalty=context.obj or l1_any,
                target=target.value,
                reduce=reduce.value,
                libraries=library or [],
                device=device,
                started=started,
            )
    except CommandError as error:
        _fail(str(error))
    name = f"n-gram model of {EVALUATED}" if file is None else str(file) + (f"[{key}]" if key else "")
    source = Source(printable(name), x.shape, x.dtype.name, target.value, reduce.value)
    _print(source, comparison, as_json=as_json)
    if comparison.disagreeing:
        raise typer.Exit(_DISAGREEMENT)
    if not comparison.agreeing:
        _fail(conclusion(comparison))


def _data(file: Path | None, key: str | None) -> npt.NDArray[Any]:
    if file is not None:
        return read(file, key=key)
    if key is not None:
        raise CommandError("--key names an array within FILE, but no FILE is given.")
    return standard_library_logprobs()


def _print(source: Source, comparison: Comparison, *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(source, comparison))
    else:
        print_tables(Console(markup=False, highlight=False), source, comparison)


def _fail(message: str) -> None:
    typer.echo(f"l1-any: {printable(message)}", err=True)
    raise typer.Exit(_ERROR)


def _print_any_character() -> None:
    """Let the output streams escape what their encoding lacks; a file's name may hold any character."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show the current part of the work on stderr, if that is a terminal; erase it at the end."""
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("")
        yield lambda text: progress.update(task, description=text)
