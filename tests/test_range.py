"""Results that their dtype can hold, from sums and lengths that it cannot."""

import math

import numpy as np
import pytest
from operators import largest_of

import l1_any as l1
from l1_any.testing import kernels, to_numpy

inf = math.inf


class TestWeightedSum:
    """A sum times a small weight, whose sum without it overflows."""

    @staticmethod
    def cases(library):
        dtype, big = largest_of(library)
        x = library.asarray([[big, -big, big / 2], [1.0, 0.0, -2.0]], dtype)
        return x, big, (0.1 * 2.5 * big, [0.1 * 2.5 * big, 0.3])

    def test_is_finite(self, library):
        x, big, (total, rows) = self.cases(library)
        mask = library.bool([[True, True, False], [True, True, True]])
        near = {"rtol": 1e-6, "atol": 0}
        soft = l1.SoftL1Regularizer(1.0, weights=0.1)
        unit = library.asarray(1.0, "float32")
        for found in (
            l1.value(x, weights=0.1),
            l1.value_and_subgradient(x, weights=0.1)[0],
            l1.huber(x, 1.0, weights=0.1),
            l1.huber(x, unit, weights=0.1),
            l1.L1Regularizer(weights=0.1).compute(None, x)[0],
            soft.compute(None, x)[0],
            soft.compute(None, x)[1]["l1_raw"],
            l1.value([x, x], weights=[0.1, 0.1]) / 2,
            l1.group_value(x, axis=1, weights=0.1) / 1.5 * 2.5,
        ):
            assert np.allclose(to_numpy(found), total, **near), found
        assert np.allclose(to_numpy(l1.value(x, axis=1, weights=0.1)), rows, **near)
        kept = l1.value(x, axis=-1, keepdims=True, weights=0.1)
        assert np.allclose(to_numpy(kept), np.reshape(rows, (2, 1)), **near)
        assert np.allclose(to_numpy(l1.value(x, weights=0.1, where=mask)), 0.2 * big, **near)
        assert np.isinf(to_numpy(l1.value(x, weights=2.0)))
        assert np.allclose(to_numpy(l1.value(x[:0, ...], axis=0, weights=0.1)), 0)

    @pytest.mark.only("jax", "torch")
    def test_under_transformations(self, library):
        x, _, (total, rows) = self.cases(library)
        signs = np.asarray([[0.1, -0.1, 0.1], [0.1, 0, -0.1]])

        def value(x):
            return l1.value(x, weights=0.1)

        if library.name == "jax":
            import jax

            found = [jax.jit(value)(x), jax.vmap(value)(x), jax.jit(jax.grad(value))(x)]
        else:
            import torch

            compiled = torch.compile(value, backend="eager", fullgraph=True)
            found = [compiled(x), torch.vmap(value)(x), torch.func.grad(value)(x)]
        for each, expected in zip(found, (total, rows, signs), strict=True):
            assert np.allclose(to_numpy(each), expected, rtol=1e-6, atol=0)


class TestModulusBeyondTheRange:
    """Finite parts of a complex number, and finite numbers of a group, whose length overflows."""

    def test_operators(self, library):
        dtype, _ = largest_of(library)
        name = {"float32": "complex64", "float64": "complex128"}[dtype]
        if name not in library.dtypes:
            pytest.skip("the library has no complex numbers")
        big = float(np.finfo(dtype).max) / 1.2
        small = np.asarray([[1 + 1j, 1 - 0.5j, 0.25j]])
        z = library.asarray((small * big).astype(name), name)
        # The operators have the scale of their arguments: compare with numbers a million times smaller.
        unit = library.asarray(small * 1e-3, "complex128" if "complex128" in library.dtypes else name)
        for f in (
            l1.prox,
            lambda x, t: l1.prox_elastic_net(x, t, l1_ratio=1.0),
            lambda x, t: l1.project(x, t, axis=-1),
            l1.project,
            lambda x, t: l1.project(x, t, weights=library.asarray([[1.0, 2.0, 0.0]], dtype)),
            lambda x, t: l1.prox_max(x, t, axis=1),
            lambda x, t: l1.prox_group(x, t, axis=1),
        ):
            for t in (0.25, 0.75):
                found = to_numpy(f(z, t * big)) / big
                assert np.allclose(found, to_numpy(f(unit, t * 1e-3)) * 1e3, rtol=1e-5, atol=1e-7), found
        s = to_numpy(l1.group_subgradient(z, axis=1))
        assert np.allclose(s, small / np.linalg.norm(small), rtol=1e-5)
        found = to_numpy(l1.group_value(z, axis=1, weights=0.1)) / big
        assert np.allclose(found, 0.1 * np.linalg.norm(small), rtol=1e-5)

    @pytest.mark.parametrize("fused", [False, True])
    def test_groups(self, library, fused):
        dtype, big = largest_of(library)
        x = library.asarray([[big, -big, big], [3.0, 4.0, 0.0], [inf, 1.0, 2.0]], dtype)
        share = 1 - 0.5 / math.sqrt(3)
        with kernels(enabled=fused, smallest=0 if fused else None):
            for found in (l1.prox_group(x, 0.5 * big, axis=1), l1.prox_group([x], 0.5 * big, axis=1)[0]):
                p = to_numpy(found)
                assert np.allclose(p[0] / big, [share, -share, share], rtol=1e-6)
                assert not p[1].any()
                assert p[2].tolist() == [inf, 1, 2]
            value = to_numpy(l1.group_value(x[:2, ...], axis=1, weights=0.1)) / big
        assert np.allclose(value, 0.1 * math.sqrt(3), rtol=1e-6)
