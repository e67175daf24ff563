"""The rules of the source tree: sizes of files, one direction of travel, and where array libraries are named."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "l1_any"
FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [path.relative_to(PACKAGE).as_posix() for path in FILES]
MOST_LINES = 300
MOST_FILES = 14

LIBRARIES = ("cubed", "cupy", "dask", "jax", "torch")
WITH_LIBRARIES = {"_arrays", "_kernels", "cli", "optim", "testing", "tinker"}
"""The folders that may name array libraries."""

LAYERS = (
    {"_typing"},
    {"_arrays"},
    {"_arguments", "_formulas"},
    {"_kernels"},
    {"_run"},
    {"explanation", "groups", "huber", "optimality", "penalty", "proximal", "schedules"},
    {"regularization"},
    {""},
    {"optim", "testing", "tinker"},
    {"cli"},
    {"__main__"},
)
"""From the bottom up: a module imports its own folder and lower layers. "" is the package itself."""


def room_of(name):
    """The folder of a file in the package, or the file itself."""
    return name.partition("/")[0].removesuffix(".py").replace("__init__", "")


def height(room):
    """The layer of a folder, or of a file in the root."""
    return next(i for i, layer in enumerate(LAYERS) if room in layer)


def imports(tree, name):
    """The modules that a file imports while it runs, with absolute names."""
    package = ["l1_any", *name.split("/")[:-1]]
    checked = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and getattr(block.test, "id", "") == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if node in checked:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*start, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def named_libraries(tree, name):
    """The array libraries that a file imports, or names in a string that is nothing else ("torch", "dask.array")."""
    strings = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    words = [*imports(tree, name), *(s for s in strings if re.fullmatch(r"[\w.]+", s))]
    return {word for word in words if word.partition(".")[0] in LIBRARIES}


def parsed(name):
    return ast.parse((PACKAGE / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_length(name):
    lines = len((PACKAGE / name).read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES, f"{name} has {lines} lines: look whether two things live in it"


def test_root():
    assert len([path for path in PACKAGE.iterdir() if path.is_file()]) <= MOST_FILES


@pytest.mark.parametrize("name", [name for name in NAMES if room_of(name) not in WITH_LIBRARIES])
def test_names_no_library(name):
    assert not named_libraries(parsed(name), name)


@pytest.mark.parametrize("name", NAMES)
def test_direction(name):
    """Nothing calls back up, and rooms on one layer do not know each other."""
    own = room_of(name)
    for module in imports(parsed(name), name):
        if module.partition(".")[0] == "l1_any":
            other = (module + ".").split(".")[1]
            other = other if (PACKAGE / other).exists() or (PACKAGE / f"{other}.py").exists() else ""
            assert other == own or height(other) < height(own), f"{name} imports {module}"


@pytest.mark.parametrize(
    "source",
    ["import torch", "from jax import numpy", "sys.modules['dask.array']", "ops.library == 'cupy'"],
)
def test_finds_a_library(source):
    assert named_libraries(ast.parse(source), "_run/plan.py")


@pytest.mark.parametrize(
    "source", ["from l1_any._run import plan", "from .._run import plan", "from ..penalty import value"]
)
def test_finds_the_way_up(source):
    (module,) = imports(ast.parse(source), "_formulas/sums.py")
    assert height(module.split(".")[1]) > height("_formulas")
