"""The laws of lists, counts and groups hold for the formulas, and wrong kernels break them."""

import functools
import math

import array_api_compat.numpy as xp
import cpu_laws
import numpy as np
import pytest
from kernel_laws import Place

from l1_any._formulas import groups, huber, norms, penalty, proximal, sums

pytestmark = pytest.mark.only("numpy")
MAGNITUDE = penalty.MAGNITUDE
SQUARED_SIGNS = functools.partial(norms.squared, norms.signs, MAGNITUDE)


def total(terms, x, where, ops):
    axes = tuple(range(x.ndim))
    return float(sums.total_of(terms, x, where, None, axes=axes, keepdims=False, ops=ops))


def sums_of(terms, leaves, *, masks=True, factors=True, count=None):
    return math.fsum(
        total(terms, leaf.x, leaf.where if masks else None, leaf.ops)
        * (1.0 if leaf.factor is None or not factors else leaf.factor)
        for leaf in leaves[:count]
    )


def squared_signs(x, where, weights, *, axes, keepdims, ops, terms=SQUARED_SIGNS):
    def own(x, where, weights, *, ops):
        return terms(x, where, weights, ops=ops)

    with np.errstate(invalid="ignore"):
        return sums.total_of(own, x, where, weights, axes=axes, keepdims=keepdims, ops=ops)


def once(x, where, weights, *, ops):
    """The weights are not squared."""
    squares = SQUARED_SIGNS(x, where, None, ops=ops)
    return penalty.weighted(squares, where, weights, ops=ops)


def without_nan(x, where, weights, *, ops):
    return SQUARED_SIGNS(np.nan_to_num(x, nan=1.0), where, weights, ops=ops)


def signs(leaves, scales, *, ops, masks=True):
    out = []
    for leaf, scale in zip(leaves, scales, strict=True):
        with np.errstate(all="ignore"):
            s = MAGNITUDE.derivative(leaf.x, leaf.where if masks else None, None, scale, None, ops=ops)
        out.append(ops.as_array(s))
    return out


def thresholds(arrays, step, *, ops, times=1):
    for x in arrays:
        for _ in range(times):
            x[...] = proximal.prox(x, None, None, step, nonnegative=False, ops=ops)
    return arrays


def along_last(kernel):
    """A kernel of groups takes those along the last axes alone."""

    def own(x, *args, axes, ops):
        if max(axes) != x.ndim - 1 or not x.flags.c_contiguous:
            return None
        with np.errstate(all="ignore"):
            return kernel(x, *args, axes=axes, ops=ops)

    return own


def naive_norms(x, *, axes, ops):
    return np.sqrt(np.sum(np.square(x.astype(float)), axis=axes, keepdims=True))


def shrunk_groups(x, step, *, axes, ops):
    return groups.prox(x, None, None, step, axes=axes, ops=ops)


def shrunk(x, step, *, axes, ops):
    """Groups that become zero keep the signs of their zeros."""
    return np.where(
        groups.norms(x, axes=axes, ops=ops) <= step,
        x * 0,
        groups.prox(x, None, None, step, axes=axes, ops=ops),
    )


def overwritten(x, step, *, axes, ops):
    x[...] = groups.prox(x, None, None, step, axes=axes, ops=ops)
    return x.copy()


RIGHT = {
    "sums_of_magnitudes": lambda leaves, *, ops: sums_of(penalty.terms, leaves),
    "sums_of_huber": lambda leaves, delta, *, ops: sums_of(huber.Huber(delta).terms, leaves),
    "signs_of_each": signs,
    "soft_thresholds": thresholds,
    "sum_of_squared_signs": squared_signs,
    "group_norms": along_last(groups.norms),
    "shrink_groups": along_last(shrunk_groups),
}
WRONG = [
    ("sums_of_magnitudes", lambda leaves, *, ops: sums_of(penalty.terms, leaves, masks=False)),
    ("sums_of_magnitudes", lambda leaves, *, ops: sums_of(penalty.terms, leaves, factors=False)),
    ("sums_of_magnitudes", lambda leaves, *, ops: sums_of(penalty.terms, leaves, count=-1)),
    ("sums_of_huber", lambda leaves, delta, *, ops: sums_of(huber.Huber(1.0).terms, leaves)),
    ("sums_of_huber", lambda leaves, delta, *, ops: sums_of(penalty.terms, leaves)),
    ("signs_of_each", lambda leaves, scales, *, ops: signs(leaves, [scales[0]] * len(scales), ops=ops)),
    ("signs_of_each", lambda leaves, scales, *, ops: signs(leaves, scales, ops=ops, masks=False)),
    ("soft_thresholds", lambda arrays, step, *, ops: thresholds([x.copy() for x in arrays], step, ops=ops)),
    ("soft_thresholds", lambda arrays, step, *, ops: thresholds(arrays, step, ops=ops, times=2)),
    ("soft_thresholds", lambda arrays, step, *, ops: thresholds(arrays[:-1], step, ops=ops)),
    ("sum_of_squared_signs", lambda *args, **o: squared_signs(*args, **o, terms=once)),
    ("sum_of_squared_signs", lambda *args, **o: squared_signs(*args, **o, terms=without_nan)),
    ("group_norms", along_last(naive_norms)),
    ("group_norms", along_last(lambda x, *, axes, ops: groups.norms(x, axes=axes, ops=ops)[..., 0])),
    ("shrink_groups", along_last(shrunk)),
    ("shrink_groups", along_last(overwritten)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("operation", RIGHT)
def test_formulas_keep_the_laws(library, operation, dtype):
    cpu_laws.LAWS[operation](RIGHT[operation], Place(xp, "cpu", dtype), 1200)


@pytest.mark.parametrize(("operation", "wrong"), WRONG)
def test_wrong_kernels_are_found(library, operation, wrong):
    with pytest.raises((AssertionError, ValueError)):
        cpu_laws.LAWS[operation](wrong, Place(xp, "cpu", "float64"), 1200)


def test_every_law_finds_a_wrong_kernel():
    assert {operation for operation, _ in WRONG} == set(cpu_laws.LAWS) == set(RIGHT)
