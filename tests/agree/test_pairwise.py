"""Every library and mode gives what every other gives, on the dtypes that both have."""

import functools
import math

import numpy as np
import pytest

import l1_any as l1
from l1_any.testing import DOUBLE, to_numpy, ulps

RNG = np.random.default_rng(0)
LOGPROBS = np.log(RNG.dirichlet(np.full(50, 0.1), size=40) + 1e-30)
MASK = RNG.random(LOGPROBS.shape) < 0.5
SPECIAL = np.asarray([[0.0, -0.0, 2.5, -1.5], [math.inf, -3.0, 0.0, 1.0], [math.nan, 1.0, -math.inf, 0.5]])
ROUNDING = {
    "float16": 2**-10,
    "bfloat16": 2**-7,
    "float32": 2**-23,
    "float64": 2**-52,
    "complex64": 2**-21,
    "complex128": 2**-50,
}
CASES = {
    "sum": (LOGPROBS, {}),
    "mean": (LOGPROBS, {"reduce": "mean"}),
    "masked": (np.where(MASK, LOGPROBS, -math.inf), {"where": MASK, "reduce": "mean"}),
    "weighted": (LOGPROBS, {"weights": 0.3}),
    "along an axis": (LOGPROBS, {"axis": -1, "reduce": "mean"}),
    "special values": (SPECIAL, {"axis": -1}),
    "equal values": (np.full(300_000, 0.1), {}),
}


@functools.cache
def results(library, dtype, case):
    """The value and the subgradient, in NumPy."""
    data, options = CASES[case]
    if "where" in options:
        options = options | {"where": library.bool(options["where"])}
    with library.backend.mode(library.variant):
        total, s = l1.value_and_subgradient(library.asarray(data, dtype), **options)
        return to_numpy(total), to_numpy(s)


@pytest.mark.parametrize("case", CASES)
def test_two_libraries_agree(pair, case):
    one, other = pair
    shared = [dtype for dtype in one.dtypes if dtype in other.dtypes]
    assert shared
    for dtype in shared:
        (total, s), (other_total, other_s) = results(one, dtype, case), results(other, dtype, case)
        exact = one.variant.accumulator == other.variant.accumulator == "float64" and dtype not in DOUBLE
        bound = 0 if exact else 8
        assert ulps(total, other_total, "float64" if dtype in DOUBLE else "float32") <= bound
        np.testing.assert_allclose(s, other_s, rtol=ROUNDING[dtype], atol=0)
