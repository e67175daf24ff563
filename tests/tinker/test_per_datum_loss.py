"""The traced loss of one example has the callable's numbers, and refuses what cannot be traced."""

import math

import numpy as np
import pytest
import tinker
import torch
from tinker.lib.public_interfaces.custom_loss import check_loss_inputs, run_loss_handle, trace_loss
from training import datum

import l1_any as l1
from l1_any.tinker import batch_loss, per_datum_loss

NLL = l1.L1Regularizer(weights="weights", name="nll")
DRIFT = l1.L1Regularizer(target=("delta", "reference"), where="weights", name="drift")
PENALTIES = [
    l1.L1Regularizer(),
    l1.L1Regularizer(target="probs", where="weights"),
    l1.L1Regularizer(target=("field", "reference"), weights="strengths"),
    DRIFT,
    l1.L1Regularizer(target=("delta", l1.Uniform(256)), weights=np.float32(2.5)),
    l1.SoftL1Regularizer(0.3, target=("delta", "reference"), where="weights", weights="strengths"),
]


def examples(*lengths, width=()):
    generator = np.random.default_rng(0)
    out = []
    for length in lengths:
        shape = (length, *width)
        fields = {key: generator.random(shape, np.float32) for key in ("reference", "strengths")}
        targets = np.zeros(shape, np.int64)
        weights = (generator.random(shape) > 0.3).astype(np.float32)
        out.append(datum(bytes(length + 1), **fields | {"target_tokens": targets, "weights": weights}))
    return out


def log_probabilities(data):
    generator = torch.Generator().manual_seed(0)
    shapes = [example.loss_fn_inputs["target_tokens"].shape for example in data]
    return [-torch.rand(shape, generator=generator).requires_grad_() for shape in shapes]


def run(loss_fn, data, logprobs):
    """Return loss, metrics and gradients of a loss in either form."""
    leaves = [lp.detach().clone().requires_grad_() for lp in logprobs]
    if hasattr(loss_fn, "input_ranks"):
        handle = trace_loss(loss_fn, loss_fn.input_ranks, "session")
        check_loss_inputs(handle, data)
        loss, metrics = run_loss_handle(handle, data, leaves)
    else:
        loss, metrics = loss_fn(data, leaves)
    loss.backward()
    return loss.item(), metrics, [lp.grad for lp in leaves]


@pytest.mark.parametrize("penalty", PENALTIES, ids=lambda p: f"{type(p).__name__}-{type(p.target).__name__}")
def test_same_numbers_as_the_callable(penalty):
    data = examples(1, 7, 4, 300)
    logprobs = log_probabilities(data)
    terms = [l1.Term(penalty, weight=0.25)]

    loss, metrics, gradients = run(per_datum_loss(NLL, terms), data, logprobs)
    batch_value, batch_metrics, batch_gradients = run(batch_loss(l1.Pipeline(NLL, terms)), data, logprobs)

    assert loss == pytest.approx(batch_value, rel=1e-6)
    assert metrics.keys() == {"custom/base_loss:sum", f"custom/{penalty.name}:sum"}
    for key, value in metrics.items():
        name = key.removeprefix("custom/").removesuffix(":sum")
        assert value == pytest.approx(batch_metrics[f"{name}/value"], rel=1e-6)
    for gradient, expected in zip(gradients, batch_gradients, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-6, atol=0)


def test_several_targets_per_position():
    data = examples(3, 5, width=(2,))
    logprobs = log_probabilities(data)
    loss_fn = per_datum_loss(NLL, [(DRIFT, 0.5)])
    handle = trace_loss(loss_fn, dict.fromkeys(loss_fn.input_ranks, 2), "session")
    loss, _ = run_loss_handle(handle, data, logprobs)
    expected, _ = batch_loss(l1.Pipeline(NLL, [l1.Term(DRIFT, weight=0.5)]))(data, logprobs)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_kink_mask_and_infinity():
    """No gradient at a delta of 0; what lies under the mask, NaN and -inf, takes no part."""
    reference = torch.tensor([math.nan, -1.0, -1.0, -1.0, 0.0])
    example = datum(b"masked", reference=reference, weights=[0.0, 1.0, 1.0, 1.0, 0.0])
    logprobs = [torch.tensor([-1.0, -2.0, -1.0, -0.5, -math.inf])]
    loss, metrics, [gradient] = run(per_datum_loss(DRIFT, []), [example], logprobs)
    assert loss == metrics["custom/base_loss:sum"] == 1.5
    assert gradient.tolist() == [0.0, -1.0, 0.0, 1.0, 0.0]


