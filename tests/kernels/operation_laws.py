"""The laws of the fused operations, as checks of any function in the place of a kernel: wrong kernels must fail them.

A law takes a kernel, and a `place` (`kernel_laws.Place`): a library's namespace, a device, and a dtype. The kernels of
an operation have the same arguments in every library. A kernel may return None for arrays that it does not take, but
must take contiguous arrays with a mask or weights of their shape or of the shape of their last axes, summed along all
axes or along the last ones.
"""

import itertools
import math

import numpy as np
from kernel_laws import plain
from operation_data import (
    PARTS,
    beside,
    cases,
    elementwise_cases,
    limits,
    placed,
    scales_for,
    shapes_for,
    special,
    views,
    with_special,
)

from l1_any._formulas import huber, penalty, proximal, sums
from l1_any.testing import DOUBLE, result_dtype, to_numpy, ulps

inf, nan = math.inf, math.nan
COMPLEX_ULPS = 4
"""By how many units in the last place a part of a complex sign may differ from the formula's."""
STEPS = [0.0, 1e-310, 1e-45, 1e-40, 2.0**-126, 0.3, 1.0, 1e30, 3.4028234663852886e38]
DELTAS = [1.0, 0.3, 1e-3, 2.0**-140, 1e30, 1e300]


def _held(x):
    return np.array(to_numpy(x))


# Comparisons.


def same_bits(got, expected, *, zeros="of the same sign"):
    """Whether NumPy arrays are the same to the bit; every NaN is the same. The zeros may be "of any sign"."""
    if (got.shape, got.dtype) != (expected.shape, expected.dtype):
        return False
    missing = np.isnan(expected)
    if not np.array_equal(np.isnan(got), missing):
        return False
    a, b = (np.asarray(v[~missing]) for v in (got, expected))
    if np.iscomplexobj(a):
        a, b = a.view(a.real.dtype), b.view(b.real.dtype)
    same_signs = zeros == "of any sign" or np.array_equal(np.signbit(a), np.signbit(b))
    return bool(np.array_equal(a, b) and same_signs)


def is_like(result, x):
    """Check the type, shape, dtype and device of an array with the shape of x."""
    assert type(result) is type(x)
    assert (result.shape, result.dtype, result.device) == (x.shape, x.dtype, x.device)


def exact_total(terms, axes, *, keepdims):
    """Sum terms, which have NumPy's widest dtype, along some axes, each sum rounded once to float64."""
    kept = [axis for axis in range(terms.ndim) if axis not in axes]
    shape = tuple(1 if axis in axes else n for axis, n in enumerate(terms.shape))
    rows = np.transpose(terms, (*kept, *axes)).reshape(
        math.prod(shape), math.prod(terms.shape[a] for a in axes)
    )
    heads = rows.astype(np.float64)
    with np.errstate(invalid="ignore"):
        tails = np.where(np.isfinite(heads), rows - heads, 0).astype(np.float64)
    out = np.asarray([_fsum(*pair) for pair in zip(heads.tolist(), tails.tolist(), strict=True)], np.float64)
    return out.reshape(shape if keepdims else [terms.shape[axis] for axis in kept])


def _fsum(head, tail):
    return math.fsum(head + tail) if all(map(math.isfinite, head)) else sum(head)


def weighted(terms, where, weights):
    """m·w·terms of NumPy arrays; 0 where the mask is false."""
    with np.errstate(invalid="ignore"):
        if weights is not None:
            terms = terms * weights
    return terms if where is None else np.where(where, terms, terms.dtype.type(0))


# One call, held to the formula and to an exact result.


