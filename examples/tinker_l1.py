"""LoRA fine-tuning through Tinker, with an L1 penalty on what the model must not unlearn.

The loss is the NLL of the answers plus a weight times Σ|log p - log p_reference| over the tokens of the
questions. The reference is the model before training. A warm-up raises the weight. Two runs, one without and one
with the penalty, show its effect::

    python examples/tinker_l1.py            # uses a local service in this process, with a tiny model
    TINKER_API_KEY=... python examples/tinker_l1.py --model meta-llama/Llama-3.2-1B

``--handle`` makes the same loss with ``ServiceClient.create_custom_loss``; the weight is then an input.
"""

import argparse
import contextlib
import os

import numpy as np
import tinker
import torch
from local_tinker import LocalTinker

import l1_any as l1
from l1_any.tinker import batch_loss, per_datum_loss

EXAMPLES = [
    ("What is the L1 norm of (3, -4)? ", "It is 7."),
    ("And its L2 norm? ", "5."),
    ("Is the L1 norm differentiable at zero? ", "No: its subgradients there are [-1, 1]."),
    ("Which step gives exact zeros? ", "The proximal one."),
    ("What is soft thresholding? ", "Shrinking towards zero by a step, and stopping there."),
]
NLL = l1.L1Regularizer(weights="weights", name="nll")  # of log-probabilities, which are <= 0
DRIFT = l1.L1Regularizer(target=("delta", "reference"), where="questions", name="drift")
METRICS = (
    *("loss:sum", "base_loss/value", "drift/value", "drift/weight", "drift/contribution"),
    *("custom/base_loss:sum", "custom/drift:sum"),
)


@contextlib.contextmanager
def connect():
    """Connect to the real service if there is a key for it, otherwise to a local one in this process."""
    if os.environ.get("TINKER_API_KEY"):
        with tinker.ServiceClient() as service:
            yield service
        return
    # The SDK must reach loopback without a proxy, and must send no telemetry.
    os.environ["NO_PROXY"] = ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1"]))
    os.environ["TINKER_TELEMETRY"] = "0"
    torch.set_num_threads(1)  # in so small a model more threads only wait for each other
    with (
        LocalTinker() as server,
        tinker.ServiceClient(base_url=server.base_url, api_key="tml-local") as service,
    ):
        yield service


def encoder(trainer, model):
    """Return a function from text to tokens; the tokens of the local model are bytes."""
    if model == "local":
        return lambda text: list(text.encode())
    tokenizer = trainer.get_tokenizer()
    return lambda text: tokenizer.encode(text, add_special_tokens=False)


def examples(encode):
    """Make data with weight 1 on the tokens of the answers, and a mask of the questions."""
    data = []
    for question, answer in EXAMPLES:
        prompt, tokens = encode(question), encode(question) + encode(answer)
        answered = np.arange(1, len(tokens)) >= len(prompt)
        fields = {
            "target_tokens": tokens[1:],
            "weights": answered.astype(np.float32),
            "questions": (~answered).astype(np.float32),
        }
        data.append(tinker.Datum(tinker.ModelInput.from_ints(tokens[:-1]), fields))
    return data


def logprobs(trainer, data):
    """Return the log-probabilities of the target tokens under the current model."""
    outputs = trainer.forward(data, "cross_entropy").result().loss_fn_outputs
    return [output["logprobs"].to_numpy() for output in outputs]


def with_fields(data, **columns):
    """Return the data with more fields; each field is a list with one value per example."""
    return [
        tinker.Datum(
            datum.model_input,
            {**datum.loss_fn_inputs, **{key: values[i] for key, values in columns.items()}},
        )
        for i, datum in enumerate(data)
    ]


def train_by_callable(trainer, data, schedule, steps):
    """Train with the pipeline as the loss of a whole batch; the results hold the pipeline's report."""
    pipeline = l1.Pipeline(NLL, [l1.Term(DRIFT, weight=schedule)])
    for step in range(steps):
        loss = batch_loss(pipeline, step=step)
        loss.validate(data)
        yield trainer.forward_backward_custom(data, loss)


def train_by_handle(trainer, handle, data, schedule, steps):
    """Train with the traced form of the same loss; its weight is an input of rank 0."""
    for step in range(steps):
        strength = tinker.TensorData(data=[schedule(step)], dtype="float32", shape=[])
        yield trainer.forward_backward_custom(with_fields(data, strength=[strength] * len(data)), handle)


def run(service, handle, weight, options):
    """Train a new adapter; return its NLL on the answers and the mean |delta| on the questions."""
    trainer = service.create_lora_training_client(options.model, rank=8, seed=0).result()
    data = examples(encoder(trainer, options.model))
    data = with_fields(data, reference=logprobs(trainer, data))
    schedule = l1.schedules.linear_warmup(weight, steps=max(1, options.steps // 4))
    if handle is None:
        results = train_by_callable(trainer, data, schedule, options.steps)
    else:
        results = train_by_handle(trainer, handle, data, schedule, options.steps)
    for step, result in enumerate(results, start=1):
        trainer.optim_step(tinker.AdamParams(learning_rate=1e-2)).result()
        metrics = result.result().metrics
        if step % 5 == 0:
            print(f"step {step}:", *(f"{key} {metrics[key]:.3f}" for key in METRICS if key in metrics))
    after = logprobs(trainer, data)
    nll, _ = NLL.compute(data, after)
    _, metrics = DRIFT.compute(data, after)
    return {"nll": float(nll), "mean |delta|": float(metrics["l1_mean"])}


def main(arguments=None):
    """Train without and with the penalty; return the results of both runs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="local", help="base model of the service")
    parser.add_argument("--weight", type=float, default=0.3)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--handle", action="store_true", help="trace the loss")
    options = parser.parse_args(arguments)
    rows = {}
    with connect() as service:
        handle = None
        if options.handle:
            loss = per_datum_loss(NLL, [(DRIFT, "strength")])
            handle = service.create_custom_loss(loss, loss.input_ranks).result()
        for weight in (0.0, options.weight):
            print(f"weight {weight:g}")
            rows[weight] = run(service, handle, weight, options)
    for weight, row in rows.items():
        print(f"weight {weight:g}:", *(f"{key} {value:.3f}" for key, value in row.items()))
    return rows


if __name__ == "__main__":
    main()
