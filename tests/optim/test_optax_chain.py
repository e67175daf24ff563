"""`proximal_l1` at the end of an optax chain."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import l1_any as l1

PARAMS = {"dense": {"kernel": jnp.asarray([[0.3, 0.4], [3.0, -4.0]]), "bias": jnp.asarray([0.1, 2.0])}}
ZEROS = jax.tree.map(jnp.zeros_like, PARAMS)


def stepped(tx, params=PARAMS, updates=ZEROS, n=1, *, jit=False):
    def step(params, state):
        out, state = tx.update(updates, state, params)
        return optax.apply_updates(params, out), state

    state = tx.init(params)
    for _ in range(n):
        params, state = (jax.jit(step) if jit else step)(params, state)
    return params


def kernel(params):
    return np.asarray(params["dense"]["kernel"])


@pytest.mark.parametrize("jit", [False, True])
def test_zeros_are_exact_and_positive(jit):
    rng = np.random.default_rng(0)
    params = jnp.asarray(rng.standard_normal(10_000), jnp.float32)
    updates = jnp.asarray(rng.standard_normal(10_000), jnp.float32)
    moved = np.asarray(params + updates)
    out = np.asarray(stepped(l1.optim.proximal_l1(0.5, 1.0), params, updates, jit=jit))
    np.testing.assert_array_equal(out == 0, np.abs(moved) <= 0.5)
    assert not np.signbit(out[out == 0]).any()
    np.testing.assert_allclose(out, np.sign(moved) * np.maximum(np.abs(moved) - 0.5, 0), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_zeros_are_exact_in_half_precision(dtype):
    params = jnp.asarray(np.linspace(-1, 1, 201), dtype)
    out = stepped(l1.optim.proximal_l1(0.5, 1.0), params, jnp.zeros(201, jnp.float32))
    assert out.dtype == dtype
    np.testing.assert_array_equal(np.asarray(out == 0), np.asarray(jnp.abs(params) <= 0.5))


def test_schedules_get_the_number_of_steps_taken():
    tx = l1.optim.proximal_l1(lambda step: 0.5 * (step + 1), lambda step: 0.2 * step)
    out = stepped(tx, jnp.asarray([-9.0]), jnp.zeros(1), n=3)
    np.testing.assert_allclose(np.asarray(out), [-9.0 + 0.2 + 0.6], rtol=1e-6)


def test_schedules_of_optax():
    rate = optax.linear_schedule(1.0, 0.0, 4)
    tx = optax.chain(optax.sgd(rate), l1.optim.proximal_l1(rate, 0.1))
    out = stepped(tx, jnp.asarray([9.0]), jnp.zeros(1), n=4, jit=True)
    np.testing.assert_allclose(np.asarray(out), [9.0 - 0.1 * (1 + 0.75 + 0.5 + 0.25)], rtol=1e-6)


def test_injected_hyperparameters_can_be_changed():
    tx = optax.inject_hyperparams(l1.optim.proximal_l1)(learning_rate=1.0, strength=0.5)
    params = jnp.asarray([2.0])
    state = tx.init(params)
    state.hyperparams["strength"] = jnp.asarray(1.5)
    updates, _ = tx.update(jnp.zeros(1), state, params)
    np.testing.assert_allclose(np.asarray(optax.apply_updates(params, updates)), [0.5])


@pytest.mark.parametrize(
    "mask",
    [
        {"dense": {"kernel": True, "bias": False}},
        lambda params: jax.tree.map(lambda p: p.ndim > 1, params),
    ],
    ids=["tree", "predicate"],
)
def test_masked_parameters_have_no_threshold(mask):
    out = stepped(l1.optim.proximal_l1(1.0, 9.0, mask=mask))
    assert not kernel(out).any()
    np.testing.assert_array_equal(out["dense"]["bias"], PARAMS["dense"]["bias"])


def test_rows_go_to_zero_together():
    mask = {"dense": {"kernel": True, "bias": False}}
    out = stepped(l1.optim.proximal_l1(0.5, 2.0, mask=mask, group_axis=1), jit=True)
    np.testing.assert_allclose(kernel(out), [[0, 0], [2.4, -3.2]], rtol=1e-6)
    assert not kernel(out)[0].any()


def test_params_are_needed():
    tx = l1.optim.proximal_l1(0.1, 0.1)
    with pytest.raises(ValueError, match="`params` must be given to `update`"):
        tx.update(ZEROS, tx.init(PARAMS))


@pytest.mark.parametrize("name", ["learning_rate", "strength"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_numbers_are_checked(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be a finite number >= 0, got {value!r}"):
        l1.optim.proximal_l1(**({"learning_rate": 0.1, "strength": 0.1} | {name: value}))


@pytest.mark.parametrize("axis", ["x", 0.5, (0, 0.5), ()])
def test_axes_must_be_ints(axis):
    with pytest.raises(TypeError, match="`group_axis` must be an int, a tuple of ints or None"):
        l1.optim.proximal_l1(0.1, 1.0, group_axis=axis)


def test_errors_of_update_name_what_was_given():
    params = {"w": jnp.ones((2, 2)), "b": jnp.ones(2)}
    for options, message in [
        (
            {"strength": 1.0, "group_axis": 1},
            "`group_axis` must be within .* shape .2,.; leave it out by `mask`",
        ),
        ({"strength": 1.0, "group_axis": (0, 0)}, "`group_axis` must name each axis once"),
        ({"strength": lambda count: -1.0}, "`strength` must be a finite number >= 0, got -1.0"),
        ({"strength": lambda count: np.ones(3)}, "`strength` must be a number or a 0-d array, got shape"),
    ]:
        tx = l1.optim.proximal_l1(0.1, **options)
        with pytest.raises(ValueError, match=message):
            tx.update(jax.tree.map(jnp.zeros_like, params), tx.init(params), params)


def test_strengths_are_0d():
    with pytest.raises(ValueError, match=r"`strength` must be a number or a 0-d array, got shape \(3,\)"):
        l1.optim.proximal_l1(0.1, jnp.ones(3))
    assert l1.optim.proximal_l1(jnp.asarray(0.1), np.float32(1)).init({}).count == 0


def test_strength_must_be_a_number():
    with pytest.raises(TypeError, match="`strength` must be a number or a 0-d array, got str"):
        l1.optim.proximal_l1(0.1, "0.1")


def test_resumed_run_is_the_same_run(tmp_path):
    tx = optax.chain(optax.adam(0.1), l1.optim.proximal_l1(0.1, lambda step: 0.01 * step))
    gradients = jax.tree.map(jnp.sign, PARAMS)

    def run(params, state, n):
        for _ in range(n):
            updates, state = tx.update(gradients, state, params)
            params = optax.apply_updates(params, updates)
        return params, state

    halfway = run(PARAMS, tx.init(PARAMS), 10)
    leaves, structure = jax.tree.flatten(halfway)
    np.savez(tmp_path / "checkpoint.npz", *leaves)
    with np.load(tmp_path / "checkpoint.npz") as file:
        restored = jax.tree.unflatten(structure, [jnp.asarray(file[name]) for name in file.files])
    for a, b in zip(jax.tree.leaves(run(*halfway, 10)), jax.tree.leaves(run(*restored, 10)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("jit", [False, True])
def test_min_ndim_leaves_out_biases(jit):
    out = stepped(l1.optim.proximal_l1(1.0, 9.0, min_ndim=2), jit=jit)
    assert not kernel(out).any()
    np.testing.assert_array_equal(np.asarray(out["dense"]["bias"]), np.asarray(PARAMS["dense"]["bias"]))
    with pytest.raises(ValueError, match="`min_ndim` must be an int >= 0, got -1"):
        l1.optim.proximal_l1(1.0, 9.0, min_ndim=-1)
