"""Change the package in one place at a time, and see whether the tests notice: `nox -s mutation -- --sample 100`.

Each mutant is a copy of the tree with one operator, comparison, condition or number changed. The tests of
the mutated file's topic run first, then those of all functions. Prints the mutants that survive: each is equivalent to
the original, or shows a hole in the tests.
"""

import argparse
import ast
import concurrent.futures
import copy
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PENALTY = ("tests/test_penalty.py", "tests/properties/test_penalty_laws.py", "tests/run/test_blocks.py")
HUBER = ("tests/test_huber.py", "tests/properties/test_penalty_laws.py")
PROXIMAL = ("tests/test_proximal.py", "tests/properties/test_proximal_laws.py")
BALL = ("tests/test_proximal.py", "tests/properties/test_projection_laws.py")
GROUPS = ("tests/test_groups.py", "tests/properties/test_proximal_laws.py")
ERRORS = ("tests/arguments/test_errors.py", "tests/arguments/test_operator_errors.py")
PIPELINE = ("tests/regularization",)
# What each file's mutants are tested by. After these, the tests of all functions run.
TESTS = {
    "_formulas/penalty.py": PENALTY,
    "_formulas/sums.py": PENALTY,
    "_formulas/huber.py": HUBER,
    "_formulas/proximal.py": PROXIMAL,
    "_formulas/ball.py": BALL,
    "_formulas/groups.py": GROUPS,
    "_formulas/optimality.py": ("tests/test_optimality.py", "tests/properties/test_proximal_laws.py"),
    "_run/reduce.py": PENALTY,
    "_run/signs.py": PENALTY,
    "_run/norms.py": PENALTY,
    "_run/mean.py": PENALTY,
    "_run/blocks.py": ("tests/run/test_blocks.py", *PENALTY),
    "_run/proximal.py": (*PROXIMAL, BALL[-1]),
    "_run/groups.py": GROUPS,
    "_run/optimality.py": ("tests/test_optimality.py",),
    "_arguments/arrays.py": ERRORS,
    "_arguments/axes.py": ERRORS,
    "_arguments/leaves.py": ERRORS,
    "_arguments/numbers.py": ERRORS,
    "_arguments/pytrees.py": ("tests/arguments/test_pytrees.py", *ERRORS),
    "schedules.py": ("tests/test_schedules.py",),
    "regularization/pipeline.py": PIPELINE,
    "regularization/calls.py": PIPELINE,
    "regularization/terms.py": PIPELINE,
    "regularization/evaluation.py": PIPELINE,
    "regularization/report.py": PIPELINE,
}
ALL = ("tests/arguments", "tests/properties", "tests/run", "tests/regularization", "tests/test_*.py")
UNRELATED = ("tests/run/test_memory.py", "tests/test_house.py", "tests/test_import.py")

SWAPPED = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.Mod: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}


class Mutant(NamedTuple):
    """One change of a file."""

    name: str
    line: int
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        return f"l1_any/{self.name}:{self.line}: {self.before}  ->  {self.after}"


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the mutants of an expression."""
    if isinstance(node, ast.BinOp | ast.BoolOp):
        for operator in SWAPPED.get(type(node.op), ()):
            changed = copy.deepcopy(node)
            changed.op = operator()
            yield changed
    elif isinstance(node, ast.Compare):
        for i, old in enumerate(node.ops):
            for operator in SWAPPED[type(old)]:
                changed = copy.deepcopy(node)
                changed.ops[i] = operator()
                yield changed
    elif isinstance(node, ast.UnaryOp):
        yield copy.deepcopy(node.operand)
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(node.test, node.orelse, node.body)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield ast.Constant(node.value + 1)


def expressions(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Yield each expression that runs: its parent, the field there, and the place in the field."""
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if field in {"annotation", "returns", "decorator_list"}:
                continue
            for place, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(child, ast.expr):
                    yield parent, field, place


def in_annotation(tree: ast.AST) -> set[ast.AST]:
    """Return the nodes within annotations and names of types."""
    roots = [
        root
        for node in ast.walk(tree)
        for root in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if root is not None
    ]
    roots += [node.value for node in getattr(tree, "body", []) if isinstance(node, ast.Assign)]
    return {node for root in roots for node in ast.walk(root)}


