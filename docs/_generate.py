"""Write the pages that come from tables in the code: the backends, the API reference, the measurements."""

import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import l1_any
from l1_any.testing import BACKENDS, Backend, Variant

DOCS = Path(__file__).parent
GENERATED = DOCS / "_generated"


def backends() -> str:
    """Return the table of backends, a row for each device or mode."""
    head = "| library | as | evaluation | automatic differentiation | dtypes | accumulates in | tested |"
    rows = [_row(backend, variant) for backend in BACKENDS for variant in backend.variants]
    return "\n".join([head, "|---" * 7 + "|", *rows])


def _row(backend: Backend, variant: Variant) -> str:
    tested = "not yet measured" if variant.gpu else f"`nox -s 'tests({backend.name})'`"
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
    sections: dict[str, list[str]] = {}
    for name in l1_any.__all__:
        public = getattr(l1_any, name)
        if not inspect.ismodule(public):
            module = importlib.import_module(public.__module__)
            sections.setdefault(_title(module), []).append(f"l1_any.{name}")
    for module_info in pkgutil.iter_modules(l1_any.__path__, "l1_any."):
        module = importlib.import_module(module_info.name)
        names = [name for name in getattr(module, "__all__", []) if name not in l1_any.__all__]
        if names and not module_info.name.rpartition(".")[2].startswith("_"):
            title = f"{module.__name__}: {_title(module)}"
            sections[title] = [f"{module.__name__}.{name}" for name in names]
    return "\n\n".join(["API reference\n=============", *map(_section, sections, sections.values())])


def _title(module: ModuleType) -> str:
    return inspect.getdoc(module).partition("\n")[0].partition(":")[0].rstrip(".")


def _section(title: str, names: list[str]) -> str:
    table = "\n   ".join([".. autosummary::", ":toctree: .", "", *names])
    return f"{title}\n{'-' * len(title)}\n\n{table}\n"


def write() -> None:
    """Write every generated page."""
    GENERATED.mkdir(exist_ok=True)
    (GENERATED / "backends.md").write_text(backends() + "\n", encoding="utf-8")
    (GENERATED / "api.rst").write_text(api() + "\n", encoding="utf-8")
