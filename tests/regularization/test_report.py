"""What the report holds, what it costs, and what is logged."""

import logging
import math

import pytest
from regularizer_checks import number

import l1_any as l1
from l1_any.testing import to_numpy

NLL = l1.L1Regularizer(name="nll")
DELTA = l1.L1Regularizer(("delta", "reference"))
DATA = {"reference": [[-1.5, -1.0], [-1.0]]}
ROWS = ([-1.0, -2.0], [-0.5])


def arrays(library):
    return [library.asarray(row, "float32") for row in ROWS]


def test_the_report(library):
    pipe = l1.Pipeline(NLL, [l1.Term(DELTA, weight=0.5)])
    loss, report = pipe(DATA, arrays(library))
    assert loss.shape == report.total.shape == ()
    floats = report.to_floats()
    norm = math.sqrt(3)
    expected = {
        "loss_total": 4.5,
        "regularizer_total": 1.0,
        "total_grad_norm": math.sqrt(0.5**2 + 1.5**2 + 0.5**2),
        "base_loss/value": 3.5,
        "base_loss/grad_norm": norm,
        "base_loss/l1_raw": 3.5,
        "base_loss/l1_mean": 3.5 / 3,
        "l1_sparsity/value": 2.0,
        "l1_sparsity/weight": 0.5,
        "l1_sparsity/contribution": 1.0,
        "l1_sparsity/grad_norm": norm,
        "l1_sparsity/grad_norm_weighted": norm / 2,
        "l1_sparsity/cosine": -1 / 3,
        "l1_sparsity/l1_raw": 2.0,
        "l1_sparsity/l1_mean": 2 / 3,
    }
    assert floats == pytest.approx(expected, rel=1e-6)


def test_norms_cost_nothing_unless_tracked(library):
    calls = []

    class Counted(l1.L1Regularizer):
        def subgradient(self, data, logprobs):
            calls.append("subgradient")
            return super().subgradient(data, logprobs)

    pipe = l1.Pipeline(NLL, [l1.Term(Counted())], track_grad_norms=False)
    _, report = pipe(None, arrays(library))
    assert not calls
    assert report.total_grad_norm is report.terms["l1_sparsity"].grad_norm is None
    loss, gradient, report = pipe.value_and_gradient(None, arrays(library))
    assert report.total_grad_norm is None
    assert [to_numpy(g).tolist() for g in gradient] == [[-2, -2], [-2]]
    assert number(loss) == 7


def test_logging(library, caplog):
    pipe = l1.Pipeline(NLL, [l1.Term(DELTA, weight=0.5)])
    with caplog.at_level(logging.DEBUG, "l1_any"):
        pipe(DATA, arrays(library))
    if library.is_lazy:
        assert not caplog.records  # would compute
    else:
        (record,) = caplog.records
        assert record.getMessage().startswith(
            "term l1_sparsity: value=2 contribution=1 grad_norm=1.73205 seconds="
        )
    caplog.clear()
    pipe(DATA, arrays(library))
    assert not caplog.records
