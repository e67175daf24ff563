"""The plot of time over size, and its numbers."""

import json

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
