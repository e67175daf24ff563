"""The plots of time and of lost digits over size, and their numbers."""

import json
from fractions import Fraction

import pytest

pytest.importorskip("matplotlib", reason="the plot needs matplotlib")


def test_the_plot_is_drawn_from_the_numbers_alone(command, tmp_path):
    numbers, plot = tmp_path / "sizes.json", tmp_path / "speed.svg"
    files = "--numbers", numbers, "--plot", plot
    command("sizes.py", "--largest", 1000, "--rounds", 2, *files)
    facts = json.loads(numbers.read_text(encoding="utf-8"))
    first = facts["points"][0]
    assert (first["library"], first["kind"], first["size"]) == ("numpy", "value", 100)
    assert min(first["times the usual time"], first["without kernels"]) > 0
    assert {point["size"] for point in facts["points"]} == {100, 316, 1000}
    drawn = plot.read_bytes()
    plot.unlink()
    command("sizes.py", "--draw", *files)
    assert plot.read_bytes() == drawn
    assert b"<dc:date>" not in drawn


def test_digits_are_counted_and_drawn(command, benchmarks, tmp_path):
    pytest.importorskip("torch", reason="the plot has torch's norm")
    numbers, plot = tmp_path / "digits.json", tmp_path / "digits.svg"
    files = "--numbers", numbers, "--plot", plot
    command("digits.py", "--largest", 1000, *files)
    digits = {
        (point["expression"], point["size"]): point["digits lost"]
        for point in json.loads(numbers.read_text(encoding="utf-8"))["points"]
    }
    assert {lost for (expression, _), lost in digits.items() if expression.startswith("l1.")} == {0}
    assert digits["np.abs(x).sum(), float16", 1000] > 1
    drawn = plot.read_bytes()
    command("digits.py", "--draw", *files)
    assert plot.read_bytes() == drawn
    lost = benchmarks("digits").lost
    assert (lost(1.0, Fraction(1)), lost(float("inf"), Fraction(1)), lost(1.0, Fraction(2))) == (
        0,
        7.22,
        6.92,
    )
