"""Which tests run each line, and in which order a mutant's tests run."""

import functools
import json
import time
from collections import defaultdict, deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import coverage
import pytest
from mutants import ROOT, Mutant
from processes import Job, answers

PACKAGE = ROOT / "l1_any"
TESTS = ("arguments", "arrays", "properties", "run", "regularization", ".")
# They look at files, measure, or compile for minutes.
UNRELATED = (
    "test_calls.py",
    "test_compile_once.py",
    "test_export.py",
    "test_gpu.py",
    "test_house.py",
    "test_import.py",
    "test_memory.py",
)
FEW = 4
"""From how many files tests are tried first, because it takes seconds to collect tests of all files."""
COST = {"numpy": 1.0, "strict": 1.5, "torch": 1.5, "dask": 5.0, "jax": 20.0}
"""How much longer than with NumPy a test takes, about, where it was not recorded."""


class Record(NamedTuple):
    """What the tests run."""

    backends: list[str]
    """The libraries that it was made with."""
    seconds: dict[str, float]
    """How much time of a processor each test took that passed; the machine may do other things beside."""
    lines: dict[str, dict[str, list[str]]]
    """By file and line the test functions that run it; "" is the import of the file."""

    def tests(self, mutant: Mutant) -> "Tests":
        """Return the tests of a mutant.

        A test function counts with all its parameters and libraries: a compiled or cached function runs a line only
        the first time. Where no test is known, one of the file may run the line with a library that was not recorded.
        """
        of_line = self.lines.get(mutant.name, {})
        found = {name for line in mutant.lines for name in of_line.get(str(line), ())}
        every = {name for names in of_line.values() for name in names} - {""}
        if not found:
            return Tests(every, self, [name for name in COST if name not in self.backends])
        return Tests(every if "" in found else found, self, list(COST))


class Tests(NamedTuple):
    """Test functions, and the libraries to run them with."""

    functions: set[str]
    record: Record
    backends: list[str]

    def nearest(self) -> "Tests":
        """Return the tests of the few files with the most tests of the mutant."""
        files: dict[str, set[str]] = defaultdict(set)
        for name in sorted(self.functions):
            files[name.partition("::")[0]].add(name)
        most = sorted(files.values(), key=len)[-FEW:]
        return self._replace(functions=set().union(*most))

    def ordered(self, items: list[pytest.Item]) -> list[pytest.Item]:
        """Order tests by their costs. The same function's finds are alike, so that other functions come before."""
        cost: dict[str, float] = {}
        for name, seconds in self.record.seconds.items():
            function = function_of(name)
            cost[function] = min(cost.get(function, 1e9), seconds)
        of_item: dict[pytest.Item, float] = {}
        for item in items:
            function, _, parameters = item.nodeid.partition("[")
            library = next((name for name in COST if name in parameters), "numpy")
            if function in self.functions and library in self.backends:
                guess = cost.get(function, 0.1) * COST[library] + 0.01
                of_item[item] = self.record.seconds.get(item.nodeid, guess)
        seen: dict[str, int] = defaultdict(int)
        for item in sorted(of_item, key=of_item.__getitem__):
            function = function_of(item.nodeid)
            seen[function] += 1
            of_item[item] *= seen[function]
        return sorted(of_item, key=of_item.__getitem__)


def function_of(name: str) -> str:
    """Return the name of a test without its parameters."""
    return name.partition("[")[0]


class Plugin:
    """Runs the tests of a mutant for some seconds, or all tests and notes what they run."""

    def __init__(self, tests: Tests | None, limit: float, measured: coverage.Coverage | None = None) -> None:
        self.tests, self.measured = tests, measured
        self.limit = time.process_time() + limit
        self.stopped = False
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []

    def pytest_sessionstart(self) -> None:
        """Draw the same examples every time; a failure needs no smallest example."""
        from hypothesis import Phase, settings

        settings.register_profile("mutation", database=None, phases=[Phase.explicit, Phase.generate])
        settings.load_profile("mutation")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the mutant's tests, in their order."""
        if self.tests is not None:
            items[:] = self.tests.ordered(items)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        """Measure the test; tell coverage.py which one runs."""
        begin = time.process_time()
        if self.measured:
            self.measured.switch_context(function_of(item.nodeid))
        result = yield
        if self.measured:
            self.measured.switch_context("between tests")
        self.seconds[item.nodeid] = time.process_time() - begin
        if time.process_time() > self.limit:
            self.stopped = True
            item.session.shouldstop = "no more time"
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note which tests do not pass."""
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note which files cannot be imported."""
        if report.failed:
            self.failed.append(report.nodeid)


def run_tests(files: Iterable[str], plugin: Plugin, backends: list[str]) -> int:
    """Run the plugin's tests in this process."""
    args = [*files, "-qx" if plugin.tests else "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    args += [
        "--kernels=never",
        "--timeout=0",
        "--hypothesis-seed=0",
        *(f"--backend={name}" for name in backends),
    ]
    return int(pytest.main(args, plugins=[plugin]))


def _recorded(file: str, backends: list[str]) -> str:
    """Run a file of tests; return as JSON the seconds of those that passed, and the test functions of each line."""
    measured = coverage.Coverage(data_file=None, source=[str(PACKAGE)], config_file=False)
    measured.start()
    plugin = Plugin(None, 1e9, measured)
    run_tests([file], plugin, backends)
    measured.stop()
    data = measured.get_data()
    lines = {
        Path(path).relative_to(PACKAGE).as_posix(): {
            line: [name for name in names if name != "between tests"]
            for line, names in data.contexts_by_lineno(path).items()
        }
        for path in data.measured_files()
    }
    seconds = {name: value for name, value in plugin.seconds.items() if name not in plugin.failed}
    return json.dumps([seconds, lines, plugin.failed])


def record(backends: list[str], processes: int, tmp: Path) -> Record:
    """Run all tests once."""
    files = [path for folder in TESTS for path in sorted((ROOT / "tests" / folder).glob("test_*.py"))]
    names = [str(path.relative_to(ROOT)) for path in files if path.name not in UNRELATED]
    whole = Record(backends, {}, {})
    jobs = deque(Job(name, functools.partial(_recorded, name, backends), 3600) for name in names)
    for name, answer in answers(jobs, processes, tmp):
        if answer == "crash":
            raise SystemExit(f"{name} does not run to its end without a mutant.")
        seconds, lines, failed = json.loads(answer)
        whole.seconds.update(seconds)
        for file, of_file in lines.items():
            for line, tests in of_file.items():
                whole.lines.setdefault(file, {}).setdefault(line, []).extend(tests)
        print(f"{name}: {len(seconds)} tests, {sum(seconds.values()):.0f} s", *failed, flush=True)
    return whole
