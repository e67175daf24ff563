"""The operators' special values, derivatives and ways of being run, on every library."""

import math

import numpy as np
import prox_laws
import pytest

import l1_any as l1
from l1_any.testing import to_numpy

inf, nan = math.inf, math.nan
KINKS = [-2.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.0, nan]
SLOPES = [1, 0, 0, 0, 0, 0, 0, 1, 1]

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


def data(shape=(4, 6)):
    return np.random.default_rng(7).standard_normal(shape).astype(np.float32)


def test_prox_of_special_values(library):
    x = library.asarray([inf, -inf, nan, -0.0, 0.0, 1.0, -1.0], "float32")
    p = to_numpy(l1.prox(x, 1.0))
    assert np.array_equal(p, [inf, -inf, nan, 0, 0, 0, 0], equal_nan=True)
    prox_laws.no_negative_zeros(p)
    free = to_numpy(l1.prox(x, 1.0, weights=library.asarray(np.zeros(7, np.float32))))
    assert np.array_equal(free, to_numpy(x), equal_nan=True)
    prox_laws.no_negative_zeros(free)
    p = to_numpy(l1.prox(x, 0.5, nonnegative=True))
    assert np.array_equal(p, [inf, 0, nan, 0, 0, 0.5, 0], equal_nan=True)


def test_a_step_beyond_the_dtype_leaves_nothing_finite(library):
    x = library.asarray([-1.0, 0.0, 1.0, nan], "float32")
    expected = [0, 0, 0, nan]
    for options in ({}, {"weights": 0.5}, {"nonnegative": True}):
        assert np.array_equal(to_numpy(l1.prox(x, 1e300, **options)), expected, equal_nan=True)
    assert np.array_equal(to_numpy(l1.prox_elastic_net(x, 1e300, l1_ratio=1.0)), expected, equal_nan=True)


def test_step_times_a_number_as_weight_is_rounded_once(library):
    steps = np.random.default_rng(10).random((50, 2))
    x = library.asarray(np.ones(1), "float32")
    for t, w in [*steps, (1e-45, 0.25e45), (1e30, 1e-31)]:
        expected = np.float32(1) - np.float32(t * w)
        assert to_numpy(l1.prox(x, t, weights=w)) == expected
        assert to_numpy(l1.subdiff_distance(x, -x, t, weights=w)) == expected


def test_results_of_0d_arrays_are_arrays(library):
    x = library.asarray(1.5, "float32")
    for function in ELEMENTWISE.values():
        assert type(function(x)) is type(x)
    for function in (l1.project, l1.prox_max):
        assert type(function(x, 0.5)) is type(x)
    assert type(l1.prox_group(x, 0.5, axis=None)) is type(x)
    assert type(l1.group_subgradient(x, axis=None)) is type(x)


def test_project_with_weight_0_as_a_number_or_an_array(library):
    x = library.asarray([[inf, -1.0, 2.0]], "float32")
    zeros = library.asarray(np.zeros(3), "float32")
    for weights in (0.0, zeros):
        for axis in (None, 1):
            assert np.array_equal(to_numpy(l1.project(x, 1.0, axis=axis, weights=weights)), to_numpy(x))
            kept = l1.project(x, 1.0, axis=axis, weights=weights, nonnegative=True)
            assert np.array_equal(to_numpy(kept), [[inf, 0, 2]])
    two = l1.project([x, x], 1.0, weights=0.0)
    assert all(np.array_equal(to_numpy(one), to_numpy(x)) for one in two)


def test_structures_of_real_and_complex_arrays(library):
    x = [library.asarray([3.0], "float32"), library.asarray([1 + 1j], "complex64")]
    p = l1.project(x, 1.0)
    assert [one.dtype for one in p] == [one.dtype for one in x]
    assert to_numpy(p[0]) == 1
    assert to_numpy(p[1]) == 0
    q = l1.prox_max(x, 1.0)
    assert to_numpy(q[0]) == 2
    assert to_numpy(q[1]) == np.complex64(1 + 1j)


@pytest.mark.only(
    "numpy", "strict", "torch", "dask"
)  # XLA multiplies by reciprocals, and takes subnormals for zero
def test_huber_of_the_largest_magnitudes(library):
    x = library.asarray([1e37, -2e38], "float32")
    assert np.isclose(to_numpy(l1.huber(x, 8e37)), 1e37 / 16 + 1.6e38, rtol=1e-6)
    assert np.isclose(to_numpy(l1.huber(x, 1.8e38)), 1e37 * (1e37 / 3.6e38) + 1.1e38, rtol=1e-6)


