"""Weights that change with the step."""

import math

import pytest
from regularizer_checks import close

import l1_any as l1

NLL = l1.L1Regularizer(name="nll")
DELTA = l1.L1Regularizer(("delta", "reference"))
DATA = {"reference": [[-1.5, -1.0], [-1.0]]}
ROWS = ([-1.0, -2.0], [-0.5])


def arrays(library):
    return [library.asarray(row, "float32") for row in ROWS]


@pytest.mark.parametrize("step", [0, 5, 10, 100])
def test_schedules_of_numbers_and_arrays(library, step):
    expected = {
        l1.schedules.linear_warmup(0.5, 10): 0.5 * min(step / 10, 1),
        l1.schedules.cosine(0.5, 20, final=0.1): 0.1 + 0.4 * (1 + math.cos(math.pi * min(step / 20, 1))) / 2,
        l1.schedules.cosine(0.5, 20, warmup=10): 0.5
        * min(step / 10, 1)
        * (1 + math.cos(math.pi * min(max(step - 10, 0) / 10, 1)))
        / 2,
    }
    for schedule, weight in expected.items():
        assert schedule(step) == pytest.approx(weight)
        close(schedule(library.asarray(step, "int32")), weight)
        _, report = l1.Pipeline(NLL, [l1.Term(DELTA, schedule)])(
            DATA, arrays(library), step=library.asarray(step, "int32")
        )
        close(report.terms["l1_sparsity"].contribution, 2 * weight)


@pytest.mark.parametrize(
    "make",
    [
        lambda: l1.schedules.linear_warmup(-1.0, 10),
        lambda: l1.schedules.linear_warmup(1.0, 0),
        lambda: l1.schedules.cosine(1.0, 10, warmup=10),
        lambda: l1.schedules.cosine(1.0, 10, final=math.nan),
    ],
)
def test_schedules_refuse(make):
    with pytest.raises(ValueError, match="must be"):
        make()


def test_a_schedule_needs_a_step(library):
    with pytest.raises(ValueError, match=r"`step` is needed: .* 'l1_sparsity'"):
        l1.Pipeline(NLL, [l1.Term(DELTA, l1.schedules.linear_warmup(1.0, 10))])(DATA, arrays(library))
