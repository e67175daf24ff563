"""On a convex problem the training loops of torch and optax reach scikit-learn's Lasso solution."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from sklearn.linear_model import Lasso

import l1_any as l1

ALPHA = 0.3
MOMENTUM = 0.9
SGD = {
    "plain": ({}, ALPHA),
    # Momentum multiplies a steady gradient by 1/(1 - momentum), and the threshold has to keep pace.
    "momentum": ({"momentum": MOMENTUM}, ALPHA / (1 - MOMENTUM)),
    "nesterov": ({"momentum": MOMENTUM, "nesterov": True}, ALPHA / (1 - MOMENTUM)),
}


@pytest.fixture(autouse=True)
def _x64():
    jax.config.update("jax_enable_x64", True)  # noqa: FBT003
    yield
    jax.config.update("jax_enable_x64", False)  # noqa: FBT003


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((100, 20))
    truth = np.where(np.arange(20) < 5, rng.standard_normal(20), 0)
    return a, a @ truth + 0.1 * rng.standard_normal(100)


@pytest.fixture(scope="module")
def solution(problem):
    coefficients = Lasso(alpha=ALPHA, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(*problem).coef_
    assert 0 < np.count_nonzero(coefficients) < len(coefficients)
    return coefficients


def torch_iterates(problem, make_inner, n_steps, strength):
    a, b = map(torch.from_numpy, problem)
    w = torch.nn.Parameter(torch.zeros(a.shape[1], dtype=a.dtype))
    optimizer = l1.optim.ProximalL1(make_inner([w]), strength)
    for _ in range(n_steps):
        optimizer.zero_grad()
        ((a @ w - b).square().sum() / (2 * len(b))).backward()
        optimizer.step()
        yield w.detach().numpy().copy()


def optax_iterates(problem, inner, learning_rate, n_steps, strength):
    a, b = map(jnp.asarray, problem)
    tx = optax.chain(inner, l1.optim.proximal_l1(learning_rate, strength))
    w = jnp.zeros(a.shape[1])
    state = tx.init(w)

    @jax.jit
    def step(w, state):
        gradient = jax.grad(lambda w: jnp.sum((a @ w - b) ** 2) / (2 * len(b)))(w)
        updates, state = tx.update(gradient, state, w)
        return optax.apply_updates(w, updates), state

    for _ in range(n_steps):
        w, state = step(w, state)
        yield np.asarray(w)


def assert_solves(coefficients, solution):
    np.testing.assert_array_equal(coefficients != 0, solution != 0)
    np.testing.assert_allclose(coefficients, solution, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("options", "strength"), SGD.values(), ids=SGD)
def test_torch_sgd_reaches_the_lasso_solution(problem, solution, options, strength):
    *_, last = torch_iterates(problem, lambda p: torch.optim.SGD(p, lr=0.05, **options), 600, strength)
    assert_solves(last, solution)


@pytest.mark.parametrize(("options", "strength"), SGD.values(), ids=SGD)
def test_optax_sgd_reaches_the_lasso_solution(problem, solution, options, strength):
    *_, last = optax_iterates(problem, optax.sgd(0.05, **options), 0.05, 600, strength)
    assert_solves(last, solution)


@pytest.mark.parametrize(
    ("make_torch", "make_optax"),
    [
        (torch.optim.SGD, optax.sgd),
        (
            lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9),
            lambda lr: optax.sgd(lr, momentum=0.9),
        ),
        (torch.optim.Adam, optax.adam),
        (
            lambda p, lr: torch.optim.AdamW(p, lr=lr, weight_decay=0.1),
            lambda lr: optax.adamw(lr, weight_decay=0.1),
        ),
    ],
    ids=["sgd", "momentum", "adam", "adamw"],
)
def test_torch_and_optax_agree_step_by_step(problem, make_torch, make_optax):
    def schedule(step):
        return ALPHA * (step + 1) / 100

    ours = torch_iterates(problem, lambda p: make_torch(p, lr=0.02), 100, schedule)
    theirs = optax_iterates(problem, make_optax(0.02), 0.02, 100, schedule)
    n_zeros = set()
    for w_torch, w_optax in zip(ours, theirs, strict=True):
        # No weight comes nearer to its threshold than 3e-6, so that rounding does not decide what is zero.
        np.testing.assert_array_equal(w_torch == 0, w_optax == 0)
        np.testing.assert_allclose(w_torch, w_optax, rtol=1e-11, atol=1e-13)
        n_zeros.add(np.count_nonzero(w_torch == 0))
    assert len(n_zeros) > 1, "no parameter reached or left zero on the way"