def test_groups_of_the_largest_magnitudes(library):
    x = library.asarray([[9e37, 1.0], [3e38, 1e38]], "float32")
    norms = np.asarray([9e37, math.hypot(3e38, 1e38)])
    assert np.allclose(to_numpy(l1.group_value(x[:1, :], axis=1)), norms[0], rtol=1e-6)
    s = to_numpy(l1.group_subgradient(x, axis=1))
    assert np.allclose(s, [[1, 0], [3 / math.sqrt(10), 1 / math.sqrt(10)]], rtol=1e-6)
    p = to_numpy(l1.prox_group(x, 1e37, axis=1))
    assert np.allclose(p, to_numpy(x) * (1 - 1e37 / norms[:, None]), rtol=1e-6)


@pytest.mark.parametrize("t", [0.0, 1e-310, 1e-40, 0.3, 1.0])
def test_results_are_those_of_the_formula_bit_for_bit(library, t):
    """Of any length and stride, which decide on how a library's own threshold is worked."""
    for dtype in {"float32", "float64"} & set(library.dtypes):
        x = np.random.default_rng(9).standard_normal(1003).astype(dtype)
        x[:6] = [nan, inf, -inf, -0.0, 1.0, -1.0]
        exact = np.sign(x) * np.maximum(np.abs(x) - x.dtype.type(t), 0) + 0.0
        exact[1:3] = x[1:3]
        for part in (slice(None), slice(7), slice(64), slice(None, None, 2), slice(3, None)):
            p = to_numpy(l1.prox(library.asarray(x)[part], t))
            assert np.array_equal(p, exact[part], equal_nan=True)
            prox_laws.no_negative_zeros(p)


def test_results_too_small_for_the_dtype_are_positive_zeros(library):
    half = set(library.dtypes) & {"float16", "bfloat16"}
    if not half:
        pytest.skip("the library has no half precision")
    for dtype in half:
        x = library.asarray([-1.0, 1.0], dtype)
        p = to_numpy(l1.prox(x, 1 - 1e-7))
        assert p.tolist() == [-(2**-23), 2**-23] if dtype == "bfloat16" else [0, 0]
        prox_laws.no_negative_zeros(p)


@pytest.mark.parametrize("name", OPERATORS)
def test_dtype_shape_and_input_are_kept(library, name):
    for dtype in library.dtypes:
        if "nonnegative" in name and dtype.startswith("complex"):
            continue
        x = library.asarray(data(), dtype)
        before = to_numpy(x).tobytes()
        p = OPERATORS[name](x)
        assert type(p) is type(x)
        assert p.shape == x.shape
        if name != "subdiff_distance":
            assert p.dtype == x.dtype
        assert to_numpy(x).tobytes() == before


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (2, 3, 4)])
def test_shapes(library, shape):
    x = library.asarray(data(shape))
    for function in ELEMENTWISE.values():
        assert function(x).shape == shape
    assert l1.project(x, 1.0).shape == shape
    assert l1.prox_max(x, 1.0).shape == shape
    assert l1.prox_group(x, 1.0, axis=None).shape == shape
    assert l1.group_value(x, axis=None).shape == ()
    assert l1.strength_max(x).shape == ()


@pytest.mark.parametrize("name", OPERATORS)
def test_blocks_are_the_whole(library, name):
    """What is longer than a block comes out as its rows do."""
    x = data((300, 1100))
    p = to_numpy(OPERATORS[name](library.asarray(x)))
    rows = to_numpy(OPERATORS[name](library.asarray(x[100:110])))
    assert np.allclose(p[100:110], rows, rtol=1e-6, atol=1e-6)