def total_is_exact(call, formula, terms, x, *others, axes, must):
    """Check a sum: within the contract's error, the same bits when repeated, and x not written to.

    ``call(x, keepdims)`` and ``formula(x, keepdims)`` return sums. They must add up m·w·terms; the others are m and w.
    """
    ops, before = plain(x), to_numpy(x).tobytes()
    dtype = result_dtype(ops.dtype_name)
    most, found = 4 if ops.dtype_name in DOUBLE else 1, []
    exact = weighted(terms, *(None if a is None else to_numpy(a) for a in others))
    for keepdims in (False, True):
        total = call(x, keepdims)
        if total is None:
            assert not must, f"no kernel for {x.shape} along {axes}"
            continue
        if type(total) is float:  # so a kernel on a CPU gives the sum of all elements
            assert not keepdims
            total = ops.full((), total, ops.accumulator, x)
        total, expected = ops.as_array(total), ops.as_array(formula(x, keepdims))
        assert (total.shape, total.dtype, total.device) == (expected.shape, ops.accumulator, expected.device)
        assert type(total) is type(x)
        rounded = exact_total(exact, axes, keepdims=keepdims)
        for each in (total, expected):
            off = ulps(to_numpy(ops.finished(each)), rounded, dtype)
            assert off <= most, f"{off} ulp off along {axes} of {x.shape}"
        found.append(_held(total).ravel())
    assert not found or same_bits(*found), "other bits when repeated"
    assert to_numpy(x).tobytes() == before


def magnitudes_are_exact(kernel, x, where, weights, *, axes, must=True):
    """Check Σ m·w·|x| along some axes."""
    ops, held = plain(x), to_numpy(x)

    def formula(x, keepdims):
        return sums.total_of(penalty.terms, x, where, weights, axes=axes, keepdims=keepdims, ops=ops)

    wide = held.astype(np.clongdouble if np.iscomplexobj(held) else np.longdouble)
    with np.errstate(over="ignore"):
        terms = np.where(np.isnan(held), np.longdouble(nan), np.abs(wide))

    def call(x, keepdims):
        return kernel(x, where, weights, axes=axes, keepdims=keepdims, ops=ops)

    total_is_exact(call, formula, terms, x, where, weights, axes=axes, must=must)


def huber_is_exact(kernel, x, where, weights, *, delta, axes, must=True):
    """Check Σ m·w·h(x) along some axes."""
    ops, wide = plain(x), to_numpy(x).astype(np.longdouble)

    def formula(x, keepdims):
        terms = huber.Huber(delta).terms
        return sums.total_of(terms, x, where, weights, axes=axes, keepdims=keepdims, ops=ops)

    with np.errstate(all="ignore"):
        d = np.longdouble(delta)
        terms = np.where(np.abs(wide) <= d, wide * (wide / d / 2), np.abs(wide) - d / 2)

    def call(x, keepdims):
        return kernel(x, where, weights, delta, axes=axes, keepdims=keepdims, ops=ops)

    total_is_exact(call, formula, terms, x, where, weights, axes=axes, must=must)


def signs_are_the_formula(kernel, x, where, scale, *, must=True):
    """Check m·sign(x)·scale: the formula's bits, new memory, x not written to.

    With a number as the scale every zero is +0.0; with an array the zeros may have either sign.
    """
    ops, before = plain(x), to_numpy(x).tobytes()
    s = kernel(x, where, scale, ops=ops)
    if s is None:
        assert not must, f"no kernel for {x.shape}"
        return
    is_like(s, x)
    assert s is not x
    assert to_numpy(x).tobytes() == before
    _are_signs(_held(s), x, where, scale, ops)


def _are_signs(got, x, where, scale, ops):
    with np.errstate(all="ignore"):
        expected = _held(penalty.MAGNITUDE.derivative(x, where, None, scale, None, ops=ops))
    by_number = scale is None or isinstance(scale, float)
    if ops.is_complex:
        missing = np.isnan(expected)
        assert np.array_equal(np.isnan(got), missing)
        assert got.dtype == expected.dtype
        for a, b in zip(*((v[~missing].real, v[~missing].imag) for v in (got, expected)), strict=True):
            assert ulps(a, b, result_dtype(ops.dtype_name)) <= COMPLEX_ULPS
            assert np.array_equal(a == 0, b == 0)
            assert not (
                by_number and np.any(np.signbit(a) & (a == 0)) and not np.any(np.signbit(b) & (b == 0))
            )
    else:
        assert same_bits(got, expected, zeros="of the same sign" if by_number else "of any sign")
    if where is not None and by_number:
        unselected = ~np.broadcast_to(to_numpy(where), got.shape)
        assert not np.any(got[unselected])


