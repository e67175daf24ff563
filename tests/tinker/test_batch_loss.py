"""A pipeline as the custom loss of a whole batch, by the SDK's own entry points and without a server."""

import math
import subprocess
import sys

import numpy as np
import pytest
import tinker
import torch
from tinker.lib.public_interfaces.training_client import TrainingClient
from training import datum

import l1_any as l1
from l1_any.tinker import batch_loss

NLL = l1.L1Regularizer(weights="weights", name="nll")
DRIFT = l1.L1Regularizer(target=("delta", "reference"), where="weights", name="drift")
LOGPROBS = [[-0.5, -1.0, -2.0], [-3.0, -0.25, -0.125, -1.5, -1.0]]


def example(logprobs, **fields):
    """An example whose reference differs from the log-probabilities by +0.5, -0.5, +0.5, ..."""
    reference = [lp + 0.5 * (-1) ** t for t, lp in enumerate(logprobs)]
    fields = {"reference": torch.tensor(reference)} | fields
    return datum(bytes(range(len(logprobs) + 1)), **fields)


@pytest.fixture
def data():
    return [example(logprobs) for logprobs in LOGPROBS]


def compute(data, loss_fn, logprobs=LOGPROBS):
    """Return what the SDK makes of a custom loss: the weights that it sends, the metrics, the loss."""
    outputs = [{"logprobs": tinker.TensorData.from_torch(torch.tensor(lp))} for lp in logprobs]
    forward = tinker.types.ForwardBackwardOutput("ArrayRecord", outputs, {})
    result = TrainingClient._compute_custom_loss(data, loss_fn, forward)
    weights = [datum.loss_fn_inputs["weights"].tolist() for datum in result.data]
    return weights, result.metrics, result.loss_sum


def pipeline(weight=0.125, base=NLL):
    return l1.Pipeline(base, [l1.Term(DRIFT, weight=weight)])


def test_gradient_is_that_of_the_formula(data):
    weights, metrics, loss = compute(data, batch_loss(pipeline()))

    # Of three positions the last one counts, of five the last two; the delta is -0.5, 0.5, -0.5, ...
    assert weights == [[0.0, 0.0, 1.125], [0.0, 0.0, 0.0, 0.875, 1.125]]
    assert loss == (2.0 + 1.5 + 1.0) + 0.125 * (0.5 + 0.5 + 0.5)
    assert metrics["drift/value"] == metrics["drift/l1_raw"] == 1.5
    assert metrics["drift/grad_norm"] == pytest.approx(math.sqrt(3), rel=1e-6)


def test_metrics_are_the_report_as_floats(data):
    _, metrics, loss = compute(data, batch_loss(pipeline()))
    _, report = pipeline()(data, [torch.tensor(lp) for lp in LOGPROBS])
    assert metrics == report.to_floats()
    assert {type(value) for value in metrics.values()} == {float}
    assert metrics["loss_total"] == loss


def test_every_example_gets_a_gradient(data):
    """Also one that the loss does not look at, and one with a log-probability of -inf under the mask."""

    def first_only(_, logprobs):
        return -logprobs[0].sum()

    weights, _, _ = compute(data, batch_loss(l1.Pipeline(first_only)))
    assert weights == [[1.0] * 3, [0.0] * 5]

    masked = [[-math.inf, -1.0, -2.0], LOGPROBS[1]]
    weights, _, loss = compute(data, batch_loss(l1.Pipeline(DRIFT)), masked)
    assert weights == [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0, -1.0, 1.0]]
    assert loss == 1.5


@pytest.mark.parametrize("bad", [math.nan, -math.inf])
def test_loss_that_is_not_finite_raises(data, bad):
    logprobs = [LOGPROBS[0], [*LOGPROBS[1][:-1], bad]]
    with pytest.raises(FloatingPointError, match=r"must be finite, got .*drift/value="):
        compute(data, batch_loss(pipeline()), logprobs)
    _, metrics, loss = compute(data, batch_loss(pipeline(), check_finite=False), logprobs)
    assert not math.isfinite(loss)
    assert not math.isfinite(metrics["base_loss/value"])


def test_gradient_that_is_not_finite_raises(data):
    """The square root of zero is finite, its gradient is not."""

    def root(_, logprobs):
        return torch.stack([(lp - lp.detach()).square().sum() for lp in logprobs]).sum().sqrt()

    with pytest.raises(FloatingPointError, match="got total_grad_norm="):
        compute(data, batch_loss(l1.Pipeline(root)))


def test_step_is_a_number_or_asked_for(data):
    schedule = l1.schedules.linear_warmup(0.5, steps=10)
    step = 2
    loss_fn = batch_loss(pipeline(schedule), step=lambda: step)
    assert compute(data, loss_fn)[1]["drift/weight"] == pytest.approx(0.1)
    step = 8
    _, metrics, loss = compute(data, loss_fn)
    assert metrics["drift/weight"] == pytest.approx(0.4)
    assert loss == compute(data, batch_loss(pipeline(schedule), step=8))[2]