def test_optimality_in_blocks_is_the_whole(library):
    """Also where the result has another dtype than what it is made of."""
    x = data((300, 2000))
    x[250:], x[7, 7] = 0, nan
    w = np.linspace(0, 2, 2000, dtype=np.float32)
    for dtype in {"float16", "float32", "complex64"} & set(library.dtypes):
        a, g, weights = (library.asarray(v, dtype) for v in (x, x[::-1].copy(), w))
        if dtype == "complex64":
            weights = library.asarray(w)
        d = l1.subdiff_distance(a, g, 0.5, weights=weights)
        assert d.dtype == library.asarray([0.0], "float32").dtype
        rows = l1.subdiff_distance(a[240:260, :], g[240:260, :], 0.5, weights=weights)
        assert np.allclose(to_numpy(d)[240:260], to_numpy(rows), rtol=3e-7, atol=1e-6)
        assert math.isnan(float(to_numpy(l1.strength_max(a, weights=weights))))
        parts = [to_numpy(l1.strength_max(a[i : i + 73, :], weights=weights)) for i in range(8, 300, 73)]
        assert np.isclose(to_numpy(l1.strength_max(a[8:, :], weights=weights)), max(parts), rtol=3e-7)


def test_steps_longer_than_a_block(library):
    x = data((300, 1100))
    rows = np.full((300, 1), 0.5, np.float32)
    for function in (
        lambda a, t: l1.project(a, t, axis=1),
        lambda a, t: l1.prox_max(a, t, axis=1),
        lambda a, t: l1.prox_group(a, t, axis=1),
        l1.prox,
    ):
        a = library.asarray(x)
        by_array = to_numpy(function(a, library.asarray(rows)))
        assert np.allclose(by_array, to_numpy(function(a, 0.5)), rtol=1e-6, atol=1e-7)


def test_vectors_that_are_not_finite(library):
    x = library.asarray([[inf, 1.0, 0.0], [nan, 1.0, 0.0], [3.0, 1.0, 0.0]], "float32")
    p = to_numpy(l1.project(x, 1.0, axis=1))
    assert np.array_equal(p, [[nan] * 3, [nan] * 3, [1, 0, 0]], equal_nan=True)
    g = to_numpy(l1.prox_group(x, 1.0, axis=1))
    assert np.array_equal(g[:2], [[inf, 1, 0], [nan, nan, nan]], equal_nan=True)
    s = to_numpy(l1.group_subgradient(x, axis=1))
    assert np.array_equal(s[:2], [[1, 0, 0], [nan, nan, nan]], equal_nan=True)


def test_nan_in_long_vectors(library):
    """Where XLA's maximum would pass over it."""
    x = data((2, 20_000))
    x[0, 3] = nan
    a = library.asarray(x)
    for p in (l1.project(a, 1.0, axis=1), l1.prox_max(a, 1.0, axis=1), l1.prox_group(a, 1.0, axis=1)):
        assert np.isnan(to_numpy(p)).all(axis=1).tolist() == [True, False]
    assert np.isnan(to_numpy(l1.project(a, 1.0))).all()
    alone = library.asarray(np.where(np.isnan(x), x, 0))
    assert np.isnan(to_numpy(l1.group_value(alone, axis=1)))
    assert np.isnan(to_numpy(l1.strength_max([a[1, :], a[0, :]])))


@pytest.mark.parametrize("size", [1e-30, 1e-20, 1.0, 1e30])
def test_shares_of_small_and_large_lengths(library, size):
    """A step of 0, of a quarter and of three quarters of the length, complex and of groups."""
    for quarters in (0, 1, 3):
        left = size * (1 - quarters / 4)
        z = library.asarray([complex(0, -size)], "complex64")
        assert np.allclose(to_numpy(l1.prox(z, size * quarters / 4)), -1j * left, rtol=1e-6, atol=0)
        group = library.asarray([[0.6 * size, -0.8 * size]], "float32")
        shrunk = to_numpy(l1.prox_group(group, size * quarters / 4, axis=1))
        assert np.allclose(shrunk, [[0.6 * left, -0.8 * left]], rtol=1e-6, atol=0)


@pytest.mark.parametrize("size", [1e-40, 1e-42])
def test_subnormal_lengths(library, size):
    if not library.variant.subnormals:
        pytest.skip("the library takes them for zero")
    z = library.asarray([complex(size, 0)], "complex64")
    for step in (0.0, size / 4, 3 * size / 4):
        assert np.allclose(to_numpy(l1.prox(z, step)), size - step, rtol=1e-2, atol=0)


@pytest.mark.only("torch")
@pytest.mark.parametrize("step", [0.0, 0.25, 0.75])
def test_gradients_at_small_lengths(library, step):
    import torch

    z = library.asarray([complex(1e-20, 0)], "complex64").requires_grad_()
    (g,) = torch.autograd.grad(l1.prox(z, 1e-20 * step).real.sum(), z)
    assert np.allclose(to_numpy(g), 1, rtol=1e-5)
    x = library.asarray([[6e-151, 8e-151]], "float64").requires_grad_()
    (g,) = torch.autograd.grad(l1.prox_group(x, 1e-150 * step, axis=1).sum(), x)
    assert np.allclose(to_numpy(g), 1 - step + 1.4 * step * np.asarray([[0.6, 0.8]]), rtol=1e-12)


