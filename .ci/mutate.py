"""Change the package in one place at a time, and see whether the tests notice: `nox -s mutation -- --sample 200`.

Each mutant has one operator, comparison, condition, check or number changed. First the tests run once, and coverage.py
notes which of them run each line. Then a mutant is tested by the tests that run its line, the fastest first, until
one fails. The libraries are imported once, by a process that forks for each mutant. Prints the mutants that survive:
each is equivalent to the original, or shows a hole in the tests.

mutmut and cosmic-ray are not used: the first knows no choice of tests by line and changes only what its own
trampolines wrap, which neither torch nor JAX can compile; the second starts Python, torch and JAX anew for each mutant.
"""

import argparse
import functools
import importlib
import importlib.machinery
import importlib.util
import json
import os
import random
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any

from mutant_tests import COST, PACKAGE, Plugin, Record, Tests, function_of, record, run_tests
from mutants import ROOT, Mutant, mutants
from processes import Job, answers

FOLDERS = ("_formulas", "_run", "_arguments", "regularization", ".")
NO_TOPIC = ("__init__.py", "__main__.py", "_typing.py", "explanation.py")
LIBRARIES = {"strict": "array_api_strict", "torch": "torch", "jax": "jax", "dask": "dask.array"}


class Changed(importlib.machinery.SourceFileLoader):
    """Imports a mutant in the place of its file."""

    def __init__(self, name: str, mutant: Mutant) -> None:
        super().__init__(name, str(PACKAGE / mutant.name))
        self.mutant = mutant

    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        """Find the changed module, and no other."""
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def get_code(self, fullname: str) -> Any:
        """Compile the changed source."""
        del fullname
        return compile(self.mutant.source(), self.path, "exec")


def test(mutant: Mutant | None, tests: Tests, backends: list[str], limit: float) -> str:
    """Run tests on a mutant; return the test that finds it, or nothing."""
    if mutant:
        module = "l1_any." + mutant.name.removesuffix(".py").replace("/", ".")
        sys.meta_path.insert(0, Changed(module, mutant))
    plugin = Plugin(tests, limit)
    status = run_tests(sorted({name.partition("::")[0] for name in tests.functions}), plugin, backends)
    # 5: there are no tests. Other errors are the mutant's.
    return next(iter(plugin.failed), "" if plugin.stopped or status in {0, 5} else "import")


def found(chosen: list[Mutant], known: Record, options: argparse.Namespace, tmp: Path) -> dict[Mutant, str]:
    """Test the mutants; return what found each of them, and "" for the survivors."""
    end = time.monotonic() + 60 * options.minutes

    def job(mutant: Mutant | None, tests: Tests, limit: float, *, last: bool) -> Job:
        work = functools.partial(test, mutant, tests, options.backend, limit)
        return Job((mutant, tests, last), work, 40 + 2 * limit)

    every = [(mutant, known.tests(mutant)) for mutant in chosen]
    jobs = deque(job(mutant, tests.nearest(), options.seconds / 3, last=False) for mutant, tests in every)
    out: dict[Mutant, str] = {}
    for (mutant, _, last), finder in answers(jobs, options.jobs, tmp):
        if finder or last:
            out[mutant] = finder
            print("found   " if finder else "SURVIVED", mutant, finder and f"by {finder}", flush=True)
        else:
            jobs.appendleft(job(mutant, known.tests(mutant), options.seconds, last=True))
        if time.monotonic() > end:
            jobs.clear()
    finders = {function_of(name) for name in out.values() if "::" in name}
    for _, failed in answers(deque([job(None, Tests(finders, known, list(COST)), 3600, last=True)]), 1, tmp):
        if failed:
            raise SystemExit(f"{failed} finds mutants, but fails without one.")
    return out


def main() -> int:
    """Test the mutants; return 1 if fewer than 95 % are found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, help="how many mutants; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="only mutants whose line, as printed, contains this")
    parser.add_argument("--backend", action="append", help="libraries to test with; repeatable")
    parser.add_argument("--record-backend", action="append", help="libraries to record with; all by default")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument(
        "--seconds", type=float, default=25, help="of a processor for the tests for a mutant that none finds"
    )
    parser.add_argument("--minutes", type=float, default=1e9, help="start no mutant after this time")
    parser.add_argument("--record", type=Path, help="keep here what the tests run, for another time")
    options = parser.parse_args()
    options.backend = options.backend or ["numpy", *LIBRARIES]
    os.chdir(ROOT)
    # One process for a mutant has one thread.
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "TORCHINDUCTOR_COMPILE_THREADS"), "1"))
    os.environ.setdefault("L1_ANY_EXAMPLES", "15")
    for name in options.backend:
        importlib.import_module(LIBRARIES.get(name, name))
    paths = [path for folder in FOLDERS for path in sorted((PACKAGE / folder).glob("*.py"))]
    names = [path.relative_to(PACKAGE).as_posix() for path in paths if path.name not in NO_TOPIC]
    every = [mutant for name in names for mutant in mutants(name) if options.only in str(mutant)]
    random.Random(options.seed).shuffle(every)  # noqa: S311
    chosen = every[: options.sample]
    with tempfile.TemporaryDirectory() as folder:
        tmp = Path(folder)
        if options.record and options.record.exists():
            known = Record(*json.loads(options.record.read_text()))
        else:
            known = record(options.record_backend or options.backend, options.jobs, tmp)
            if options.record:
                options.record.write_text(json.dumps(known))
        results = found(chosen, known, options, tmp)
    left = sum(not finder for finder in results.values())
    score = 1 - left / max(len(results), 1)
    print(f"{len(results)} of {len(every)} mutants, {left} survived: {100 * score:.1f} % were found")
    return int(score < 0.95)  # noqa: PLR2004


if __name__ == "__main__":
    sys.exit(main())
