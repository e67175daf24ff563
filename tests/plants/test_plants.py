"""Tests of the tests: wrong implementations, each of which the suite must catch."""

import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

TESTS = pathlib.Path(__file__).parents[1]
PLANTS = {
    "s(0) = 1": (
        "test_value.py",
        """
        _formula.sign = lambda x, *, xp: xp.where(x >= 0, xp.ones_like(x), -xp.ones_like(x))
        """,
    ),
    "0 at NaN": (
        "test_value.py",
        """
        keep = _array.sign
        _array.sign = lambda x, xp: keep(xp.where(xp.isnan(x), xp.zeros_like(x), x), xp)
        """,
    ),
    "multiply by the mask": (
        "test_value.py",
        """
        _formula.selected = lambda x, where, *, xp: x if where is None else x * xp.astype(where, x.dtype)
        """,
    ),
    "a float32 sum": (
        "test_value.py",
        """
        _array.accumulator_dtype = lambda x, xp: xp.float32
        _array.summation = lambda x, axes, dtype, xp: "library"
        """,
    ),
    "first array only": (
        "properties/test_laws.py",
        """
        keep = _reduce.value
        _reduce.value = lambda leaves, **options: keep(leaves[:1], **options)
        """,
    ),
    "n counts every element": (
        "test_value.py",
        """
        _mean.count = lambda leaves, axes, *, xp: float(
            sum(_array.extent(leaf.x, _blocks.named_axes(leaf.x, axes)) for leaf in leaves)
        )
        """,
    ),
    "the last of each block is lost": (
        "test_value.py",
        """
        keep = _blocks._fold

        def fold(kernel, arrays, *rest, **options):
            return keep(kernel, tuple(a if a is None else a[: len(a) - 1] for a in arrays), *rest, **options)

        _blocks._fold = fold
        """,
    ),
    "weights ignored by the subgradient": (
        "properties/test_laws.py",
        """
        keep = _formula.scaled_signs

        def without_weights(x, where, weights, scale, *, xp):
            return keep(x, where, None, scale, xp=xp)

        _formula.scaled_signs = without_weights
        _penalty.Magnitude.gradient = staticmethod(without_weights)
        """,
    ),
    "writes to its input": (
        "test_value.py",
        """
        keep = _formula.magnitudes

        def magnitudes(x, where, weights, *, xp):
            x[...] = xp.abs(x)
            return keep(x, where, weights, xp=xp)

        _reduce._SUM_OF_MAGNITUDES = _formula.sum_of(magnitudes)
        """,
    ),
}
"""The tests that must notice, and what is changed in the package."""


def run(where, plant, tmp_path):
    code = "from l1_any import _array, _blocks, _formula, _mean, _penalty, _reduce\n"
    (tmp_path / "planted.py").write_text(code + textwrap.dedent(plant))
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


pytestmark = pytest.mark.only("numpy")


@pytest.mark.parametrize("name", PLANTS)
def test_the_suite_catches(name, tmp_path):
    done = run(*PLANTS[name], tmp_path)
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr[-2000:]
    assert "failed" in done.stdout


def test_the_suite_passes_without_a_plant(tmp_path):
    for where in ("test_value.py", "properties/test_laws.py"):
        done = run(where, "", tmp_path)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