def test_groups_whose_squares_leave_the_dtype(library):
    x = library.asarray([[3e-25, 4e-25], [3e25, 4e25], [0.0, -0.0]], "float32")
    assert np.allclose(to_numpy(l1.group_subgradient(x, axis=1)), [[0.6, 0.8], [0.6, 0.8], [0, 0]], rtol=1e-6)
    assert np.isclose(to_numpy(l1.group_value(x, axis=1)), 5e25, rtol=1e-6)
    p = to_numpy(l1.prox_group(x, 0.0, axis=1))
    assert np.allclose(p, to_numpy(x), rtol=1e-6, atol=0)
    prox_laws.no_negative_zeros(p)


def test_complex_projection_keeps_phases(library):
    x = library.asarray([3 + 4j, 0.5j, 0], "complex64")
    assert np.allclose(to_numpy(l1.project(x, 1.0)), [0.6 + 0.8j, 0, 0], atol=1e-7)
    assert np.allclose(to_numpy(l1.prox_max(x, 1.0)), [2.4 + 3.2j, 0.5j, 0], atol=1e-6)


def test_nan_beneath_a_mask_does_not_leak(library):
    x, g = library.asarray([nan, 2.0, 0.0], "float32"), library.asarray([nan, -1.0, 3.0], "float32")
    mask = library.bool([False, True, True])
    w = library.asarray([nan, 1.0, 1.0], "float32")
    assert to_numpy(l1.subdiff_distance(x, g, 1.0, where=mask, weights=w)).tolist() == [0, 0, 2]
    p = to_numpy(l1.prox(x, 1.0, where=mask, weights=w))
    assert np.array_equal(p, [nan, 1, 0], equal_nan=True)
    assert to_numpy(l1.huber(x, 1.0, where=mask, weights=w)) == 1.5
    assert to_numpy(l1.huber_gradient(x, 1.0, where=mask, weights=w)).tolist() == [0, 1, 0]


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


@pytest.mark.only("torch", "jax")
@pytest.mark.parametrize(
    ("function", "slopes"),
    [
        (lambda x: l1.prox(x, 1.0), SLOPES),
        (lambda x: l1.prox(x, 1.0, nonnegative=True), [0, 0, 0, 0, 0, 0, 0, 1, 1]),
        (lambda x: l1.prox_elastic_net(x, 2.0, l1_ratio=0.5), [s / 2 for s in SLOPES]),
        (lambda x: l1.subdiff_distance(x * 0, x, 1.0), [-1, 0, 0, 0, 0, 0, 0, 1, nan]),
    ],
    ids=["prox", "nonnegative", "elastic net", "distance"],
)
def test_derivatives_at_the_kinks(library, function, slopes):
    values = KINKS[: -1 if math.isnan(slopes[-1]) else None]
    v, found = gradients(library, function, values)
    for way, g in found.items():
        assert np.allclose(to_numpy(g), np.asarray(slopes[: len(values)]) * v, rtol=1e-6), way


@pytest.mark.only("torch", "jax")
@pytest.mark.parametrize("name", [*ALONG_AN_AXIS, *SCALARS])
def test_derivatives_are_those_of_differences(library, name):
    if name == "group_subgradient":
        pytest.skip("a subgradient is a constant")
    function = (OPERATORS | SCALARS)[name]
    values = data((6,))
    v, found = gradients(library, function, values)
    h = 1e-6
    wide = values.astype(float)
    expected = [
        np.sum(v * (function(wide + h * e) - function(wide - h * e))) / (2 * h) for e in np.eye(len(wide))
    ]
    for way, g in found.items():
        assert np.allclose(to_numpy(g), expected, rtol=1e-4, atol=1e-5), way


@pytest.mark.only("torch", "jax")
def test_derivative_of_a_zero_group_is_zero(library):
    for function in (lambda x: l1.group_value(x, axis=0), lambda x: l1.prox_group(x, 1.0, axis=0)):
        _, found = gradients(library, function, [0.0, -0.0])
        for g in found.values():
            assert to_numpy(g).tolist() == [0, 0]


