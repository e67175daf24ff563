"""The distance to optimality and the largest useful strength."""

import math

import numpy as np
from operators import data

import l1_any as l1
from l1_any.testing import to_numpy


def test_optimality_in_blocks_is_the_whole(library):
    """Also where the result has another dtype than what it is made of."""
    x = data((300, 2000))
    x[250:], x[7, 7] = 0, math.nan
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


def test_nan_beneath_a_mask_does_not_leak(library):
    x, g = library.asarray([math.nan, 2.0, 0.0], "float32"), library.asarray([math.nan, -1.0, 3.0], "float32")
    mask = library.bool([False, True, True])
    w = library.asarray([math.nan, 1.0, 1.0], "float32")
    assert to_numpy(l1.subdiff_distance(x, g, 1.0, where=mask, weights=w)).tolist() == [0, 0, 2]
