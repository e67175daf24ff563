"""The Lasso path of the diabetes data, by FISTA on any array library.

    python examples/lasso.py --library torch --plot path.svg

Solves min ‖y - Xw‖²/2n + strength·‖w‖₁ for 100 strengths, each to within a tolerance of the optimality
condition that `l1.subdiff_distance` measures, and compares with `sklearn.linear_model.lasso_path`. The path
starts 1 % above `l1.strength_max`, where all coefficients are zero. At `strength_max` itself the rounding of a
matrix product would decide whether the first one is.
"""

import argparse
import importlib
import math
import time

import array_api_compat
import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import lasso_path

import l1_any as l1

LIBRARIES = ("numpy", "torch", "jax", "cupy")
ABOVE_THE_LARGEST = 1.01


def fista(gradient, w, *, strength, step, tolerance, max_iter=100_000):
    """Minimise a smooth function plus strength·‖w‖₁, by the accelerated proximal gradient method.

    Beck & Teboulle 2009, with the restarts of O'Donoghue & Candès 2015.
    """
    xp = array_api_compat.array_namespace(w)
    z, t = w, 1.0
    for n_iter in range(max_iter):
        if n_iter % 10 == 0:
            distance = l1.subdiff_distance(w, gradient(w), strength)
            if float(xp.max(distance)) <= tolerance:
                return w, n_iter
        previous, w = w, l1.prox(z - step * gradient(z), step * strength)
        if float(xp.sum((z - w) * (w - previous))) > 0:
            t = 1.0
        t, last = (1 + math.sqrt(1 + 4 * t * t)) / 2, t
        z = w + (last - 1) / t * (w - previous)
    raise RuntimeError(f"not within {tolerance} of a minimiser after {max_iter} steps")


def lasso(x, y, strengths, tolerance):
    """Return the coefficients for each strength, largest strength first, and the number of steps taken."""
    xp = array_api_compat.array_namespace(x)
    gram, correlation = x.T @ x / x.shape[0], x.T @ y / x.shape[0]
    step = 1 / float(xp.linalg.matrix_norm(gram, ord=2))
    w, path, n_steps = xp.zeros_like(correlation), [], 0

    def gradient(w):
        return gram @ w - correlation

    for strength in strengths:  # each solution is the starting point of the next
        w, n_iter = fista(gradient, w, strength=strength, step=step, tolerance=tolerance)
        path.append(w)
        n_steps += n_iter
    return xp.stack(path), n_steps


def to_library(library, *arrays):
    """Convert float64 arrays to a library, on its default device."""
    if library == "jax":
        importlib.import_module("jax").config.update("jax_enable_x64", True)  # noqa: FBT003
        library = "jax.numpy"
    return [importlib.import_module(library).asarray(a) for a in arrays]


def diabetes():
    """Return the centred features and target; centring stands for the intercept of the model."""
    x, y = load_diabetes(return_X_y=True)
    return x - x.mean(0), y - y.mean()


def run(library, n_strengths=100, tolerance=1e-9):
    """Return the strengths, our path, scikit-learn's path, and the numbers of the table."""
    x, y = diabetes()
    x_lib, y_lib = to_library(library, x, y)
    largest = float(l1.strength_max(-x_lib.T @ y_lib / len(y)))
    first = ABOVE_THE_LARGEST * largest
    strengths = np.geomspace(first, first / 1000, n_strengths)
    start = time.perf_counter()
    path, n_steps = lasso(x_lib, y_lib, strengths.tolist(), tolerance)
    seconds = time.perf_counter() - start
    ours = np.stack([[float(value) for value in row] for row in path])
    _, theirs, _ = lasso_path(x, y, alphas=strengths, tol=1e-13, max_iter=1_000_000)
    theirs = theirs.T
    return {
        "strengths": strengths,
        "path": ours,
        "reference": theirs,
        "supports equal": int(((ours != 0) == (theirs != 0)).all(1).sum()),
        "largest difference": float(np.abs(ours - theirs).max()),
        "steps": n_steps,
        "seconds": seconds,
    }


def plot(result, file, library):
    """Draw the coefficients over the strength, scikit-learn's dashed on top."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    names = load_diabetes().feature_names
    for j, name in enumerate(names):
        axes.plot(result["strengths"], result["path"][:, j], lw=2.5, alpha=0.6, label=name)
    axes.plot(result["strengths"], result["reference"], "k--", lw=0.7)
    axes.set(
        xscale="log",
        xlabel="strength",
        ylabel="coefficient",
        title=f"Lasso path: {library}, scikit-learn dashed",
    )
    axes.invert_xaxis()
    axes.legend(ncols=2, fontsize="small")
    figure.savefig(file)
    plt.close(figure)


def main(arguments=None):
    """Run the example as a command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--library", choices=LIBRARIES, default="numpy")
    parser.add_argument("--strengths", type=int, default=100, help="points on the path")
    parser.add_argument("--plot", metavar="FILE", help="save a plot of the path")
    options = parser.parse_args(arguments)
    result = run(options.library, options.strengths)
    print(f"library              {options.library}")
    print(f"strengths            {options.strengths}")
    print(f"equal supports       {result['supports equal']}")
    print(f"largest coefficient  {np.abs(result['reference']).max():.1f}")
    print(f"largest difference   {result['largest difference']:.1e}")
    print(f"steps                {result['steps']}")
    print(f"time                 {result['seconds']:.1f} s")
    if options.plot:
        plot(result, options.plot, options.library)


if __name__ == "__main__":
    main()
