"""The operators against the libraries that have some of them."""

import importlib
import warnings

import numpy as np
import pytest

import l1_any as l1


@pytest.mark.only("jax")
@pytest.mark.parametrize("radius", [0.5, 3.0, 1000.0])
def test_optax_projection(library, radius):
    import jax
    import optax

    dtype = "float64" if library.variant.x64 else "float32"  # optax mixes them under x64
    x = library.asarray(np.random.default_rng(5).standard_normal((20, 50)), dtype)
    peer = jax.vmap(lambda row: optax.projections.projection_l1_ball(row, radius))(x)
    assert np.allclose(l1.project(x, radius, axis=1), peer, rtol=1e-5, atol=2e-6)


@pytest.fixture(scope="module")
def jaxopt():
    with warnings.catch_warnings():  # of its being maintained no more
        warnings.simplefilter("ignore", DeprecationWarning)
        return importlib.import_module("jaxopt")


@pytest.mark.only("jax")
@pytest.mark.parametrize("step", [0.0, 0.5, 3.0])
def test_jaxopt_prox(library, jaxopt, step):
    x = library.asarray(np.random.default_rng(8).standard_normal((20, 50)), "float32")
    for ours, peer in (
        (l1.prox(x, step), jaxopt.prox.prox_lasso(x, step)),
        (l1.prox(x, step, nonnegative=True), jaxopt.prox.prox_non_negative_lasso(x, step)),
        (l1.prox_elastic_net(x, step, l1_ratio=0.5), jaxopt.prox.prox_elastic_net(x, (0.5 * step, 1.0))),
        (l1.prox_group(x, step, axis=None), jaxopt.prox.prox_group_lasso(x, step)),
        (l1.project(x, 1 + step), jaxopt.projection.projection_l1_ball(x.ravel(), 1 + step).reshape(x.shape)),
    ):
        np.testing.assert_allclose(ours, peer, rtol=1e-5, atol=2e-6)


@pytest.mark.only("torch")
def test_torch_softshrink_and_huber(library):
    from torch.nn import functional

    x = library.asarray(np.random.default_rng(6).standard_normal(1000).astype(np.float32))
    assert np.array_equal(l1.prox(x, 0.5), functional.softshrink(x, 0.5))
    peer = functional.huber_loss(x, x * 0, delta=0.5, reduction="mean") / 0.5
    assert np.allclose(l1.huber(x, 0.5, reduce="mean"), peer, rtol=1e-6)


@pytest.mark.only("numpy")
def test_sklearn_lasso_is_where_the_distance_vanishes(library):
    from sklearn.linear_model import Lasso

    rng = np.random.default_rng(7)
    a, b = rng.standard_normal((60, 20)), rng.standard_normal(60)
    gradient_at_zero = library.asarray(-a.T @ b / 60)
    strength = 0.3 * float(l1.strength_max(gradient_at_zero))
    x = Lasso(alpha=strength, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(a, b).coef_
    distance = l1.subdiff_distance(library.asarray(x), library.asarray(a.T @ (a @ x - b) / 60), strength)
    assert np.max(distance) < 1e-6
    assert 0 < np.sum(x == 0) < 20
