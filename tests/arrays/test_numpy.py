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
    x = np.asarray([1.0, -2.0], ">f4")
    assert l1.value(x) == 3
    assert l1.subgradient(x).tolist() == [1, -1]
