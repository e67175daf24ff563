"""Write the pages that come from tables in the code: the backends, the API reference, the measurements."""

import importlib
import inspect
import re
import shutil
from pathlib import Path
from types import ModuleType

import l1_any
from l1_any import penalty
from l1_any.testing import BACKENDS, Backend, Variant

DOCS = Path(__file__).parent
GENERATED = DOCS / "_generated"
SUBMODULES = ("schedules", "optim", "tinker", "testing")
"""Public modules with a section of their own."""


def backends() -> str:
    """Return the table of backends, a row for each device or mode."""
    head = "| library | as | evaluation | automatic differentiation | dtypes | accumulates in | tested |"
    rows = [_row(backend, variant) for backend in BACKENDS for variant in backend.variants]
    return "\n".join([head, "|---" * 7 + "|", *rows])


def _row(backend: Backend, variant: Variant) -> str:
    tested = "`nox -s gpu`" if variant.gpu else f"`nox -s 'tests({backend.name})'`"
    cells = [
        f"{backend.title} (`{backend.requirement}`)",
        f"`{variant.name}`",
        backend.evaluation,
        backend.autodiff or "-",
        ", ".join(variant.dtypes),
        variant.accumulator,
        tested,
    ]
    return f"| {' | '.join(cells)} |"


def api() -> str:
    """Return the reference: public names under the first words of the module that defines them."""
    sections: dict[str, list[str]] = {_title(penalty): []}  # the first topic
    for name in l1_any.__all__:
        public = getattr(l1_any, name)
        if not inspect.ismodule(public):
            sections.setdefault(_title(inspect.getmodule(public)), []).append(f"l1_any.{name}")
    for name in SUBMODULES:
        module = getattr(l1_any, name, None) or importlib.import_module(f"l1_any.{name}")
        sections[f"l1_any.{name}: {_title(module)}"] = [
            f"l1_any.{name}.{public}" for public in module.__all__
        ]
    return "\n\n".join(["API reference\n=============", *map(_section, sections, sections.values())])


def _title(module: ModuleType) -> str:
    summary = inspect.getdoc(module).partition("\n")[0]
    return re.split(r"[:,.](?: |$)", summary)[0]


def _section(title: str, names: list[str]) -> str:
    table = ".. autosummary::\n   :toctree: .\n\n   " + "\n   ".join(names)
    return f"{title}\n{'-' * len(title)}\n\n{table}\n"


def write() -> None:
    """Write every generated page anew."""
    shutil.rmtree(GENERATED, ignore_errors=True)
    GENERATED.mkdir()
    (GENERATED / "backends.md").write_text(backends() + "\n", encoding="utf-8")
    (GENERATED / "api.rst").write_text(api() + "\n", encoding="utf-8")