def test_a_value_to_ignore():
    example = datum(b"labels", labels=torch.tensor([-100, 3, 0, 5, -100]))
    logprobs = [torch.tensor([-math.inf, -2.0, -1.0, -0.5, -math.inf])]
    loss, _, [gradient] = run(
        per_datum_loss(l1.L1Regularizer(where=("labels", -100)), []), [example], logprobs
    )
    assert loss == 3.5
    assert gradient.tolist() == [0.0, -1.0, -1.0, -1.0, 0.0]


def test_schedule_through_an_input_of_rank_0():
    schedule = l1.schedules.linear_warmup(0.5, steps=10)
    loss_fn = per_datum_loss(NLL, [(DRIFT, "strength")])
    assert list(loss_fn.input_ranks) == ["logprobs", "weights", "reference", "strength"]
    pipeline = l1.Pipeline(NLL, [l1.Term(DRIFT, weight=schedule)])
    plain = examples(4, 6)
    logprobs = log_probabilities(plain)
    losses = []
    for step in (0, 3, 10):
        strength = tinker.TensorData([schedule(step)], "float32", [])
        data = [tinker.Datum(d.model_input, {**d.loss_fn_inputs, "strength": strength}) for d in plain]
        loss, _, gradients = run(loss_fn, data, logprobs)
        expected, _, batch_gradients = run(batch_loss(pipeline, step=step), data, logprobs)
        assert loss == pytest.approx(expected, rel=1e-6)
        for gradient, other in zip(gradients, batch_gradients, strict=True):
            torch.testing.assert_close(gradient, other, rtol=1e-6, atol=0)
        losses.append(loss)
    assert losses[0] < losses[1] < losses[2]


def test_base_of_ones_own():
    def importance(logprobs, sampled, advantages):
        ratio = torch.exp(logprobs - sampled)
        return -(ratio * advantages).sum(), {"custom/ratio:mean": ratio.mean()}

    loss_fn = per_datum_loss(importance, [(DRIFT, 0.0)], ("reference", "strengths"), name="importance")
    handle = trace_loss(loss_fn, loss_fn.input_ranks, "session")
    assert (handle.name, handle.input_names) == ("importance", ("reference", "strengths", "weights"))

    data = examples(5)
    [lp] = logprobs = log_probabilities(data)
    sampled, advantages = (data[0].loss_fn_inputs[key].to_torch() for key in handle.input_names[:2])
    loss, metrics = run_loss_handle(handle, data, logprobs)
    torch.testing.assert_close(loss, -((lp - sampled).exp() * advantages).sum())
    assert metrics == {
        "custom/base_loss:sum": pytest.approx(loss.item()),
        "custom/ratio:mean": pytest.approx((lp - sampled).exp().mean().item()),
    }


def drift(**changes):
    return l1.L1Regularizer(**{"target": ("delta", "reference"), "name": "drift"} | changes)


@pytest.mark.parametrize(
    ("penalty", "error", "message"),
    [
        (
            (drift(reduce="mean"), 1.0),
            ValueError,
            r"'drift' must have reduce=\"sum\": a mean needs the whole",
        ),
        ((drift(target=("delta", torch.ones(3))), 1.0), TypeError, "The `reference` of 'drift' .*got Tensor"),
        ((drift(where=torch.ones(3) > 0), 1.0), TypeError, "The `where` of 'drift' must be the name"),
        ((drift(weights=torch.ones(3)), 1.0), TypeError, "The `weights` of 'drift' must be the name"),
        ((drift(), -1.0), ValueError, r"`penalties\[0\].weight` must be a finite number >= 0, got -1.0"),
        ((drift(), l1.schedules.linear_warmup(1.0, 3)), TypeError, r"`penalties\[0\]` .*not a function"),
        (l1.Term(drift(), weight=l1.schedules.linear_warmup(1.0, 3)), TypeError, "not a function"),
        ((lambda _, logprobs: logprobs[0].sum(), 1.0), TypeError, "compute what is yours in `base`"),
        (drift(), TypeError, r"`penalties\[0\]` must be a Term or a pair"),
        ((drift(name="Drift"), 1.0), ValueError, "named by lowercase letters.* got 'Drift'"),
        ((drift(name="base_loss"), 1.0), ValueError, "must differ, got 'base_loss' twice"),
        ((drift(target=("delta", "logprobs")), 1.0), ValueError, "other names than 'logprobs'"),
        ((drift(target=("delta", "Reference")), 1.0), ValueError, "Inputs must be named .*'Reference'"),
    ],
)
def test_what_cannot_be_traced_is_refused(penalty, error, message):
    with pytest.raises(error, match=message):
        per_datum_loss(NLL, [penalty])


def test_base_that_is_no_loss_is_refused():
    with pytest.raises(TypeError, match="`base` must be a regularizer or a callable, got float"):
        per_datum_loss(0.0, [])
