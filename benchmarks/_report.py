"""The tables, and a description of the machine on which they were measured."""

import datetime as dt
import importlib.metadata
import importlib.util
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

MEMORY = {
    "cpu": "Peak extra memory: the rise of VmHWM, less code loaded, in a process of its own, results included; "
    "reset by /proc/self/clear_refs after a warm-up on 524,288 elements (full size for JAX).",
    "cuda": "Peak extra memory: what torch's allocator gave out at most, or CuPy's took from the device, beyond the "
    "array, results included.",
}


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], left: int) -> Table:
    """Return a table whose first `left` columns are text; the package's rows are bold."""
    out = Table(title=title, title_justify="left", row_styles=["", "dim"])
    for i, column in enumerate(columns):
        out.add_column(column, justify="left" if i < left else "right", no_wrap=i < left)
    for row in rows:
        out.add_row(*map(Text, row), style="bold" if "l1." in row[left - 1] else None)
    return out


def markdown(table: Table) -> str:
    """Return a table as Markdown."""
    marks = [":--" if column.justify == "left" else "--:" for column in table.columns]
    lines = [[str(column.header) for column in table.columns], marks]
    lines += zip(*(map(str, column.cells) for column in table.columns), strict=True)
    quoted = [[f"`{cell}`" if "(" in cell else cell for cell in line] for line in lines]
    return "\n".join([f"### {table.title}", "", *(f"| {' | '.join(line)} |" for line in quoted)])


def machine(libraries: Sequence[str], device: str) -> str:
    """Return a line with the date, the machine and the versions of a measurement."""
    cpuinfo = Path("/proc/cpuinfo")
    models = (
        [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        if cpuinfo.exists()
        else []
    )
    model = models[0].partition(":")[2].strip() if models else platform.processor()
    with_kernels = ["numba"] if importlib.util.find_spec("numba") else []
    names = sorted({"l1_any", "numpy", *libraries, *with_kernels})
    versions = [f"{name} {_version(name)}" for name in names]
    today = f"{dt.datetime.now(dt.UTC):%Y-%m-%d}"
    python = f"Python {platform.python_version()}"
    card = [_card()] if device == "cuda" else []
    return f"{', '.join([today, *card, model, f'{os.cpu_count()} cores', python, *versions])}."


def limit_and_memory(device: str, limit: float, reader: str) -> str:
    """Return a line with the read limit, and with what the peak memory means."""
    return f"Read limit: {limit / 1e9:.1f} GB/s ({reader}). {MEMORY[device]}"


def _card() -> str:
    """Return the name of the GPU and the version of its driver."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader", "--id=0"]
    done = subprocess.run(query, capture_output=True, text=True, check=True)
    name, _, driver = done.stdout.strip().partition(", ")
    return f"{name} (driver {driver})"


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:  # CuPy's distributions have CUDA's version in the name
        return str(sys.modules[name].__version__)
