"""Exact zeros in a classifier of handwritten digits: L1 in the loss against a proximal step.

    python examples/sparse_classifier.py --plot classifier.svg

Trains one network four times: without L1, with L1 in the loss, with a proximal step after AdamW, and with one
after SGD.
"""

import argparse
from collections.abc import Callable
from typing import NamedTuple

import matplotlib as mpl
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

import l1_any as l1

BATCH = 128


class Method(NamedTuple):
    """A way to train: a function that makes an optimizer, and a strength of L1 in the loss or in the step."""

    optimizer: Callable[..., torch.optim.Optimizer]
    in_loss: float = 0.0
    in_step: float = 0.0


def adamw(parameters):
    """Return AdamW without weight decay."""
    return torch.optim.AdamW(parameters, lr=3e-3, weight_decay=0.0)


def sgd(parameters):
    """Return SGD. Its momentum multiplies a steady gradient by 10, so a strength of 0.005 acts like 0.0005."""
    return torch.optim.SGD(parameters, lr=0.3, momentum=0.9)


# The strengths give about the same accuracy. Adam needs other strengths, as it divides by the gradient's size.
METHODS = {
    "AdamW": Method(adamw),
    "AdamW, L1 in the loss": Method(adamw, in_loss=3e-4),
    "ProximalL1(AdamW)": Method(adamw, in_step=0.3),
    "ProximalL1(SGD)": Method(sgd, in_step=5e-3),
}


def digits():
    """Return images [n, 64] in [0, 1] and labels [n], for training and for testing."""
    images, labels = load_digits(return_X_y=True)
    split = train_test_split(images / 16, labels, test_size=0.25, random_state=0, stratify=labels)
    x, x_test, y, y_test = (torch.as_tensor(part) for part in split)
    return x.float(), y, x_test.float(), y_test


def make_network():
    """Return an untrained network; every call returns the same weights."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))


def weights_of(network):
    """Return the weight matrices; L1 does not apply to the biases."""
    return [p for p in network.parameters() if p.ndim == 2]


def train(method, data, epochs):
    """Return the network trained with one of the methods."""
    x, y, *_ = data
    network = make_network()
    optimizer = method.optimizer(network.named_parameters())
    if method.in_step:
        optimizer = l1.optim.ProximalL1(optimizer, method.in_step, exclude="*.bias")
    n_batches = len(x) // BATCH
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=epochs * n_batches)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(BATCH)[:n_batches]:
            loss = nn.functional.cross_entropy(network(x[batch]), y[batch])
            if method.in_loss:
                loss = loss + l1.value(weights_of(network), weights=method.in_loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
    return network


@torch.no_grad()
def measure(network, data):
    """Return the test accuracy, and the shares of weights that are zero or nearly zero."""
    _, _, x, y = data
    magnitudes = torch.cat([w.abs().flatten() for w in weights_of(network)])
    return {
        "accuracy": (network(x).argmax(1) == y).float().mean().item(),
        "zeros": (magnitudes == 0).float().mean().item(),
        "below 1e-3": (magnitudes < 1e-3).float().mean().item(),
        "magnitudes": magnitudes,
    }


def run(epochs=40):
    """Return the measurements of each method."""
    torch.set_num_threads(1)  # then sums do not depend on the number of cores; the network is small
    data = digits()
    return {name: measure(train(method, data, epochs), data) for name, method in METHODS.items()}


def plot(results, file):
    """Draw the share of exact zeros, and the distribution of the other weights' magnitudes."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    edges = torch.logspace(-9, 1, 81).numpy()
    figure, (zeros, others) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for name, result in results.items():
        bar = zeros.barh(name, 100 * result["zeros"])
        zeros.bar_label(bar, fmt="%.1f %%", padding=3)
        others.hist(result["magnitudes"].numpy(), edges, histtype="step", lw=1.5, label=name)
    others.legend(loc="upper left", fontsize="small")
    zeros.invert_yaxis()
    zeros.set(xlim=(0, 119), xlabel="weights that are exactly zero [%]")
    others.set(
        xscale="log", yscale="log", ylim=(0.7, 1e6), xlabel="magnitude of the others", ylabel="weights"
    )
    figure.savefig(file)
    plt.close(figure)


def main(arguments=None):
    """Run the example as a command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--plot", metavar="FILE", help="save a plot of the weights")
    options = parser.parse_args(arguments)
    results = run(options.epochs)
    print(f"{'trained with':<22}{'test accuracy':>15}{'exact zeros':>13}{'|w| < 1e-3':>12}")
    for name, result in results.items():
        print(f"{name:<22}{result['accuracy']:>15.1%}{result['zeros']:>13.1%}{result['below 1e-3']:>12.1%}")
    if options.plot:
        plot(results, options.plot)


if __name__ == "__main__":
    main()
