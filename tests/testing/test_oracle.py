"""The distance in units of the last place."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l1_any.testing import ulps

DTYPES = {"float16": np.float16, "float32": np.float32, "float64": np.float64}


def test_distance_in_units_of_the_exact_value():
    one = np.float32(1)
    above, below = np.nextafter(one, np.float32([2, 0]))
    assert ulps(float(above), 1.0, "float32") == 1
    assert ulps(float(below), 1.0, "float32") == 0.5
    assert ulps(float(above), float(below), "float32") == 3
    assert ulps(float(below), float(above), "float32") == 1.5
    assert ulps(-0.0, 0.0, "float32") == 0
    assert ulps(float(np.float32(1e-45)), float(np.float32(-1e-45)), "float32") == 2
    assert ulps(float(np.float32(1e-45)), 0.0, "float32") == 1
    assert ulps(math.nextafter(1, 2), 1.0, "float64") == 1
    assert ulps(5e-324, 0.0, "float64") == 1
    assert ulps([1.0, 2.5], [1.0, 2.0], "bfloat16") == 32


def test_units_are_those_of_the_dtype():
    assert ulps(1.0, Fraction(1), "float32") == 0
    assert ulps(1 + 2**-22, Fraction(1), "float32") == 2
    assert ulps(1 + 2**-22, Fraction(1), "float64") == 2**30
    assert ulps(np.float32(1), Fraction(1), np.dtype(np.float32)) == 0


def test_infinities_and_nan():
    assert ulps(math.nan, math.nan, "float32") == 0
    assert ulps(math.inf, math.inf, "float32") == 0
    assert ulps(math.inf, 1.0, "float32") == math.inf
    assert ulps(math.nan, 1.0, "float32") == math.inf
    assert ulps(1.0, math.nan, "float32") == math.inf
    assert ulps(-math.inf, math.inf, "float32") == math.inf
    assert ulps([1.0, math.inf], [Fraction(1), math.inf], "float32") == 0
    assert ulps([math.nan, 1.0], [math.nan, -math.inf], "bfloat16") == math.inf


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_largest_number_has_a_unit(dtype):
    largest = np.finfo(dtype).max
    below = float(np.nextafter(largest, DTYPES[dtype](0)))
    assert ulps(below, float(largest), dtype) == 1
    assert ulps(math.inf, float(largest), dtype) == math.inf
    assert ulps(float(largest) / 2, float(largest), dtype) > 1000


@given(st.sampled_from(sorted(DTYPES)), st.floats(-60000, 60000, width=16))
def test_a_neighbour_is_one_unit_away(dtype, value):
    number = DTYPES[dtype](value)
    further = np.nextafter(number, DTYPES[dtype](math.copysign(math.inf, value)))
    assert ulps(float(further), float(number), dtype) == 1


def test_exact_values_are_rounded_once():
    assert ulps(2.0**24, Fraction(2**24 + 1) - Fraction(1, 2**40), "float32") == 0
    assert ulps(2.0**24 + 2, Fraction(2**24 + 1) + Fraction(1, 2**40), "float32") == 0
    assert ulps(-(2.0**24), Fraction(-(2**24) - 1), "float32") == 0
    assert ulps(0.1, [0.1], "float64") == 0
    assert ulps(np.float32(0.1), [0.1], "float32") == 0


def test_the_worst_of_many():
    assert ulps([[1.0, 3.0], [2.0, 8.0]], [1.0, 3.0, 2.0 + 2**-22, 8.0], "float32") == 1
    assert ulps([], [], "float32") == 0
    with pytest.raises(ValueError, match="as many elements, got 1 and 2"):
        ulps([1.0], [1.0, 2.0], "float32")
    with pytest.raises(TypeError, match=r"`dtype` must be one of float16, .*, got int32"):
        ulps([1.0], [1.0], "int32")
