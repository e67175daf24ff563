"""`l1-any` and `l1-any demo`: README's table with times, from the same rows."""

import io
import math
import re

import pytest
from rich.console import Console

from l1_any.cli import idioms
from l1_any.cli.demo import print_demo

SIZE = 1_000_000


@pytest.fixture(scope="module")
def rows():
    return list(idioms.rows(SIZE))


def printed(rows, width):
    console = Console(file=io.StringIO(), width=width, markup=False, highlight=False)
    print_demo(console, rows)
    return console.file.getvalue()


def test_the_package_is_right_where_the_expressions_are_not(rows):
    for row in rows:
        if row.package != "refuses integers":
            assert idioms.off_by(row.package, row.right, 2**-23) == "right", row
        assert row.seconds > 0
    expressions = {row.expression for row in rows if row.off != "right"}
    assert expressions >= {"np.abs(x).sum()", "np.linalg.norm(x, 1)", "np.abs(x * mask).sum()"}


def test_fewer_rows_for_the_demo(rows):
    fewer = [(row.expression, row.of) for row in idioms.rows(SIZE, more=False)]
    assert set(fewer) <= {(row.expression, row.of) for row in rows}
    assert ("np.abs(x).sum()", "-128 in int8") in fewer


@pytest.mark.parametrize("width", [40, 80, 120])
def test_each_row_has_what_is_given_what_is_right_and_both_times(rows, width):
    text = printed(rows, width)
    assert max(map(len, text.splitlines())) <= width
    for row in rows:
        for number in row.numbers()[:2]:
            assert re.search(rf"(?<!\S){re.escape(number)}(?!\S)", text), number
    assert "ulp" not in text
    assert re.search(r"[\d.]+ x (faster|slower)|as fast", text)
    assert re.search(r"[\d.]+ (us|ms|s)\b", text)


@pytest.mark.parametrize(
    ("gives", "right", "words"),
    [
        (1.0, 1.0, "right"),
        (math.nan, math.nan, "right"),
        (math.inf, 1.0, "wrong"),
        (math.nan, 1.0, "wrong"),
        (1.0, 0.0, "wrong"),
        (33554432, 100_000_000, "66 %"),
        (-128, 128, "200 %"),
        (1.0001, 1.0, "0.01 %"),
        (1 + 1e-7, 1.0, "< 0.001 %"),
    ],
)
def test_errors_in_words(gives, right, words):
    assert idioms.off_by(gives, right) == words


def test_the_command_alone_shows_the_demo_within_its_time(run_python):
    """With NumPy alone; ten seconds of the processor, since others may keep it busy."""
    code = (
        "import importlib.util as u; find = u.find_spec;"
        "u.find_spec = lambda n, *a: None if n in {'torch', 'jax'} else find(n, *a);"
        "from l1_any.__main__ import main\n"
        "try: main()\nfinally: import time, sys; sys.stderr.write(str(time.process_time()))"
    )
    done = run_python(code)
    assert done.returncode == 0
    assert float(done.stderr) < 10
    assert "9997558.59" in done.stdout
    assert "torch" not in done.stdout
