"""Pipelines and traced losses train through the real SDK as ordinary autograd does."""

import copy

import pytest
import tinker
import torch
from training import TEXTS, assert_same_parameters, datum, field, logprobs_of, train, train_by_sdk

import l1_any as l1
from l1_any.tinker import batch_loss, per_datum_loss

STRENGTH = 0.3
NLL = l1.L1Regularizer(weights="weights", name="nll")
PENALTIES = [
    (l1.L1Regularizer(target=("delta", "reference"), where="weights", name="drift"), STRENGTH),
    (l1.L1Regularizer(target="probs", name="mass"), 0.5),
]


@pytest.fixture
def data(model):
    """Examples of several lengths; their references lie on both sides of the model's log-probabilities."""
    plain = [datum(text) for text in TEXTS]
    generator = torch.Generator().manual_seed(3)
    references = [
        lp.detach() + torch.randn(lp.shape, generator=generator, dtype=lp.dtype)
        for lp in logprobs_of(model, plain)
    ]
    strength = tinker.TensorData([STRENGTH], "float32", [])
    return [datum(text, reference=r, strength=strength) for text, r in zip(TEXTS, references, strict=True)]


def by_hand(data, logprobs):
    """The same loss in plain torch."""
    total = 0.0
    for example, lp in zip(data, logprobs, strict=True):
        weights = field(example, "weights")
        delta = (lp - field(example, "reference"))[weights != 0]
        total = total - (lp * weights).sum() + STRENGTH * delta.abs().sum() + 0.5 * lp.exp().sum()
    return total, {}


def pipeline():
    return l1.Pipeline(NLL, [l1.Term(regularizer, weight=weight) for regularizer, weight in PENALTIES])


def trained(service, server, loss_fn, data):
    """Train a new model of the same seed; return it, the untrained one and the results."""
    trainer = service.create_lora_training_client("local", rank=4, seed=7).result()
    model = server.models[trainer.model_id]
    before = copy.deepcopy(model)
    return model, before, train_by_sdk(trainer, lambda: trainer.forward_backward_custom(data, loss_fn))


def test_callable_and_handle_train_as_autograd_does(server, service, data):
    callable_ = batch_loss(pipeline())
    callable_.validate(data)
    traced = per_datum_loss(NLL, [(PENALTIES[0][0], "strength"), PENALTIES[1]])
    handle = service.create_custom_loss(traced, traced.input_ranks).result()

    ours, before, results = trained(service, server, callable_, data)
    theirs, _, handle_results = trained(service, server, handle, data)
    expected = copy.deepcopy(before)
    losses = train(expected, data, by_hand)

    assert_same_parameters(ours, expected, before)
    assert_same_parameters(theirs, expected, before)
    assert_same_parameters(theirs, ours, before)
    assert [result.metrics["loss_total"] for result in results] == pytest.approx(losses, rel=1e-6)
    assert losses[-1] < losses[0]
    for result, other in zip(results, handle_results, strict=True):
        assert result.metrics["loss:sum"] == pytest.approx(result.metrics["loss_total"])
        assert other.metrics["loss:sum"] == pytest.approx(result.metrics["loss:sum"], rel=1e-6)
        for name in ("drift", "mass", "base_loss"):
            value = other.metrics[f"custom/{name}:sum"]
            assert value == pytest.approx(result.metrics[f"{name}/value"], rel=1e-6)


@pytest.mark.parametrize("server", [True], indirect=True)
def test_handle_on_the_server_trains_as_autograd_does(server, service, data):
    traced = per_datum_loss(NLL, [(PENALTIES[0][0], "strength"), PENALTIES[1]])
    handle = service.create_custom_loss(traced, traced.input_ranks).result()
    assert handle.loss_id is not None

    model, before, results = trained(service, server, handle, data)
    expected = copy.deepcopy(before)
    losses = train(expected, data, by_hand)

    assert_same_parameters(model, expected, before)
    assert [result.metrics["loss:sum"] for result in results] == pytest.approx(losses, rel=1e-6)


def test_loss_that_is_not_finite_touches_no_weight(trainer, model, data):
    before = copy.deepcopy(model)

    def logarithm_of_zero(_, logprobs):
        return torch.log(logprobs[0].sum() * 0)

    loss_fn = batch_loss(l1.Pipeline(NLL, [l1.Term(logarithm_of_zero)], track_grad_norms=False))
    result, step = trainer.forward_backward_custom(data, loss_fn), trainer.optim_step(tinker.AdamParams())
    with pytest.raises(FloatingPointError, match="logarithm_of_zero/value=-inf"):
        result.result()
    with pytest.raises(RuntimeError, match="poisoned"):
        step.result()
    for parameter, other in zip(model.parameters(), before.parameters(), strict=True):
        assert torch.equal(parameter, other)


def test_refused_data_leave_the_client_usable(trainer, data):
    loss_fn = batch_loss(pipeline())
    with pytest.raises(KeyError, match=r"data\[5\]` has no field 'reference'"):
        loss_fn.validate([*data, datum(b"no reference")])
    assert trainer.forward_backward_custom(data, loss_fn).result().metrics["loss_total"] > 0
