"""Leave out the doctests whose library is not installed, and say which: `pytest -p docs._only_installed`.

An example is left out if it imports a missing library, or uses a name that such an example has made. Where only
imports would be left, the whole page is skipped. A module that needs the library itself is not imported.
"""

import ast
import doctest
import importlib
import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

OPTIONAL = (
    "cubed",
    "cupy",
    "dask",
    "distributed",
    "jax",
    "numba",
    "optax",
    "tinker",
    "torch",
    "triton",
    "zarr",
)
ROOT = Path(__file__).parents[1]


def missing() -> set[str]:
    """Return the optional libraries that are not installed."""
    return {name for name in OPTIONAL if importlib.util.find_spec(name) is None}


def needing(sources: Iterable[str], libraries: set[str]) -> list[bool]:
    """Tell which of the examples, run one after the other, cannot do without the libraries."""
    lost: set[str] = set()  # names that are not there, since an example that makes them is left out
    out = []
    for source in sources:
        nodes = list(ast.walk(ast.parse(source)))
        needs = bool(libraries & set(_imported(nodes)) or lost & _names(nodes, ast.Load))
        made = _names(nodes, ast.Store) | {alias.split(".")[0] for alias in _aliases(nodes)}
        lost = lost | made if needs else lost - made
        out.append(needs)
    return out


def _imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield str(node.module).split(".")[0]


def _aliases(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)


def _names(nodes: Iterable[ast.AST], context: type[ast.expr_context]) -> set[str]:
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, context)}


_left_out: list[str] = []


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out a module that needs a missing library itself."""
    if collection_path.suffix != ".py" or ROOT / "l1_any" not in collection_path.parents:
        return None
    name = ".".join(collection_path.relative_to(ROOT).with_suffix("").parts)
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if str(error.name).split(".")[0] not in missing():
            raise
        _left_out.append(f"{collection_path.relative_to(ROOT)}: the module, which imports {error.name}")
        return True
    return None


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Give the examples that need a missing library the option SKIP."""
    for item in items:
        test = item.dtest
        flags = needing((example.source for example in test.examples), missing())
        if not any(flags):
            continue
        kept = [example for example, needs in zip(test.examples, flags, strict=True) if not needs]
        if all(example.source.startswith(("import ", "from ")) for example in kept):
            kept = []
        left_out = [example for example in test.examples if example not in kept]
        for example in left_out:
            example.options[doctest.SKIP] = True
        lines = ", ".join(str((test.lineno or 0) + example.lineno + 1) for example in left_out)
        share = f"{len(left_out)} of {len(test.examples)} examples"
        _left_out.append(f"{Path(test.filename).relative_to(ROOT)}: {share}, in lines {lines}")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name what was left out."""
    if _left_out:
        terminalreporter.section("left to `nox -s docs`: what needs a library that is not installed")
        terminalreporter.write_line("\n".join(_left_out))
