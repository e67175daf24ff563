"""Training a tiny model in two ways: through the real SDK, and by ordinary autograd."""

import tinker
import torch

ADAM = tinker.AdamParams(learning_rate=1e-2, weight_decay=0.01, grad_clip_norm=2.0)
STEPS = 3
TEXTS = [
    b"the L1 norm",
    b"of a vector",
    b"is a sum of absolute values,",
    b"so",
    b"it is convex but not differentiable at zero",
]


def datum(text, **fields):
    """An example whose first half is a prompt, masked out of the loss."""
    length = len(text) - 1
    weights = [float(2 * t >= length) for t in range(length)]
    return tinker.Datum(
        tinker.ModelInput.from_ints(list(text[:-1])),
        {"target_tokens": list(text[1:]), "weights": weights, **fields},
    )


def field(example, name):
    return example.loss_fn_inputs[name].to_torch()


def logprobs_of(model, data):
    return [
        model.target_logprobs(torch.tensor(example.model_input.to_ints()), field(example, "target_tokens"))
        for example in data
    ]


def train(model, data, loss_fn, steps=STEPS):
    """Train by ordinary autograd, the whole batch at once."""
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(
        parameters,
        lr=ADAM.learning_rate,
        betas=(ADAM.beta1, ADAM.beta2),
        eps=ADAM.eps,
        weight_decay=ADAM.weight_decay,
    )
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss, _ = loss_fn(data, logprobs_of(model, data))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, ADAM.grad_clip_norm)
        optimizer.step()
        losses.append(loss.item())
    return losses


def train_by_sdk(trainer, forward_backward, steps=STEPS):
    """Train through the service; submits each optimizer step before it waits, as the SDK advises."""
    results = []
    for _ in range(steps):
        result, step = forward_backward(), trainer.optim_step(ADAM)
        results.append(result.result())
        step.result()
    return results


def assert_same_parameters(model, expected, before):
    for (name, actual), reference in zip(model.named_parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(actual, reference, rtol=0, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")
        assert not torch.equal(actual, before.get_parameter(name))
