"""Draws the plots of the page on zeros: ``python docs/plot_zeros.py FOLDER``."""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

import l1_any as l1

mpl.use("agg")
from matplotlib import pyplot as plt


def lasso(step_of, steps=2000, strength=0.1):
    """Share of exact zeros while a random Lasso problem is solved by single steps of one kind."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((80, 40)) / np.sqrt(80)
    b = a[:, :5] @ np.asarray([3.0, -2.0, 1.5, -1.0, 2.0]) + 0.1 * rng.standard_normal(80)
    rate = 1 / np.linalg.norm(a, 2) ** 2
    x, zeros = np.zeros(40) + 0.01, []
    for _ in range(steps):
        x = step_of(x, a.T @ (a @ x - b), rate, strength)
        zeros.append(np.mean(x == 0))
    return zeros


def main(folder):
    """Write both plots."""
    folder.mkdir(parents=True, exist_ok=True)
    x = np.linspace(-3, 3, 601)
    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    left.plot(x, x, color="0.7", label="x")
    left.plot(x, l1.prox(x, 1.0), label="prox(x, 1)")
    left.plot(x, l1.prox_elastic_net(x, 1.0, l1_ratio=0.5), label="prox_elastic_net(x, 1), ratio 0.5")
    left.plot(x, l1.prox_max(np.stack([x, x]), 1.0, axis=0)[0], "--", label="prox_max of (x, x), 1")
    left.set(title="Proximal operators", xlabel="x")
    right.plot(x, np.abs(x), color="0.7", label="|x|")
    right.plot(x, [l1.huber(v, 1.0) for v in x[:, None]], label="huber(x, 1)")
    right.plot(x, l1.huber_gradient(x, 1.0), "--", label="huber_gradient(x, 1)")
    right.set(title="The envelope and its gradient", xlabel="x")
    for axes in (left, right):
        axes.legend()
        axes.grid(alpha=0.3)
    fig.savefig(folder / "prox.svg")

    fig, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    axes.plot(lasso(lambda x, g, r, s: x - r * (g + s * l1.subgradient(x))), label="subgradient step")
    axes.plot(lasso(lambda x, g, r, s: l1.prox(x - r * g, r * s)), label="proximal step")
    axes.set(title="A Lasso with 40 coefficients, 5 of them true", xscale="log")
    axes.set(xlabel="step", ylabel="share of exact zeros")
    axes.legend()
    axes.grid(alpha=0.3)
    fig.savefig(folder / "zeros.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
