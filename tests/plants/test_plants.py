"""Tests of the tests: wrong implementations, each of which the suite must catch."""

import os
import pathlib
import subprocess
import sys

import pytest

TESTS = pathlib.Path(__file__).parents[1]
PLANTS = {
    "s(0) = 1": (
        "_formula.sign = lambda x, *, xp: xp.where(x >= 0, xp.ones_like(x), -xp.ones_like(x))",
        "test_value.py",
    ),
    "0 at NaN": (
        "keep = _array.sign; _array.sign = lambda x, xp: keep(xp.where(xp.isnan(x), xp.zeros_like(x), x), xp)",
        "test_value.py",
    ),
    "multiply by the mask": (
        "_formula.selected = lambda x, where, *, xp: x if where is None else x * xp.astype(where, x.dtype)",
        "test_value.py",
    ),
    "a float32 sum": (
        "_array.accumulator_dtype = lambda x, xp: xp.float32\n_array.summation = lambda x, axes, xp: 'library'",
        "test_value.py",
    ),
    "first array only": (
        "keep = _reduce.value; _reduce.value = lambda leaves, **kw: keep(leaves[:1], **kw)",
        "properties",
    ),
    "n counts every element": (
        "keep = _array.extent\n"
        "_reduce._count = lambda leaves, *, axes, xp: sum(keep(a.x, _reduce._all_axes(a.x, axes)) for a in leaves)",
        "test_value.py",
    ),
    "the last block is lost": (
        "keep = _blocks._fold\n"
        "def fold(kernel, arrays, axes, xp):\n"
        "    n = arrays[0].shape[0] if arrays[0].ndim else 0\n"
        "    return keep(kernel, tuple(a if a is None else a[: n - 1] for a in arrays), axes, xp)\n"
        "_blocks._fold = fold",
        "test_value.py",
    ),
    "weights ignored by the subgradient": (
        "keep = _formula.scaled_signs\n"
        "_formula.scaled_signs = lambda x, where, weights, scale, *, xp: keep(x, where, None, scale, xp=xp)",
        "properties",
    ),
    "writes to its input": (
        "keep = _formula.magnitudes\n"
        "def magnitudes(x, where, weights, *, xp):\n"
        "    x[...] = xp.abs(x)\n"
        "    return keep(x, where, weights, xp=xp)\n"
        "_reduce._SUM_OF_MAGNITUDES = _reduce._sum_of(magnitudes)",
        "test_value.py",
    ),
}
"""What to change in the package, and the tests that must notice."""


def run(plant, where, tmp_path):
    code = f"from l1_any import _array, _blocks, _formula, _reduce\n{plant}\n"
    (tmp_path / "planted.py").write_text(code)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "--backend",
        "numpy",
        "-p",
        "planted",
        "-p",
        "no:cacheprovider",
    ]
    path = os.pathsep.join([str(tmp_path), str(TESTS.parent)])
    environment = {**os.environ, "PYTHONPATH": path, "L1_ANY_EXAMPLES": "20"}
    return subprocess.run(
        [*command, str(TESTS / where)],
        cwd=TESTS.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", PLANTS)
def test_the_suite_catches(name, tmp_path):
    done = run(*PLANTS[name], tmp_path)
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr[-2000:]
    assert "failed" in done.stdout


def test_the_suite_passes_without_a_plant(tmp_path):
    for where in ("test_value.py", "properties"):
        done = run("pass", where, tmp_path)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