def test_something_else_than_a_pipeline_is_refused():
    with pytest.raises(TypeError, match=r"`pipeline` must be a Pipeline, got L1Regularizer"):
        batch_loss(DRIFT)


def test_good_data_are_valid(data):
    masked = torch.tensor([math.nan, 0.0, 0.0])  # the first position does not count
    batch_loss(pipeline()).validate([*data, example(LOGPROBS[0], reference=masked)])


def without(key):
    fields = dict(example(LOGPROBS[0]).loss_fn_inputs)
    del fields[key]
    return tinker.Datum(tinker.ModelInput.from_ints([0, 1, 2]), fields)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (without("reference"), KeyError, r"data\[2\]` has no field 'reference'"),
        (without("target_tokens"), KeyError, r"data\[2\]` has no field 'target_tokens'"),
        (without("weights"), KeyError, r"data\[2\]` has no field 'weights'"),
        (
            example(LOGPROBS[0], reference=torch.zeros(4)),
            ValueError,
            r"data\[2\]\['reference'\]` must have the shape .*\(3,\), got \(4,\)",
        ),
        (
            example(LOGPROBS[0], target_tokens=[1, 2]),
            ValueError,
            r"data\[2\]\['target_tokens'\]` must have one row for each of the 3 positions",
        ),
        (
            example(LOGPROBS[0], target_tokens=np.ones(3, np.float32)),
            TypeError,
            r"data\[2\]\['target_tokens'\]` must be integers",
        ),
        (
            example(LOGPROBS[0], reference=torch.tensor([0.0, 0.0, math.nan])),
            ValueError,
            r"'drift' must be finite .*got nan; not finite: `data\[2\]\['reference'\]`",
        ),
        (
            example(LOGPROBS[0], weights=[0.0, 1.0, math.inf]),
            ValueError,
            r"'base_loss' must be finite .*`data\[2\]\['weights'\]`",
        ),
        ({"target_tokens": [1]}, TypeError, r"data\[2\]` must be a tinker.Datum, got dict"),
    ],
)
def test_bad_data_are_refused_with_index_and_field(data, bad, error, message):
    with pytest.raises(error, match=message):
        batch_loss(pipeline()).validate([*data, bad])


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [([], ValueError, "at least one example"), (iter(()), TypeError, "must be a list of examples")],
)
def test_data_that_are_no_examples_are_refused(bad, error, message):
    with pytest.raises(error, match=message):
        batch_loss(pipeline()).validate(bad)


def test_validation_looks_at_terms_that_have_no_weight_yet(data):
    loss_fn = batch_loss(pipeline(l1.schedules.linear_warmup(1.0, steps=10)), step=0)
    with pytest.raises(KeyError, match=r"data\[2\]` has no field 'reference'"):
        loss_fn.validate([*data, without("reference")])


def test_validation_wants_the_step_that_a_schedule_needs(data):
    with pytest.raises(ValueError, match="`step` is needed: the weight of term 'drift'"):
        batch_loss(pipeline(l1.schedules.linear_warmup(1.0, steps=10))).validate(data)


def test_validation_names_a_term_that_is_at_fault_itself(data):
    def infinite(_, logprobs):
        return logprobs[0].sum() / 0

    with pytest.raises(ValueError, match=r"'base_loss' must be finite .*all fields are finite"):
        batch_loss(pipeline(base=infinite)).validate(data)


@pytest.mark.parametrize("where", ["weights", ("weights", 0)])
def test_validation_names_a_mask_that_selects_nothing(where):
    nothing = [example(LOGPROBS[0], weights=[0.0, 0.0, 0.0])]
    mean = l1.L1Regularizer(where=where, reduce="mean")
    with pytest.raises(
        ValueError, match=r"'base_loss' must be finite .*; its mask `where=.*weights"
    ) as caught:
        batch_loss(l1.Pipeline(mean)).validate(nothing)
    assert "selects nothing" in str(caught.value)
    assert "function" not in str(caught.value)
    zero = l1.L1Regularizer(where=where, reduce="mean", zero_if_empty=True)
    batch_loss(l1.Pipeline(zero)).validate(nothing)


def test_validation_refuses_labels_as_a_mask():
    labels = [example(LOGPROBS[0], labels=torch.tensor([-100, 3, 0]))]
    with pytest.raises(
        ValueError, match=r"`data\[0\]\['labels'\]` must hold no negative numbers .*`labels != -100`"
    ):
        batch_loss(l1.Pipeline(l1.L1Regularizer(where="labels"))).validate(labels)
    batch_loss(l1.Pipeline(l1.L1Regularizer(where=("labels", -100)))).validate(labels)


def test_a_missing_field_is_told_in_a_sentence(data):
    with pytest.raises(KeyError) as caught:
        batch_loss(pipeline()).validate([*data, without("target_tokens")])
    assert str(caught.value).startswith("`data[2]` has no field 'target_tokens'")


def test_importing_the_adapter_imports_neither_tinker_nor_torch():
    code = "import sys, l1_any.tinker; print(sorted({'torch', 'tinker', 'jax'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert result.stdout == "[]\n"