@pytest.mark.only("torch", "jax")
def test_huber_derives_to_its_gradient(library):
    x = library.asarray([*KINKS[:-1], inf, -inf], "float32")
    expected = to_numpy(l1.huber_gradient(x, 1.0))
    assert expected.tolist() == [-1, -1, -0.5, 0, 0, 0.5, 1, 1, 1, -1]
    if library.name == "jax":
        import jax

        assert np.array_equal(jax.grad(lambda x: l1.huber(x, 1.0))(x), expected)
        curvature = np.diag(jax.hessian(lambda x: l1.huber(x, 1.0))(x))
    else:
        import torch

        leaf = x.clone().requires_grad_()
        (g,) = torch.autograd.grad(l1.huber(leaf, 1.0), leaf, create_graph=True)
        assert np.array_equal(to_numpy(g), expected)
        (second,) = torch.autograd.grad(g.sum(), leaf)
        curvature = to_numpy(second)
    assert curvature.tolist() == [0, 1, 1, 1, 1, 1, 1, 0, 0, 0]


WITH_MEANS = {
    "mean of norms": lambda x: l1.group_value(x, axis=-1, reduce="mean"),
    "subgradient of the mean of norms": lambda x: l1.group_subgradient(x, axis=-1, reduce="mean"),
}


@pytest.mark.only("dask")
@pytest.mark.parametrize("name", OPERATORS | SCALARS | WITH_MEANS)
class TestDaskChunks:
    @pytest.mark.parametrize("chunks", [3, (3, -1), (-1, 1)])
    @pytest.mark.parametrize(
        "rows", [range(8), [0, 3, 4, 7], [6]]
    )  # of which some leave a chunk without a row
    def test_unknown_lengths(self, library, name, chunks, rows):
        import dask.array as da

        function = (OPERATORS | SCALARS | WITH_MEANS)[name]
        values = data((8, 6))
        some = np.isin(np.arange(8), rows)
        x = da.from_array(values, chunks=chunks)
        found = function(x[da.from_array(some, chunks=3)]).compute()
        assert np.allclose(found, function(values[some]), rtol=1e-6, atol=0)

    @pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
    def test_empty(self, library, name, shape):
        if shape[0] == 0 and name in WITH_MEANS:
            pytest.skip("the mean of no groups is refused")
        import dask.array as da

        function = (OPERATORS | SCALARS | WITH_MEANS)[name]
        found = function(da.zeros(shape, chunks=(1, 2), dtype="float32")).compute()
        np.testing.assert_array_equal(found, function(np.zeros(shape, np.float32)))


@pytest.mark.only("dask")
def test_dask_strengths_and_vectors_of_odd_chunks(library):
    import dask.array as da

    values = data((8, 6))
    x = da.from_array(values, chunks=(2, -1))
    rows = [1, 6]
    some = da.from_array(np.isin(np.arange(8), rows), chunks=2)
    assert l1.strength_max(x[some]).compute() == abs(values[rows]).max()
    w = np.linspace(1, 2, 8, dtype=np.float32)[:, None]
    found = l1.project(x[some], 1.0, axis=1, weights=da.from_array(w, chunks=(2, 1))[some]).compute()
    np.testing.assert_array_equal(found, l1.project(values[rows], 1.0, axis=1, weights=w[rows]))
    empty = da.zeros((0, 3), chunks=(1, 2), dtype="float32")
    for operator in (l1.project, l1.prox_max):
        assert operator(empty, 1.0).compute().shape == (0, 3)
        with pytest.raises(ValueError, match=r"`x` must have known lengths .* compute_chunk_sizes\(\)"):
            operator(x[x[:, 0] > 0], 1.0)


@pytest.mark.only("dask")
def test_dask_stays_lazy(library):
    import dask.array as da
    from dask.delayed import delayed

    def fail():
        raise AssertionError("computed before the user did")

    x = da.from_delayed(delayed(fail)(), shape=(30, 4), dtype="float32")
    for function in (OPERATORS | SCALARS).values():
        function(x)
    l1.strength_max([x, x])
    l1.project([x, x], 1.0)
    assert library.name == "dask"


@pytest.mark.only("dask")
def test_dask_names_tasks_without_the_data(library, unpicklable):
    for function in (OPERATORS | SCALARS).values():
        function(unpicklable)
    l1.strength_max(unpicklable, weights=2.0)
    assert library.name == "dask"
