"""A sparse autoencoder of a network's activations, with L1 weighted by the norms of its decoder.

    python examples/sparse_autoencoder.py --plot autoencoder.svg

The autoencoder takes the hidden activations of the digits network of `sparse_classifier`. It learns to write each
activation as a sum of a few out of many directions. L1 makes the codes sparse. Without weights, L1 falls when the
codes shrink and the directions grow in proportion, which changes nothing else. With the directions' norms as
weights, L1 does not fall then.
"""

import argparse

import matplotlib as mpl
import torch
from sparse_classifier import METHODS, digits, train
from torch import nn

import l1_any as l1

BATCH = 128
STRENGTH = 2.0
WARM_UP = 0.2


class SparseAutoencoder(nn.Module):
    """x̂ = Σ_j f_j d_j + b with codes f = relu(Wx + c)."""

    def __init__(self, width, n_directions):
        super().__init__()
        self.encoder = nn.Linear(width, n_directions)
        self.decoder = nn.Linear(n_directions, width)
        with torch.no_grad():
            self.decoder.weight.copy_(self.encoder.weight.T)

    def forward(self, x):
        """Return reconstructions and codes."""
        codes = self.encoder(x).relu()
        return self.decoder(codes), codes

    def norms(self):
        """Return the L2 norm of each direction."""
        return torch.linalg.vector_norm(self.decoder.weight, dim=0)


def activations():
    """Return the inputs of the second layer of a trained network, [images, 256], centred and scaled."""
    data = digits()
    network = train(METHODS["AdamW"], data, epochs=10)
    x = torch.cat([data[0], data[2]])
    with torch.no_grad():
        hidden = network[:2](x)
    hidden = hidden - hidden.mean(0)
    return hidden / hidden.square().mean().sqrt()


def penalty(autoencoder, codes, *, weighted):
    """Return the mean over examples of Σ_j f_j ‖d_j‖, or of Σ_j f_j, differentiable in codes and norms."""
    return l1.value(codes, axis=-1, weights=autoencoder.norms() if weighted else None).mean()


def fit(x, n_steps, *, weighted, n_directions=256):
    """Return an autoencoder trained with a penalty whose strength rises linearly to its full value."""
    torch.manual_seed(0)
    autoencoder = SparseAutoencoder(x.shape[1], n_directions)
    optimizer = torch.optim.Adam(autoencoder.parameters(), lr=2e-3)
    for step in range(n_steps):
        batch = x[torch.randint(len(x), (BATCH,))]
        reconstruction, codes = autoencoder(batch)
        strength = STRENGTH * min(1.0, step / (WARM_UP * n_steps))
        error = (reconstruction - batch).square().sum(-1).mean()
        loss = error + strength * penalty(autoencoder, codes, weighted=weighted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return autoencoder


@torch.no_grad()
def measure(autoencoder, x):
    """Return how well the autoencoder describes the activations, and how many codes it uses."""
    reconstruction, codes = autoencoder(x)
    active = codes != 0
    return {
        "variance explained": 1 - ((reconstruction - x).square().sum() / x.square().sum()).item(),
        "active": active.sum(-1).float().mean().item(),
        "norms": autoencoder.norms()[active.any(0)],
        "L1": penalty(autoencoder, codes, weighted=False).item(),
        "weighted L1": penalty(autoencoder, codes, weighted=True).item(),
        "counts": active.sum(-1),
    }


def run(n_steps=1200):
    """Return the measurements of both penalties."""
    torch.set_num_threads(1)  # then sums do not depend on the number of cores; the network is small
    x = activations()
    return {
        name: measure(fit(x, n_steps, weighted=weighted), x)
        for name, weighted in (("L1", False), ("L1 times norms", True))
    }


def plot(results, file):
    """Draw the norms of the directions in use, and the number of active codes per example."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (norms, counts) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for name, result in results.items():
        norms.hist(result["norms"].numpy(), bins=40, range=(0, 8), histtype="step", lw=1.5, label=name)
        counts.hist(result["counts"].numpy(), bins=range(0, 52, 2), histtype="step", lw=1.5)
    norms.set(xlabel="norm of a direction in use", ylabel="directions")
    norms.legend()
    counts.set(xlabel="codes that are not zero, of 256", ylabel="images")
    figure.savefig(file)
    plt.close(figure)


def main(arguments=None):
    """Run the example as a command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--plot", metavar="FILE", help="save a plot of the codes")
    options = parser.parse_args(arguments)
    results = run(options.steps)
    print(f"{'penalty':<16}{'explained':>11}{'active codes':>14}{'mean ‖d‖':>10}{'Σ f':>7}{'Σ f‖d‖':>9}")
    for name, result in results.items():
        print(
            f"{name:<16}{result['variance explained']:>11.1%}{result['active']:>14.1f}"
            f"{result['norms'].mean().item():>10.1f}{result['L1']:>7.1f}{result['weighted L1']:>9.1f}"
        )
    if options.plot:
        plot(results, options.plot)


if __name__ == "__main__":
    main()
