"""The operators by name, each as a function of one array; data for them; and their gradients in every way."""

import math

import numpy as np

import l1_any as l1

KINKS = [-2.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.0, math.nan]
"""Where the operators with a threshold of 1 have kinks, and between."""

ALONG_AN_AXIS = {
    "project": lambda x: l1.project(x, 1.5, axis=-1),
    "project, nonnegative": lambda x: l1.project(x, 1.5, axis=-1, nonnegative=True),
    "prox_max": lambda x: l1.prox_max(x, 1.5, axis=-1),
    "prox_group": lambda x: l1.prox_group(x, 0.5, axis=-1),
    "group_subgradient": lambda x: l1.group_subgradient(x, axis=-1),
}
ELEMENTWISE = {
    "prox": lambda x: l1.prox(x, 0.4),
    "prox, nonnegative": lambda x: l1.prox(x, 0.4, nonnegative=True),
    "prox_elastic_net": lambda x: l1.prox_elastic_net(x, 0.4, l1_ratio=0.5),
    "huber_gradient": lambda x: l1.huber_gradient(x, 0.4),
    "subdiff_distance": lambda x: l1.subdiff_distance(x, x, 0.4),
}
OPERATORS = ALONG_AN_AXIS | ELEMENTWISE
SCALARS = {
    "huber": lambda x: l1.huber(x, 0.4),
    "group_value": lambda x: l1.group_value(x, axis=-1),
}
WITH_MEANS = {
    "mean of norms": lambda x: l1.group_value(x, axis=-1, reduce="mean"),
    "subgradient of the mean of norms": lambda x: l1.group_subgradient(x, axis=-1, reduce="mean"),
}


def data(shape=(4, 6)):
    return np.random.default_rng(7).standard_normal(shape).astype(np.float32)


def gradients(library, function, values):
    """The gradient of Σ v·f(x) in each way that the library has, v some fixed numbers."""
    v = np.random.default_rng(8).standard_normal(np.shape(values)).astype(np.float32)
    x = library.asarray(values, "float32")
    factors = library.asarray(v)
    if library.name == "jax":
        import jax

        grad = jax.grad(lambda x: (factors * function(x)).sum())
        return v, {"grad": grad(x), "jit": jax.jit(grad)(x)}
    import torch

    leaf = x.clone().requires_grad_()
    (factors * function(leaf)).sum().backward()
    func = torch.func.grad(lambda x: (factors * function(x)).sum())(x)
    return v, {"backward": leaf.grad, "func": func}


def largest_of(library):
    """A dtype of the library that is as wide as its sums, and a number near its largest."""
    wide = "float64" if "float64" in library.dtypes else "float32"
    return wide, float(np.finfo(wide).max) / 1.8
