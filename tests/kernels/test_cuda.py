"""The kernels of GPUs as the functions on the face reach them."""

import numpy as np
import pytest

import l1_any as l1
from l1_any._arrays.lookup import known
from l1_any._kernels import table
from l1_any.testing import to_numpy, ulps

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
        assert table.find("sum_of_magnitudes", ops.at(ops.around(), view))
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
