"""The benchmark commands run and say what they promise; times are not judged."""

import importlib.util
import itertools
import math
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def measure(benchmarks):
    return benchmarks("_measure")


@pytest.fixture(scope="module")
def tables(tmp_path_factory, command):
    path = tmp_path_factory.mktemp("benchmarks") / "tables.md"
    command(
        *("run.py", "--library", "numpy", "--size", "5000", "--rounds", "2", "--small-rounds", "3"),
        *("--dtype", "float16", "--dtype", "float32", "--no-memory", "--markdown", path),
    )
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("### "):
            rows = found[line.removeprefix("### ").partition(":")[0]] = []
        elif line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return {
        title: [dict(zip(header, row, strict=True)) for row in rows]
        for title, (header, _, *rows) in found.items()
    }


def test_every_case_has_its_row(tables):
    assert {title: len(rows) for title, rows in tables.items()} == {
        "Value": 2 * 3,
        "Value and gradient": 2 * 2,
        "Value along the last axis": 2 * 3,
        "Value along the first axis": 2,
        "Value of half of the elements, which a mask selects": 3,
        "Subgradient": 2 * 2,
        "Huber function, delta = 1": 2 * 2,
        "Gradient of the Huber function, delta = 1": 2,
        "Norm of the subgradient": 2 * 2,
        "Soft threshold, t = 0.5": 2 * 2,
        "Projection of rows onto the L1 ball, r = 10": 2,
        "Sum of the norms of rows": 2,
        "Shrinkage of rows, t = 0.5": 2,
        "Value of the 126 parameters of a model": 2 * 2,
        "Signs of the parameters of a model; torch": 2 * 2,
        "Huber function of the parameters of a model, delta = 1": 2 * 2,
        "Small arrays": 5,
    }


def test_the_formula_is_beside_each_kernel(tables):
    rows = tables["Value"]
    assert [bool(row["x formula"]) for row in rows] == ["l1." in row["case"] for row in rows]
    assert all(float(row["x formula"]) > 0 for row in rows if row["x formula"])
    assert [row["x formula"] for row in tables["Projection of rows onto the L1 ball, r = 10"]] == ["", ""]


def test_the_usual_idiom_is_the_measure_of_speed(tables):
    usual = [row["x usual"] for row in tables["Value"] if row["case"] == "`np.abs(x).sum()`"]
    assert usual == ["1.00", "1.00"]


def test_errors_tell_the_package_from_a_float16_sum(tables):
    errors = {
        row["case"]: [float(row[f"ulps, {kind}"]) for kind in ("normal", "equal", "logprobs")]
        for row in tables["Value"]
        if row["dtype"] == "float16"
    }
    assert max(errors["`l1.value(x)`"]) <= 1
    assert min(errors["`np.abs(x).sum()`"]) > 100


def test_negative_zeros_tell_the_package_from_the_textbook(tables):
    textbook, package = (row for row in tables["Soft threshold, t = 0.5"] if row["dtype"] == "float32")
    assert float(textbook["-0.0"]) > 500
    assert package["-0.0"] == "0"
    assert float(package["ulps"]) <= 0.5


def test_projections_are_near_the_exact_one(tables):
    errors = [float(row["ulps"]) for row in tables["Projection of rows onto the L1 ball, r = 10"]]
    assert max(errors) < 16


def test_the_peak_is_a_column(command):
    options = "--library", "numpy", "--case", "groups", "--size", 5000, "--rounds", 2, "--dtype", "float32"
    assert "peak MiB" in command("run.py", *options)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc to read the peak")
def test_peak_memory_sees_a_temporary(measure, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    size = 1 << 23
    options = {"library": "numpy", "kind": "value", "dtype": "float32", "shape": (size,)}
    idiom, package = (measure.peak_extra(index=index, **options) for index in (0, 2))
    assert idiom > 3.5 * size
    assert package < size


def test_small_arrays_have_their_overhead(tables):
    above = {row["case"]: row["us above the usual"] for row in tables["Small arrays"]}
    assert above["`np.abs(x).sum()`"] == "+0.0"
    assert math.isfinite(float(above["`l1.value(x)`"]))


def test_idioms_prints_what_is_right_beside_what_is_wrong(command):
    printed = command("idioms.py", "--size", "1000000")
    assert "np.linalg.norm(x, 1)" in printed
    line = next(line for line in printed.splitlines() if "int8" in line)
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert cells[1:] == ["-128", "128", "refuses integers", "200 %"]


def test_idioms_prints_the_rows_of_the_readme(command):
    """Whole, since the long sums go wrong by their length: six seconds."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    start = readme.index("| idiom | gives | right | l1_any gives |")
    table = list(itertools.takewhile(lambda line: line.startswith("|"), readme[start:]))
    absent = [name for name in ("torch", "jax") if importlib.util.find_spec(name) is None]
    claimed = [row for row in table if not any(name in row for name in absent)]
    printed = command("idioms.py", "--markdown").splitlines()
    assert len(claimed) > 5
    assert [row for row in claimed if row not in printed] == []


def test_rounding_to_bfloat16_goes_to_even(benchmarks):
    x = np.asarray([1.0, 1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-7], np.float32)
    expected = [1.0, 1.0, 1 + 2**-6, -1 - 2**-7]
    assert benchmarks("_cases").rounded(x, "bfloat16").tolist() == expected