def magnitudes_and_signs_are_both(kernel, x, where, scale, axes, *, must=True):
    """Check that the sum is exact and the signs are the formula's."""

    def total(x, where, weights, *, axes, keepdims, ops):
        del weights
        both = kernel(x, where, scale, axes=axes, keepdims=keepdims, ops=ops)
        return None if both is None else both[0]

    def signs(x, where, scale, *, ops):
        both = kernel(x, where, scale, axes=axes, keepdims=False, ops=ops)
        return None if both is None else both[1]

    magnitudes_are_exact(total, x, where, None, axes=axes, must=must)
    signs_are_the_formula(signs, x, where, scale, must=must)


def flushes(place):
    """Whether the library takes subnormal numbers for zeros in its arithmetic, as CuPy does."""
    least = place.asarray(np.full(1, 2.0**-126), "float32")
    return not np.any(to_numpy(least * 0.5))


def soft_threshold_is_the_formula(
    kernel, place, values, where, weights, *, step, must=True, view=lambda x: x
):
    """Check a soft threshold, new and in place: the formula's bits and NumPy's; every zero is +0.0, NaN is kept."""
    whole = place.asarray(values)
    x, ops = view(whole), plain(whole)
    result = np.dtype(result_dtype(place.dtype))
    step = min(step, float(np.finfo(result).max))  # as `_run` gives it to a kernel
    before = to_numpy(whole).tobytes()
    with np.errstate(all="ignore"):
        expected = _held(ops.as_array(proximal.prox(x, where, weights, step, nonnegative=False, ops=ops)))
        held, t = to_numpy(x).astype(result), result.type(step)
        if weights is not None:
            w = to_numpy(weights).astype(result)
            t = (w if where is None else np.where(to_numpy(where), w, result.type(0))) * t
        exact = np.where(np.abs(held) <= t, result.type(0), held - np.sign(held) * t)
    exact = _held(place.asarray(exact))
    exact[exact == 0] = 0.0
    if where is not None:
        exact = np.where(to_numpy(where), exact, to_numpy(x))
    if not flushes(place):
        assert same_bits(expected, exact)
    p = kernel(x, where, weights, step, out=None, ops=ops)
    assert to_numpy(whole).tobytes() == before
    if p is None:
        assert not must, f"no kernel for {x.shape}"
    else:
        is_like(p, x)
        assert same_bits(_held(p), expected)
    own = view(place.asarray(values))
    p = kernel(own, where, weights, step, out=own, ops=ops)
    if p is None:
        assert not must, f"no kernel in place for {x.shape}"
        assert to_numpy(own).tobytes() == to_numpy(x).tobytes()
    else:
        assert p is own
        assert same_bits(_held(own), expected)


def huber_gradient_is_the_formula(kernel, x, where, scale, delta, *, must=True):
    """Check m·h'(x)·scale: the formula's bits, every zero +0.0, x not written to."""
    ops, before = plain(x), to_numpy(x).tobytes()
    with np.errstate(all="ignore"):
        expected = huber.Huber(delta).derivative(x, where, None, scale, None, ops=ops)
    g = kernel(x, where, scale, delta, ops=ops)
    if g is None:
        assert not must, f"no kernel for {x.shape}"
        return
    is_like(g, x)
    assert g is not x
    assert to_numpy(x).tobytes() == before
    assert same_bits(_held(g), _held(expected))


# The laws: many calls of one kernel.


def sum_of_magnitudes(kernel, place, n):
    """Exact for every shape, mask, weights and axes, for equal terms, infinities, NaN, subnormals and views."""
    for x, where, weights, axes in cases(place, n):
        for each, must in axes:
            magnitudes_are_exact(kernel, x, where, weights, axes=each, must=must)
    for x, axes in views(place, n):
        magnitudes_are_exact(kernel, x, None, None, axes=axes, must=False)
        column = place.asarray(np.arange(x.shape[0])[:, None] % 3 > 0, "bool") if x.ndim > 1 else None
        magnitudes_are_exact(kernel, x, column, None, axes=axes, must=False)
    for values in ([inf, 1.0], [nan, 1.0], [-inf, nan], [0.0, -0.0], [inf, inf], [1.0] * 40 + [inf] * 3):
        magnitudes_are_exact(kernel, place.asarray(values), None, None, axes=(0,))
    tiny = special(place.dtype)
    tiny = tiny[np.isfinite(tiny) & (np.abs(tiny) < 1e4)]
    magnitudes_are_exact(kernel, place.asarray(tiny), None, None, axes=(0,))
    _, _, largest = limits(PARTS.get(place.dtype, place.dtype))
    magnitudes_are_exact(kernel, place.asarray([largest, 0.0]), None, None, axes=(0,))


