"""The operators under `jax.jit`, `vmap` and `torch.compile`."""

import numpy as np
import pytest
from operators import OPERATORS, SCALARS, data

import l1_any as l1
from l1_any.testing import to_numpy


@pytest.mark.only("jax")
@pytest.mark.parametrize("name", OPERATORS | SCALARS)
def test_jax_transformations(library, name):
    import jax

    function = (OPERATORS | SCALARS)[name]
    x = library.asarray(data())
    assert np.allclose(jax.jit(function)(x), function(x), rtol=1e-6, atol=1e-6)
    assert np.allclose(jax.vmap(function)(x), np.stack([function(row) for row in x]), rtol=1e-6, atol=1e-6)


@pytest.mark.only("jax")
def test_traced_steps(library):
    import jax

    x = library.asarray(data())
    for function in (
        l1.prox,
        lambda x, t: l1.project(x, t, axis=1),
        lambda x, t: l1.prox_max(x, t, axis=1),
        lambda x, t: l1.prox_group(x, t, axis=1),
        lambda x, t: l1.prox_elastic_net(x, t, l1_ratio=0.5),
    ):
        assert np.allclose(jax.jit(function)(x, 0.5), function(x, 0.5), rtol=1e-6, atol=1e-6)
    assert jax.grad(lambda t: l1.prox(library.asarray([3.0, -2.0, 0.1], "float32"), t).sum())(0.5) == 0
    assert jax.grad(lambda t: l1.prox(library.asarray([3.0, 2.0, 0.1], "float32"), t).sum())(0.5) == -2


@pytest.mark.only("torch")
@pytest.mark.parametrize("name", OPERATORS | SCALARS)
def test_torch_transformations(library, name):
    import torch

    function = (OPERATORS | SCALARS)[name]
    x = library.asarray(data())
    expected = to_numpy(function(x))
    torch._dynamo.reset()
    compiled = torch.compile(function, fullgraph=True, backend="eager")(x)
    assert np.allclose(to_numpy(compiled), expected, rtol=1e-6, atol=1e-6)
    batched = to_numpy(torch.func.vmap(function)(x))
    rows = np.stack([to_numpy(function(row)) for row in x])
    assert np.allclose(batched, rows, rtol=1e-6, atol=1e-6)


@pytest.mark.only("torch")
@pytest.mark.parametrize(
    "function",
    [
        l1.prox,
        lambda x, t: abs(l1.prox(x + 1j * x, t)),
        lambda x, t: l1.prox_group(x, t, axis=1),
        lambda x, t: l1.project([x, x], 3.0, weights=[t, 2 * t])[1],
        lambda x, t: l1.value(x, weights=t),
        lambda x, t: l1.group_value(x, axis=1, weights=t, reduce="mean"),
        lambda x, t: l1.group_subgradient(x, axis=1, weights=t, reduce="mean"),
    ],
    ids=["prox", "complex", "prox_group", "weights", "value", "mean", "mean subgradient"],
)
@pytest.mark.filterwarnings("ignore:.*code generation for complex operators:UserWarning")
def test_numbers_that_change_under_torch_compile(library, function):
    """From the second on, torch compiles a number as a variable, and has been seen to keep its old value."""
    import torch

    torch._dynamo.reset()
    compiled = torch.compile(function, fullgraph=True)
    x = library.asarray(data())
    for t in (0.1, 0.3, 1.5, 0.7):
        expected = to_numpy(function(x, t))
        assert np.allclose(to_numpy(compiled(x, t)), expected, rtol=1e-5, atol=1e-6)
