"""The laws of kernels, as checks of any function in the place of one: wrong kernels must fail them.

A law takes a kernel, and a `place`: a library's namespace, a device, and a dtype. A kernel has the arguments that
the table says, of arrays that are plain.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from l1_any._arrays.lookup import known
from l1_any._arrays.state import State
from l1_any._formulas import penalty, proximal, sums
from l1_any.testing import DOUBLE, exact_value, result_dtype, to_numpy, ulps

inf, nan = math.inf, math.nan
STEPS = [0.0, 5e-324, 1e-310, 1e-45, 1e-40, 2.0**-126, 0.3, 1.0, 1e30]
VIEWS = {
    "whole": lambda x: x,
    "from 1": lambda x: x[1:],
    "from 3": lambda x: x[3:],
    "every second": lambda x: x[::2],
    "every third from 2": lambda x: x[2::3],
    "one": lambda x: x[:1],
    "seven": lambda x: x[:7],
    "none": lambda x: x[:0],
}


class Place(NamedTuple):
    """Where a kernel runs."""

    xp: object
    device: str
    dtype: str

    def asarray(self, values, dtype=None):
        return self.xp.asarray(
            np.array(values), dtype=getattr(self.xp, dtype or self.dtype), device=self.device
        )


def plain(x):
    """The operations for x in the plain state, the only one for which there are kernels."""
    ops = known(x)
    ops = ops.at(ops.around(), x)
    assert ops.state is State.PLAIN
    return ops


def special(dtype):
    """Both zeros, infinities, NaN, the least and largest numbers, subnormals, and a few others."""
    info = np.finfo(dtype)
    least, normal, largest = float(info.smallest_subnormal), float(info.smallest_normal), float(info.max)
    positive = [0.0, least, 3 * least, normal / 2, normal, 2 * normal, 0.3, 1.0, 1.5, largest, inf]
    return np.asarray([*positive, *(-v for v in positive), nan, -nan], dtype)


def same_bits(a, b):
    """Whether two NumPy arrays are the same to the bit; every NaN is the same."""
    unsigned = f"u{a.dtype.itemsize}"
    return bool(np.all((a.view(unsigned) == b.view(unsigned)) | (np.isnan(a) & np.isnan(b))))


def soft_threshold_is_the_formula(kernel, place, values, step, view=VIEWS["whole"]):
    """The same bits as the formula's, and as NumPy's: every zero is +0.0, NaN stays NaN; x is not written to."""
    whole = place.asarray(values)
    before = to_numpy(whole).tobytes()
    x = view(whole)
    step = min(step, float(np.finfo(place.dtype).max))  # as `_run` gives it to a kernel
    p = kernel(x, step)
    assert type(p) is type(x)
    assert (p.shape, p.dtype, p.device) == (x.shape, x.dtype, x.device)
    assert to_numpy(whole).tobytes() == before
    got, held, t = np.array(to_numpy(p)), to_numpy(x), np.dtype(place.dtype).type(step)
    formula = proximal.prox(x, None, None, step, nonnegative=False, ops=plain(x))
    with np.errstate(invalid="ignore"):
        exact = np.where(np.isinf(held), held, np.sign(held) * np.maximum(np.abs(held) - t, 0) + 0)
    assert same_bits(got, np.array(to_numpy(formula)))
    assert same_bits(got, exact.astype(got.dtype))


def soft_thresholds_are_the_formula(kernel, place, n):
    """The law above for special and other values, at every step, in every view."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal(n).astype(place.dtype)
    values[:24] = special(place.dtype)
    rng.shuffle(values)
    for step, view in itertools.product(STEPS, VIEWS.values()):
        soft_threshold_is_the_formula(kernel, place, values, step, view)
    if place.dtype == "float32":  # where the columns of a matrix are its rows in memory
        matrix = np.resize(values, (n // 24, 24))
        for step in STEPS:
            soft_threshold_is_the_formula(kernel, place, matrix, step, lambda x: x.T)
            soft_threshold_is_the_formula(kernel, place, matrix, step, lambda x: x[1::2, 1:])


def sums_are_exact(kernel, place, n):
    """Within the contract's error: equal terms, any view, mask, axes and values; nothing leaks from below a mask."""
    rng = np.random.default_rng(0)
    for values in (
        np.full(n, 0.1),
        rng.standard_normal(n),
        rng.standard_normal(n) * 1e4,
        special("float32")[:8],
    ):
        for view in VIEWS.values():
            x = view(place.asarray(values))
            _total_is_exact(kernel, place, x, None, (0,))
    matrix = place.asarray(rng.standard_normal((60, n // 60)))
    matrix[3, 5] = nan
    mask = place.asarray(np.arange(60)[:, None] != 3, "bool")
    for axes in ((0,), (1,), (0, 1)):
        for x in (matrix, matrix.T):
            _total_is_exact(kernel, place, x, mask if x is matrix else mask.T, axes)
            _total_is_exact(kernel, place, x, None, axes)
    for values in ([inf, 1.0], [nan, 1.0], [-inf, nan], [0.0, -0.0]):
        _total_is_exact(kernel, place, place.asarray(values), None, (0,))


def _total_is_exact(kernel, place, x, where, axes):
    ops, held = plain(x), to_numpy(x).astype(float)
    mask = None if where is None else np.broadcast_to(to_numpy(where), held.shape)
    for keepdims in (False, True):
        total = kernel(x, where, None, axes=axes, keepdims=keepdims, ops=ops)
        formula = sums.total_of(penalty.terms, x, where, None, axes=axes, keepdims=keepdims, ops=ops)
        assert (total.shape, total.dtype, total.device) == (formula.shape, ops.accumulator, formula.device)
        exact = exact_value(held, axis=axes, where=mask, keepdims=keepdims)
        dtype, most = result_dtype(place.dtype), 4 if place.dtype in DOUBLE else 1
        for each in (total, formula):
            assert np.all(ulps(to_numpy(ops.finished(each)), exact, dtype) <= most)


LAWS = {"soft_threshold": soft_thresholds_are_the_formula, "sum_of_magnitudes": sums_are_exact}
"""The law of each operation in the table of kernels."""
