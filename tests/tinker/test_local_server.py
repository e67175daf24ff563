"""The real SDK against the local service: what it trains is what ordinary autograd trains."""

import copy
import subprocess
import sys
import threading

import httpx
import local_tinker
import pytest
import tinker
import torch
from local_tinker import LocalTinker
from loss_graph import build_loss
from training import (
    ADAM,
    STEPS,
    TEXTS,
    assert_same_parameters,
    datum,
    field,
    logprobs_of,
    train,
    train_by_sdk,
)


@pytest.fixture
def data():
    return [datum(text) for text in TEXTS]


def nll(data, logprobs):
    terms = [(lp * field(example, "weights")).sum() for example, lp in zip(data, logprobs, strict=True)]
    loss = -torch.stack(terms).sum()
    return loss, {"nll": loss.item()}


def nll_and_probabilities(data, logprobs):
    """A loss that is not linear in the log-probabilities."""
    loss, metrics = nll(data, logprobs)
    return loss + 0.5 * torch.cat(logprobs).exp().square().sum(), metrics


@pytest.mark.parametrize("loss_fn", [nll, nll_and_probabilities])
def test_custom_loss_trains_as_autograd_does(server, trainer, model, data, loss_fn):
    before, expected = copy.deepcopy(model), copy.deepcopy(model)

    results = train_by_sdk(trainer, lambda: trainer.forward_backward_custom(data, loss_fn))
    losses = train(expected, data, loss_fn)

    assert_same_parameters(model, expected, before)
    assert [result.metrics["loss:sum"] for result in results] == pytest.approx(losses, rel=1e-6)
    assert losses[-1] < losses[0]
    chunks = 3
    kinds = ("forward", "forward_backward", "optim_step")
    assert [server.requests[kind] for kind in kinds] == [STEPS * chunks, STEPS * chunks, STEPS]


def test_cross_entropy_trains_as_autograd_does(trainer, model, data):
    before, expected = copy.deepcopy(model), copy.deepcopy(model)

    results = train_by_sdk(trainer, lambda: trainer.forward_backward(data, "cross_entropy"))
    losses = train(expected, data, nll)

    assert_same_parameters(model, expected, before)
    assert [result.metrics["loss:sum"] for result in results] == pytest.approx(losses, rel=1e-9)


def test_several_targets_per_position(trainer, model):
    """`target_tokens` of shape [T, K] give log-probabilities of that shape, sparse weights too."""
    tokens = list(b"wide targets")
    targets = torch.tensor([[t, (t + 1) % 256, (t + 2) % 256, (t + 3) % 256] for t in tokens])
    weights = torch.zeros(targets.shape)
    weights[3, 1] = 2.0
    example = tinker.Datum(
        model_input=tinker.ModelInput.from_ints(tokens),
        loss_fn_inputs={"target_tokens": targets, "weights": weights},
    )
    assert example.loss_fn_inputs["weights"].sparse_crow_indices is not None
    before, expected = copy.deepcopy(model), copy.deepcopy(model)
    [expected_logprobs] = logprobs_of(model, [example])

    seen = []

    def loss_fn(data, logprobs):
        seen.extend(lp.detach() for lp in logprobs)
        return nll(data, logprobs)

    train_by_sdk(trainer, lambda: trainer.forward_backward_custom([example], loss_fn))
    train(expected, [example], nll)

    torch.testing.assert_close(seen[0], expected_logprobs.detach().float())
    assert_same_parameters(model, expected, before)


def nll_and_weighted_probabilities(logprobs, weights, strength):
    """`nll` and a multiple of the squared probabilities, for one example."""
    loss = -(logprobs * weights).sum()
    squared = torch.exp(logprobs).square()
    penalty = squared[..., :].sum() * strength.to(torch.float32)
    metrics = {"custom/nll:sum": loss, "custom/peak:mean": torch.amax(torch.exp(logprobs), dim=(0,))}
    return loss + penalty, metrics