def sum_of_huber(kernel, place, n):
    """Exact for every shape, mask, weights, axes and delta; infinite at infinities, NaN at NaN."""
    deltas = itertools.cycle([1.0, 0.3, 3.0, 1e-3])
    for x, where, weights, axes in cases(place, n):
        for each, must in axes:
            huber_is_exact(kernel, x, where, weights, delta=next(deltas), axes=each, must=must)
    for x, axes in views(place, n):
        huber_is_exact(kernel, x, None, None, delta=next(deltas), axes=axes, must=False)
    for values in ([inf, 1.0], [nan, 1.0], [-inf, nan], [0.0, -0.0], [1.0, -1.0]):
        for delta in DELTAS:
            huber_is_exact(kernel, place.asarray(values), None, None, delta=delta, axes=(0,))


def signs(kernel, place, n):
    """The formula's bits for every shape, mask and scale."""
    for x, where in elementwise_cases(place, n):
        for scale in scales_for(place, x):
            signs_are_the_formula(kernel, x, where, scale)
    for scale in (inf, nan, -inf):  # an infinite loss scale: 0·inf is NaN, as in every library
        x = place.asarray(with_special(np.random.default_rng(3), (100,), place.dtype))
        signs_are_the_formula(kernel, x, None, place.asarray(scale, result_dtype(place.dtype)))
    for x, _ in views(place, n):
        signs_are_the_formula(kernel, x, None, 0.3, must=False)


def magnitudes_and_signs(kernel, place, n):
    """Both laws, for every shape, mask and axes."""
    for i, (x, where, weights, axes) in enumerate(cases(place, n)):
        if weights is None:
            scales = list(scales_for(place, x))
            for j, (each, _) in enumerate(axes):
                scale = scales[(i + j) % len(scales)]
                magnitudes_and_signs_are_both(kernel, x, where, scale, each, must=len(each) == x.ndim)
    for x, where in elementwise_cases(place, n):
        finite = np.where(np.isfinite(to_numpy(x)), to_numpy(x), 0)
        small = place.asarray(np.where(np.abs(finite) < 1e4, finite, -0.0))
        magnitudes_and_signs_are_both(kernel, small, where, 0.3, tuple(range(x.ndim)), must=x.ndim > 0)
    for x, axes in views(place, n):
        magnitudes_and_signs_are_both(kernel, x, None, None, axes, must=False)


def soft_threshold(kernel, place, n):
    """The formula's bits for every shape, mask, weights and step, new and in place."""
    rng, steps, i = np.random.default_rng(4), itertools.cycle(STEPS), 0
    names = [place.dtype, result_dtype(place.dtype), "float64"]
    for shape in shapes_for(n):
        for where, weights in beside(rng, shape):
            i += 1
            options = placed(place, where, "bool"), placed(place, weights, names[i % 3])
            values = with_special(rng, shape, place.dtype)
            for step in STEPS if weights is where else [next(steps)]:
                soft_threshold_is_the_formula(kernel, place, values, *options, step=step)
    values = with_special(rng, (60, n // 60), place.dtype)
    for view in (lambda x: x.T, lambda x: x[::2], lambda x: x[:, ::2], lambda x: x[1:, 1:], lambda x: x[3]):
        soft_threshold_is_the_formula(kernel, place, values, None, None, step=0.3, must=False, view=view)


def huber_gradient(kernel, place, n):
    """The formula's bits for every shape, mask, scale and delta."""
    deltas = itertools.cycle(DELTAS)
    for x, where in elementwise_cases(place, n):
        for scale in scales_for(place, x):
            huber_gradient_is_the_formula(kernel, x, where, scale, next(deltas))
    for x, _ in views(place, n):
        huber_gradient_is_the_formula(kernel, x, None, 0.3, next(deltas), must=False)


LAWS = {
    law.__name__: law
    for law in (
        sum_of_magnitudes,
        sum_of_huber,
        magnitudes_and_signs,
        signs,
        soft_threshold,
        huber_gradient,
    )
}
"""The law of each fused operation: ``law(kernel, place, n)`` with about n elements in the largest arrays."""
