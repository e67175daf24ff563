import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l1_any.testing.exact_sum import absolute_sum, round_to

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_float64_sum_has_no_rounding(values):
    x = np.array(values, np.float64)
    result = absolute_sum(x)
    assert result.total == sum(map(Fraction, np.abs(x).tolist()))
    assert result.size == len(values)
    assert result.nonzero == np.count_nonzero(x)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_float32_sum_has_no_rounding(values):
    assert absolute_sum(np.array(values, np.float32)).total == sum(abs(Fraction(value)) for value in values)


def test_exponents_far_apart():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal(1000) * 2.0 ** rng.integers(-900, 900, 1000), [0.0, 5e-324]])
    total = absolute_sum(x).total
    assert total == sum(Fraction(abs(v)) for v in x.tolist())
    assert float(total) == math.fsum(map(abs, x))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_many_blocks_in_any_memory_order(dtype):
    x = np.random.default_rng(0).standard_normal((700, 1001)).astype(dtype)
    expected = math.fsum(np.abs(x.astype(np.float64)).ravel().tolist())
    for view in (x, x.T, x[::-1, ::-1], np.asfortranarray(x)):
        result = absolute_sum(view)
        assert float(result.total) == expected
        assert result.rounded("mean") == round_to(result.total / x.size, result.dtype)


def test_sliced_and_without_dimensions():
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert absolute_sum(x[:, 1::2]).total == 1 + 3 + 5 + 7 + 9 + 11
    assert absolute_sum(np.float32(-2.5)[()].reshape(())).total == Fraction(5, 2)
    assert absolute_sum(x[:0]).total == 0
    assert math.isnan(absolute_sum(x[:0]).rounded("mean"))


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_complex_sum_is_that_of_the_moduli(dtype):
    x = np.array([3 + 4j, -5 + 12j, 0, -8j], dtype)
    assert absolute_sum(x).rounded("sum") == 5 + 13 + 8


def test_infinities_and_nan():
    assert absolute_sum(np.array([1, -np.inf, 2])).rounded("sum") == math.inf
    assert math.isnan(absolute_sum(np.array([1, -np.inf, np.nan])).rounded("sum"))


def test_overflow_and_subnormals():
    assert absolute_sum(np.full(4, 3e38, np.float32)).rounded("sum") == math.inf
    assert absolute_sum(np.full(4, 3e38, np.float32)).rounded("mean") == np.float32(3e38)
    tiny = absolute_sum(np.array([1e-45, 1e-40, 1], np.float32))
    assert (tiny.nonzero, tiny.subnormal) == (3, 2)


@given(st.fractions(min_value=0, max_value=Fraction(2) ** 1100, max_denominator=10**6))
def test_rounding_to_double_is_that_of_python(value):
    try:
        expected = float(value)
    except OverflowError:
        expected = math.inf
    assert round_to(value, DOUBLE) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Fraction(2**24 + 1), 2.0**24),
        (Fraction(2**24 + 3), 2.0**24 + 4),
        # through float64 this would be rounded twice, and up
        (Fraction(2**24 + 1) - Fraction(1, 2**40), 2.0**24),
        (Fraction(2**24 + 1) + Fraction(1, 2**40), 2.0**24 + 2),
        (Fraction(1, 2**149), 2.0**-149),
        (Fraction(1, 2**150), 0.0),
        (Fraction(3, 2**150), 2.0**-148),
        (Fraction(2**128 - 2**103), math.inf),
        (Fraction(2**128 - 2**103 - 1), float(np.finfo(np.float32).max)),
    ],
)
def test_rounding_to_single(value, expected):
    assert round_to(value, SINGLE) == expected
