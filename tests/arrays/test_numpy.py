"""What NumPy alone has: scalars, read-only arrays, byte orders, the dtypes of ml_dtypes."""

import math

import numpy as np
import pytest

import l1_any as l1


@pytest.mark.only("numpy")
def test_read_only_and_scalars(library):
    x = np.broadcast_to(np.float32(2), (600_000,))
    assert not x.flags.writeable
    v, s = l1.value_and_subgradient(x)
    assert isinstance(v, np.ndarray)
    assert v == 1_200_000
    assert s.flags.writeable
    assert isinstance(l1.value(np.float64(-2)), np.ndarray)
    assert isinstance(l1.subgradient(np.float64(-2)), np.ndarray)


@pytest.mark.only("numpy")
def test_bfloat16_of_ml_dtypes(library):
    import ml_dtypes

    x = np.full(600_000, -0.1, ml_dtypes.bfloat16)
    v, s = l1.value_and_subgradient(x, weights=0.5)
    assert v == np.float32(math.fsum(abs(e) / 2 for e in x.tolist()))
    assert v.dtype == np.float32
    assert s.dtype == x.dtype
    assert set(s.tolist()) == {-0.5}


@pytest.mark.only("numpy")
def test_foreign_byte_order(library):
    x = np.asarray([[1.0, -2.0]], ">f4")
    assert l1.value(x) == 3
    assert l1.subgradient(x).tolist() == [[1, -1]]
    for result in (
        l1.subgradient(x, reduce="mean", where=x > 0),
        l1.value_and_subgradient(x)[1],
        l1.huber_gradient(x, 0.5),
        l1.prox(x, 0.5),
        l1.prox(x, 0.5, where=x > 0, nonnegative=True),
        l1.prox_elastic_net(x, 0.5, l1_ratio=0.5),
        l1.project(x, 1.0, axis=1),
        l1.project(x, 9.0),
        l1.prox_max(x, 1.0),
        l1.prox_group(x, 0.5, axis=1),
        l1.group_subgradient(x, axis=1),
    ):
        assert result.dtype == x.dtype