@pytest.mark.parametrize(
    ("server", "forwards"),
    [pytest.param(False, STEPS * 3, id="in-the-sdk"), pytest.param(True, 0, id="on-the-server")],
    indirect=["server"],
)
def test_custom_loss_handle_trains_as_autograd_does(server, service, trainer, model, forwards):
    data = [datum(text, strength=tinker.TensorData([0.5], "float32", [])) for text in TEXTS]
    ranks = {"logprobs": 1, "weights": 1, "strength": 0}
    handle = service.create_custom_loss(nll_and_weighted_probabilities, ranks).result()
    before, expected = copy.deepcopy(model), copy.deepcopy(model)
    peaks = [lp.exp().max().item() for lp in logprobs_of(model, data)]

    results = train_by_sdk(trainer, lambda: trainer.forward_backward_custom(data, handle))
    losses = train(expected, data, nll_and_probabilities)

    assert server.requests["forward"] == forwards
    assert_same_parameters(model, expected, before)
    assert [result.metrics["loss:sum"] for result in results] == pytest.approx(losses, rel=1e-6)
    assert results[0].metrics["custom/nll:sum"] == pytest.approx(
        nll(data, logprobs_of(before, data))[1]["nll"]
    )
    assert results[0].metrics["custom/peak:mean"] == pytest.approx(sum(peaks) / len(peaks))


@pytest.mark.parametrize("server", [True], indirect=True)
def test_handle_on_the_server_must_be_scalar(service, trainer, data):
    handle = service.create_custom_loss(lambda logprobs: (-logprobs, {}), {"logprobs": 1}).result()
    with pytest.raises(tinker.RequestFailedError, match="a loss must be a scalar"):
        trainer.forward_backward_custom(data, handle).result()


def test_gradients_accumulate_until_the_optimizer_step(trainer, model, data):
    expected = copy.deepcopy(model)
    before = copy.deepcopy(model)
    parts = [trainer.forward_backward(part, "cross_entropy") for part in (data[:1], data[1:])]
    trainer.optim_step(ADAM).result()
    train(expected, data, nll, steps=1)

    torch.testing.assert_close(model.unembed.lora_b, expected.unembed.lora_b, rtol=0, atol=1e-9)
    assert not torch.equal(model.unembed.lora_b, before.unembed.lora_b)
    assert [len(part.result().loss_fn_outputs) for part in parts] == [1, 4]
    assert all(parameter.grad is None for parameter in model.parameters())


def test_forward_changes_nothing(trainer, model, data):
    output = trainer.forward(data, "cross_entropy").result()

    loss, _ = nll(data, logprobs_of(model, data))
    assert output.metrics["loss:sum"] == pytest.approx(loss.item(), rel=1e-9)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_models_follow_their_seed_and_configuration(server, service):
    def create(**options):
        client = service.create_lora_training_client("local", **{"rank": 4, "seed": 7, **options}).result()
        return server.models[client.model_id]

    first, same, other, frozen = create(), create(), create(seed=8), create(rank=2, train_mlp=False)
    for name, parameter in first.named_parameters():
        assert torch.equal(parameter, same.get_parameter(name))
    assert not torch.equal(first.up.lora_a, other.up.lora_a)
    assert torch.equal(first.up.weight, other.up.weight)
    assert frozen.up.lora_a.shape == (2, 64)
    assert [frozen.up.lora_a.requires_grad, frozen.qkv.lora_a.requires_grad] == [False, True]


def test_model_is_causal(model):
    tokens = torch.tensor(list(b"only the past counts"))
    changed = tokens.clone()
    changed[10:] = 0
    torch.testing.assert_close(model(tokens)[:10], model(changed)[:10], rtol=1e-12, atol=1e-12)
    assert not torch.allclose(model(tokens)[10], model(changed)[10])
    torch.testing.assert_close(model(tokens).exp().sum(-1), torch.ones(20, dtype=torch.float64))