def mutants(name: str) -> Iterator[Mutant]:
    """Yield all mutants of a file of the package."""
    tree = ast.parse((ROOT / "l1_any" / name).read_text(encoding="utf-8"))
    left_out = in_annotation(tree)
    for parent, field, place in list(expressions(tree)):
        held = getattr(parent, field)
        old = held if place is None else held[place]
        if old in left_out:
            continue
        for new in changes(old):
            if place is None:
                setattr(parent, field, new)
            else:
                held[place] = new
            source = ast.unparse(ast.fix_missing_locations(tree))
            yield Mutant(name, old.lineno, ast.unparse(old), ast.unparse(new), source)
        if place is None:
            setattr(parent, field, old)
        else:
            held[place] = old


def passes(folder: Path, tests: tuple[str, ...], backends: list[str], seconds: float) -> bool:
    """Whether the tests pass in a copy of the tree, in time."""
    files = [str(path) for pattern in tests for path in sorted(folder.glob(pattern))]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *files]
    command += [f"--backend={name}" for name in backends] + [f"--ignore={path}" for path in UNRELATED]
    # Kernels hide the formulas. A seed that is always the same makes the score repeatable.
    options = {"L1_ANY_KERNELS": "0", "L1_ANY_EXAMPLES": "15", "PYTHONDONTWRITEBYTECODE": "1"}
    env = os.environ | options | {"PYTHONPATH": str(folder)}
    try:
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def survives(mutant: Mutant, folder: Path, backends: list[str], seconds: float, *, thorough: bool) -> bool:
    """Whether no test finds the mutant."""
    path = folder / "l1_any" / mutant.name
    original = path.read_text(encoding="utf-8")
    path.write_text(mutant.source, encoding="utf-8")
    try:
        rounds = [TESTS[mutant.name], *([ALL] if thorough else [])]
        return all(passes(folder, tests, backends, seconds) for tests in rounds)
    finally:
        path.write_text(original, encoding="utf-8")


def main() -> int:
    """Test the mutants; return 1 if the score is less than 95 %."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, help="how many mutants; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="only files whose name contains this")
    parser.add_argument("--backend", action="append", help="libraries to test with; repeatable")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument(
        "--timeout", type=float, default=600, help="seconds for a mutant's tests; then it is found"
    )
    parser.add_argument("--minutes", type=float, default=1e9, help="start no mutant after this time")
    parser.add_argument(
        "--topic-only", action="store_true", help="do not run the tests of all functions at last"
    )
    options = parser.parse_args()
    backends = options.backend or ["numpy", "strict", "torch", "jax", "dask"]
    every = [mutant for name in TESTS if options.only in name for mutant in mutants(name)]
    random.Random(options.seed).shuffle(every)  # noqa: S311
    chosen = every[: options.sample]
    survivors, tested, end = [], 0, time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as tmp, concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        folders: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for number in range(options.jobs):
            folder = Path(tmp) / str(number)
            for part in ("l1_any", "tests", "examples"):
                shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copy(ROOT / "pyproject.toml", folder)
            folders.put(folder)

        needed = tuple(dict.fromkeys(file for mutant in chosen for file in TESTS[mutant.name]))
        if not passes(Path(tmp) / "0", needed, backends, 1e4):
            raise SystemExit("The tests fail without a mutant.")

        def run(mutant: Mutant) -> bool | None:
            if time.monotonic() > end:
                return None
            folder = folders.get()
            try:
                thorough = not options.topic_only
                return survives(mutant, folder, backends, options.timeout, thorough=thorough)
            finally:
                folders.put(folder)

        for mutant, survived in zip(chosen, pool.map(run, chosen), strict=True):
            tested += survived is not None
            if survived:
                survivors.append(mutant)
                print(mutant, flush=True)
    score = 1 - len(survivors) / max(tested, 1)
    print(f"{tested} of {len(every)} mutants, {len(survivors)} survived: {100 * score:.1f} % were found")
    return int(score < 0.95)  # noqa: PLR2004


if __name__ == "__main__":
    sys.exit(main())
