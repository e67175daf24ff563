"""The benchmark commands run and say what they promise; times are not judged."""

import math
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"


def command(name, *arguments):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, BENCHMARKS / name, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def measure(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import _measure

    return _measure


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    path = tmp_path_factory.mktemp("benchmarks") / "tables.md"
    command(
        *("run.py", "--library", "numpy", "--size", "5000", "--rounds", "2", "--small-rounds", "3"),
        *("--dtype", "float16", "--dtype", "float64", "--markdown", path),
    )
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_case_has_its_row(tables):
    header, *rows = tables
    large = [row for row in rows if row[1] in {"float16", "float64"}]
    assert len(large) == 2 * 8
    assert all(len(row) == len(header) for row in large)
    assert [row[2] for row in large].count("`l1.value(x)`") == 2


def test_the_usual_idiom_is_the_measure_of_speed(tables):
    usual = [row for row in tables if row[2:3] == ["`np.abs(x).sum()`"]]
    assert [float(row[4]) for row in usual] == [1.0, 1.0]


def test_errors_tell_the_package_from_a_float16_sum(tables):
    errors = {row[2]: row[7:10] for row in tables if row[1] == "float16"}
    assert max(map(float, errors["`l1.value(x)`"])) <= 1
    assert min(map(float, errors["`np.abs(x).sum()`"])) > 100


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc to read the peak")
def test_peak_memory_sees_a_temporary(measure, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    size = 1 << 23
    options = {"library": "numpy", "device": "cpu", "kind": "value", "dtype": "float32", "shape": (size,)}
    idiom, package = (measure.peak_extra(index=index, **options) for index in (0, 2))
    assert idiom > 3.5 * size
    assert package < size


def test_small_arrays_have_their_overhead(tables):
    small = [row for row in tables if len(row) == 4 and row[0] == "numpy"]
    assert next(row[1] for row in small if row[3] == "+0.0") == "`np.abs(x).sum()`"
    assert len(small) == 5


def test_idioms_prints_what_is_right_beside_what_is_wrong():
    printed = command("idioms.py", "--size", "1000000")
    assert "np.linalg.norm(x, 1)" in printed
    line = next(line for line in printed.splitlines() if "int8" in line)
    assert [cell.strip() for cell in line.strip("│").split("│")][1:] == ["-128", "128", "200 %", "128"]


def test_proximal_times_each_way_beside_the_usual_one():
    printed = command("proximal.py", "--library", "numpy", "--size", "1000", "--rows", "2", "--rounds", "2")
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in printed.splitlines()]
    ways = {row[1]: row[3] for row in rows if row[0] == "numpy"}
    assert len(ways) == 4
    assert ways["np.sign(x) * np.maximum(np.abs(x) - t, 0)"] == "1.00"
    assert float(ways["l1.prox(x, t)"]) > 0


def test_exact_sum_is_exact(measure):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal(1000) * 2.0 ** rng.integers(-900, 900, 1000), [0.0, 5e-324]])
    assert measure.exact_sum(x) == sum(Fraction(abs(v)) for v in x.tolist())
    assert float(measure.exact_sum(x)) == math.fsum(map(abs, x))


def test_rounding_to_bfloat16_goes_to_even(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import _cases

    x = np.asarray([1.0, 1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-7], np.float32)
    expected = [1.0, 1.0, 1 + 2**-6, -1 - 2**-7]
    assert _cases.rounded(x, "bfloat16").tolist() == expected


def test_ulps_are_counted_in_the_result_dtype(measure):
    assert measure.ulps(1.0, Fraction(1), "float32") == 0
    assert measure.ulps(1 + 2**-22, Fraction(1), "float32") == 2
    assert measure.ulps(1 + 2**-22, Fraction(1), "float64") == 2**30