def test_exception_in_the_custom_loss_poisons_the_client(service, trainer, data):
    with pytest.raises(ZeroDivisionError):
        trainer.forward_backward_custom(data, lambda *_: 1 / 0).result()
    with pytest.raises(RuntimeError, match="poisoned") as poisoned:
        trainer.optim_step(ADAM).result()
    assert isinstance(poisoned.value.__cause__, ZeroDivisionError)
    unharmed = service.create_lora_training_client("local", rank=4).result()
    assert unharmed.forward(data, "cross_entropy").result().metrics["loss:sum"] > 0


def test_missing_gradient_poisons_the_client(trainer, data):
    with pytest.raises(ValueError, match="No gradient computed"):
        trainer.forward_backward_custom(data, lambda _, logprobs: (logprobs[0].sum(), {})).result()
    with pytest.raises(RuntimeError, match="poisoned"):
        trainer.forward(data, "cross_entropy").result()


@pytest.mark.parametrize(
    ("tokens", "fields", "message"),
    [
        ([1, 256], {"target_tokens": [1, 2], "weights": [1.0, 1.0]}, "tokens must be bytes"),
        ([1, 2], {"target_tokens": [1, 2, 3, 4], "weights": [1.0] * 4}, "one row for each of 2 tokens"),
        ([1, 2], {"target_tokens": [1, 2], "weights": [1.0]}, "shape of `target_tokens`"),
    ],
)
def test_bad_example_is_refused(trainer, model, tokens, fields, message):
    good, bad = datum(TEXTS[0]), tinker.Datum(tinker.ModelInput.from_ints(tokens), fields)
    with pytest.raises(tinker.RequestFailedError, match=message):
        trainer.forward_backward([good, bad], "cross_entropy").result()
    assert all(parameter.grad is None for parameter in model.parameters())
    assert trainer.forward([good], "cross_entropy").result().metrics["loss:sum"] > 0


def test_unknown_requests_are_answered_not_found(server, trainer):
    with pytest.raises(tinker.NotFoundError, match="knows no 'save_weights'"):
        trainer.save_state("checkpoint").result()
    with httpx.Client(base_url=f"{server.base_url}/api/v1/", trust_env=False, timeout=300) as client:
        stale = client.post("optim_step", json={"model_id": "of an earlier run", "seq_id": 1})
        answers = [stale, client.get("get_server_capabilities")]
    assert [answer.status_code for answer in answers] == [httpx.codes.NOT_FOUND] * 2
    assert "knows no 'of an earlier run'" in stale.json()["error"]


@pytest.mark.parametrize(
    ("op", "target"),
    [
        ("call_function", "torch.load"),
        ("call_function", "os.system"),
        ("call_function", "operator.__call__"),
        ("call_method", "__reduce__"),
        ("call_module", "net"),
    ],
)
def test_loss_graph_refuses_what_is_no_formula(op, target):
    node = {"op": op, "name": "n", "target": target, "args": ["x"], "kwargs": {}}
    with pytest.raises(ValueError, match="a custom loss may not"):
        build_loss({"nodes": [node]})


def test_nothing_is_left_when_the_service_stops():
    threads = set(threading.enumerate())
    with (
        LocalTinker() as server,
        httpx.Client(base_url=server.base_url, trust_env=False, timeout=300) as client,
    ):
        assert client.post("/api/v1/session_heartbeat", json={}).status_code == httpx.codes.OK
        assert set(threading.enumerate()) - threads
    assert not set(threading.enumerate()) - threads  # of earlier tests some may have ended meanwhile
    with pytest.raises(httpx.ConnectError):
        httpx.post(server.base_url, json={}, trust_env=False)


def test_runs_as_a_script():
    command = [sys.executable, local_tinker.__file__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            base_url = process.stdout.readline().split()[0].removeprefix("TINKER_BASE_URL=")
            response = httpx.post(f"{base_url}/api/v1/create_session", json={}, trust_env=False, timeout=300)
            process.terminate()
            assert process.wait(timeout=300) == 0
        finally:
            process.kill()
    assert response.json() == {"session_id": "local-1"}
