"""The command that prints the speeds to reach; times are not judged."""

import pytest


@pytest.fixture
def targets(benchmarks):
    pytest.importorskip("torch")
    return benchmarks("targets")


def test_a_target_is_held_as_it_is_shown(targets):
    ratio, overhead = targets.TARGETS[1], targets.TARGETS[0]
    assert (ratio.number, overhead.unit) == (1.5, "us")
    assert targets.row(ratio, [1.496, 2.0]) == ["NumPy value", "100k", "1.5", "1.50", "2.00", "yes"]
    assert targets.row(ratio, [1.494, 2.0])[-1] == "NO"
    assert targets.row(overhead, [1.9])[2:] == ["at most 2 us above", "1.9", "yes"]
    assert targets.row(overhead, [2.1])[-1] == "NO"


def test_with_a_busy_core_every_ratio_is_at_least_1(targets):
    assert {target.number for target in targets.BUSY_TARGETS} == {1.0}
    assert {target.unit for target in targets.BUSY_TARGETS} == {"x"}


def test_every_target_has_its_cases(targets):
    for target in targets.TARGETS:
        cases = dict(targets._library(target.library).groups())[target.kind]
        assert not cases[target.usual].is_own
        assert any(case.is_own for case in cases)


def test_the_table_is_printed(command, tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "targets.md"
    options = "--size", 20_000, "--rounds", 2, "--runs", 2, "--busy", "--markdown", path
    printed = command("targets.py", *options)
    assert "One core was kept busy by another process." in printed
    lines = path.read_text(encoding="utf-8").splitlines()
    assert "| case | elements | to reach | run 1 | run 2 | holds |" in lines
    assert any(
        line.startswith("| `NumPy mask, beside x[m]`") or "NumPy mask, beside x[m]" in line for line in lines
    )
    assert "NumPy mask, beside x[m]" in printed
