"""What the command is doing, on stderr if that is a terminal: a spinner, or a bar with bytes and remaining time."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Steps:
    """The parts of the work, and the bytes that are done."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def started(self, text: str) -> None:
        """Show the name of the current part of the work."""
        self._progress.update(self._task, description=text)

    def expect(self, size: int) -> None:
        """Show a bar for so many bytes."""
        columns = self._progress.columns
        if len(columns) == len(_spinner()):
            self._progress.columns = (*columns, *_bar())
        self._progress.update(self._task, total=size)

    def advanced(self, size: int) -> None:
        """Move the bar on."""
        self._progress.advance(self._task, size)


def _spinner() -> tuple[SpinnerColumn, TextColumn, TimeElapsedColumn]:
    return SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()


def _bar() -> tuple[BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn]:
    return BarColumn(bar_width=20), DownloadColumn(), TextColumn("left:"), TimeRemainingColumn()


@contextmanager
def progress() -> Iterator[Steps]:
    """Show the work on stderr, if that is a terminal; erase it at the end."""
    console = Console(stderr=True)
    with Progress(*_spinner(), console=console, transient=True, disable=not sys.stderr.isatty()) as shown:
        yield Steps(shown)
