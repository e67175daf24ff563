"""The kernels of GPUs as the functions on the face reach them."""

import importlib

import numpy as np
import pytest
from kernel_laws import Place
from operation_laws import LAWS

import l1_any as l1
from l1_any._arrays.lookup import known
from l1_any._kernels import table
from l1_any.testing import kernels, to_numpy, ulps

pytestmark = pytest.mark.gpu


@pytest.mark.only("torch")
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("axis", [None, (0,), (2,), (0, 2)])
def test_fused_sums(library, dtype, axis):
    x = library.asarray(np.random.default_rng(0).standard_normal((60, 70, 80)), dtype)
    x[0, 0, :3] = library.asarray([0.0, -0.0, 1e-45], dtype)
    mask = library.bool(to_numpy(x[:, :, :1]) > 0)
    for view in (x, x.mT, x[::2, 1:, ::3], x[:0], x[0, 0, 0]):
        axes = axis if view.ndim == 3 else None
        ops = known(view)
        with kernels(smallest=0):
            assert table.find("sum_of_magnitudes", ops.at(ops.around(), view), 0)
        terms = np.abs(to_numpy(view).astype(float))
        for keepdims in (False, True):
            v = l1.value(view, axis=axes, keepdims=keepdims)
            assert v.shape == terms.sum(axis=axes, keepdims=keepdims).shape
            assert ulps(to_numpy(v), terms.sum(axis=axes), "float32") <= 1
    chosen = np.where(to_numpy(mask), np.abs(to_numpy(x).astype(float)), 0)
    x[~mask.broadcast_to(x.shape)] = float("nan")
    assert ulps(to_numpy(l1.value(x, axis=axis, where=mask)), chosen.sum(axis=axis), "float32") <= 1
    assert library.xp.any(library.xp.isnan(l1.value(x, axis=axis)))
    parts = [x[:20], {"rest": x[20:]}]
    split = l1.value(parts, where=[mask[:20], {"rest": mask[20:]}])
    assert ulps(to_numpy(split), chosen.sum(), "float32") <= 1


@pytest.mark.only("torch")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_soft_thresholds_have_the_bits_of_the_formula(library, dtype):
    import torch

    x = torch.randn(1_000_003, device="cuda", dtype=getattr(torch, dtype))
    x[:8] = torch.tensor([0.0, -0.0, 0.5, -0.5, 1e-45, -1e-45, float("inf"), -float("inf")])
    x[8] = float("nan")
    for view in (x, x[1:], x[::3]):
        for step in (0.0, 1e-45, 0.5, 1e300):
            t = min(step, torch.finfo(x.dtype).max)
            p = l1.prox(view, step)
            expected = view - view.clamp(-t, t)
            assert ((p == expected) | (torch.isnan(p) & torch.isnan(view))).all()
            assert not (torch.signbit(p) & (p == 0)).any()


DTYPES = {"torch": ["float16", "bfloat16", "float32", "float64"], "cupy": ["float16", "float32", "float64"]}
MODULES = {"torch": "l1_any._kernels.cuda_triton", "cupy": "l1_any._kernels.cuda_cupy"}


@pytest.mark.only("torch", "cupy")
@pytest.mark.parametrize("n", [600, 30_000])
@pytest.mark.parametrize("operation", LAWS)
def test_kernels_keep_their_laws(library, operation, n):
    """The laws of the interpreter's session, where the kernels are made for."""
    kernel = getattr(importlib.import_module(MODULES[library.name]), operation)
    for dtype in DTYPES[library.name]:
        LAWS[operation](kernel, Place(library.xp, library.device, dtype), n)


@pytest.fixture(params=[(2_000_003,), (3, 700_001), (700_001, 3), (1500, 40, 50)], ids=str)
def data(request, library):
    """Values with NaN under a mask of the last axes, their mask and weights; and the same in NumPy."""
    rng = np.random.default_rng(0)
    shape = request.param
    mask = rng.random(shape[1:] or shape) < 0.7
    values = np.where(mask, rng.standard_normal(shape), np.nan).astype("float32")
    weights = rng.random(shape[-1:]).astype("float32")
    held = np.where(mask, values, 0).astype(float)
    return (library.asarray(values), library.bool(mask), library.asarray(weights)), (
        held,
        weights.astype(float),
    )


@pytest.mark.only("torch", "cupy")
def test_sums_of_public_functions(library, data):
    (x, where, weights), (held, w) = data
    delta = 0.3
    inside = np.abs(held) <= delta
    hubers = np.where(inside, held * held / (2 * delta), np.abs(held) - delta / 2)
    for axis in (None, -1, 0):
        exact = np.sum(np.abs(held), axis=axis)
        assert ulps(to_numpy(l1.value(x, axis=axis, where=where)), exact, "float32") <= 1
        exact = np.sum(np.abs(held) * w, axis=axis)
        assert ulps(to_numpy(l1.value(x, axis=axis, where=where, weights=weights)), exact, "float32") <= 1
        exact = np.sum(hubers, axis=axis)
        assert ulps(to_numpy(l1.huber(x, delta, axis=axis, where=where)), exact, "float32") <= 1
        first, again = (to_numpy(l1.value(x, axis=axis, where=where)) for _ in range(2))
        assert first.tobytes() == again.tobytes()


@pytest.mark.only("torch", "cupy")
def test_elements_of_public_functions(library, data):
    (x, where, weights), (held, _) = data
    signs = np.sign(held).astype("float32")
    assert np.array_equal(to_numpy(l1.subgradient(x, where=where)), signs)
    value, s = l1.value_and_subgradient(x, where=where, weights=0.5)
    assert np.array_equal(to_numpy(s), signs * np.float32(0.5))
    assert ulps(to_numpy(value), np.sum(np.abs(held)) / 2, "float32") <= 1
    slopes = np.where(np.abs(held) <= 0.3, held / 0.3, np.sign(held)).astype("float32")
    # By a number, torch multiplies with the reciprocal; the formula may then round to a neighbour.
    assert ulps(to_numpy(l1.huber_gradient(x, 0.3, where=where)), slopes, "float32") <= 1
    p = to_numpy(l1.prox(x, 0.3, where=where, weights=weights))
    single, t = held.astype("float32"), to_numpy(weights) * np.float32(0.3)
    expected = np.where(np.abs(single) <= t, np.float32(0), single - np.sign(single) * t)
    kept = np.broadcast_to(to_numpy(where), held.shape)
    assert np.array_equal(p[kept], expected[kept])
    assert np.all(np.isnan(p[~kept]))


@pytest.mark.only("torch")
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_gradients_of_public_functions(library, dtype):
    import torch

    x = torch.randn(1_000_003, device="cuda", dtype=getattr(torch, dtype), requires_grad=True)
    with torch.no_grad():
        x[:3] = torch.tensor([0.0, -0.0, float("nan")])
    (l1.value(x) * 0.25).backward()
    expected = np.sign(to_numpy(x.detach())) * 0.25
    assert np.array_equal(to_numpy(x.grad), expected, equal_nan=True)
    assert x.grad.dtype == x.dtype
