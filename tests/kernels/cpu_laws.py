"""The laws of operations that only the kernels for a CPU have: lists of arrays, counts, and groups.

A law takes a kernel, and a `place` (`kernel_laws.Place`), as the laws in `operation_laws` do.
"""

import math

import numpy as np
from kernel_laws import plain
from operation_data import axes_for, elementwise_cases, placed, random, scales_for, special, with_special
from operation_laws import same_bits, signs_are_the_formula, total_is_exact

from l1_any._formulas import groups, huber, norms, penalty, sums
from l1_any._formulas import proximal as soft
from l1_any._typing import Leaf
from l1_any.testing import DOUBLE, result_dtype, to_numpy, ulps

SHAPES = [(), (1,), (7,), (0,), (60, 20), (3, 5, 7), (400,)]
PARTS = [(3,), (1 << 17) + 5, (2, 1 << 17), (0,), 1 << 17, (9,)]
"""Of several parts, which threads take, and few."""


def leaves_of(place, *, factors=(None,), masks=True, shapes=SHAPES):
    """Arrays of several shapes, some with a mask, and with the given numbers as weights in turn."""
    rng = np.random.default_rng(0)
    out = []
    for i, shape in enumerate(shapes):
        values = random(rng, shape, place.dtype)
        where = rng.random(shape) < 0.6 if masks and i % 2 else None
        if where is not None:
            values = np.where(where, values, math.nan)
        x = place.asarray(values)
        out.append(Leaf(x, plain(x), placed(place, where, "bool"), None, factors[i % len(factors)]))
    return out


def sums_of_magnitudes(kernel, place, _n):
    """The sum of the formula's sums."""
    _sums(lambda leaves, ops: kernel(leaves, ops=ops), penalty.terms, place)


def sums_of_huber(kernel, place, _n):
    """The sum of the formula's sums."""
    for delta in (0.3, 1.0):
        _sums(lambda leaves, ops, d=delta: kernel(leaves, d, ops=ops), huber.Huber(delta).terms, place)


def _sums(kernel, terms, place):
    kinds = [
        leaves_of(place, factors=factors, masks=masks)
        for factors in ((None,), (0.5,), (None, 0.25, 3.0))
        for masks in (True, False)
    ]
    for leaves in [*kinds, leaves_of(place, factors=(None, 3.0), masks=False, shapes=PARTS)]:
        ops, expected = leaves[0].ops, []
        for x, own, where, _, factor in leaves:
            axes = tuple(range(x.ndim))
            total = sums.total_of(terms, x, where, None, axes=axes, keepdims=False, ops=own)
            expected.append(float(total) * (1.0 if factor is None else factor))
        total = kernel(leaves, ops)
        assert type(total) is float
        total = ops.full((), total, ops.accumulator, leaves[0].x)
        dtype = result_dtype(place.dtype)
        most = 4 if place.dtype in DOUBLE else 1
        assert ulps(to_numpy(ops.finished(ops.as_array(total))), math.fsum(expected), dtype) <= most


def signs_of_each(kernel, place, _n):
    """Each array's signs are the formula's."""
    for leaves in (
        leaves_of(place),
        leaves_of(place, masks=False),
        leaves_of(place, masks=False, shapes=PARTS),
    ):
        scales = [1.0, None, 0.3, 1e-7, 2.5, 1.0, 3.0][: len(leaves)]
        for leaf, scale, s in zip(leaves, scales, kernel(leaves, scales, ops=leaves[0].ops), strict=True):
            signs_are_the_formula(lambda *_, s=s, **__: s, leaf.x, leaf.where, scale)
    for x, where in elementwise_cases(place, 240):
        for scale in scales_for(place, x):
            leaf = Leaf(x, plain(x), where)

            def one(x, where, scale, *, ops, leaf=leaf):
                return kernel([leaf], [scale], ops=ops)[0]

            signs_are_the_formula(one, x, where, scale)


def soft_thresholds(kernel, place, _n):
    """Each array has the formula's bits, in its own memory."""
    for step in (0.0, 0.3, 1e-40):
        arrays = [leaf.x for leaf in leaves_of(place, masks=False)]
        arrays += [leaf.x for leaf in leaves_of(place, masks=False, shapes=PARTS)]
        arrays.append(place.asarray(special(place.dtype)))
        ops = plain(arrays[0])
        expected = [
            np.array(to_numpy(ops.as_array(soft.prox(x, None, None, step, nonnegative=False, ops=ops))))
            for x in arrays
        ]
        assert kernel(arrays, step, ops=ops) is not None
        assert all(same_bits(np.array(to_numpy(x)), e) for x, e in zip(arrays, expected, strict=True))


def sum_of_squared_signs(kernel, place, n):
    """Σ (m·w)² where x is not 0: exact, NaN at NaN, and nothing leaks from below a mask."""
    rng = np.random.default_rng(0)
    for shape in ((), (7,), (n,), (60, n // 60)):
        values = np.where(rng.random(shape) < 0.7, with_special(rng, shape, place.dtype), 0.0)
        finite = np.where(np.isnan(values), 1.0, values)
        where, w = rng.random(shape) < 0.6, np.abs(rng.standard_normal(shape)).astype("float32")
        for mask, weights in ((None, None), (where, None), (None, w), (where, w)):
            x = place.asarray(values if mask is not None and not np.isnan(values[mask]).any() else finite)
            own = placed(place, mask, "bool"), placed(place, weights, "float32")
            _squares(kernel, x, *own, axes_for(shape) or [((), False)])
    _squares(kernel, place.asarray([math.nan, 1.0]), None, None, [((0,), True)])


def _squares(kernel, x, where, weights, axes):
    ops, held = plain(x), to_numpy(x).astype(float)
    terms = np.where(np.isnan(held), np.nan, held != 0).astype(np.longdouble)
    if weights is not None:
        terms = terms * to_numpy(weights).astype(np.longdouble)

    for own, must in axes:

        def formula(x, keepdims, own=own):
            def squares(x, where, weights, *, ops):
                return norms.squared(norms.signs, penalty.MAGNITUDE, x, where, weights, ops=ops)

            return sums.total_of(squares, x, where, weights, axes=own, keepdims=keepdims, ops=ops)

        def call(x, keepdims, own=own):
            return kernel(x, where, weights, axes=own, keepdims=keepdims, ops=ops)

        if own:
            total_is_exact(call, formula, terms, x, where, weights, axes=own, must=must)


def matrices(place, n):
    """Matrices with groups of zeros, infinities, NaN, and squares that overflow or vanish."""
    rng = np.random.default_rng(0)
    info = np.finfo(place.dtype)
    x = rng.standard_normal((60, n // 60))
    x[3] = 0
    x[4, 2] = math.inf
    x[5, :2] = math.nan, math.inf
    x[6] *= float(info.max) ** 0.5
    x[7] = np.sign(x[7]) * float(info.max) / n
    x[8] *= float(info.smallest_normal)
    x[9] = float(info.smallest_subnormal)
    x[10] = [0.0] * (x.shape[1] - 1) + [float(info.smallest_subnormal)]
    return place.asarray(x)


def group_norms(kernel, place, n):
    """Within 4 units in the last place of the exact norm, infinite with an infinity, NaN with a NaN."""
    x = matrices(place, n)
    for view, axes in ((x, (1,)), (x, (0, 1)), (x[:, :1], (1,)), (x[11:], (1,)), (x[11:], (0, 1))):
        ops = plain(view)
        found = kernel(view, axes=axes, ops=ops)
        if found is None:
            assert not view.flags.c_contiguous if hasattr(view, "flags") else not view.is_contiguous()
            continue
        with np.errstate(all="ignore"):
            exact = np.sqrt(np.sum(np.square(to_numpy(view).astype(np.longdouble)), axis=axes, keepdims=True))
        held = to_numpy(view)
        expected = np.where(np.isnan(held).any(axis=axes, keepdims=True), np.nan, exact.astype(float))
        assert (found.shape, found.dtype) == (expected.shape, ops.accumulator)
        assert ulps(to_numpy(found), expected, "float64") <= 4
        formula = groups.norms(view, axes=axes, ops=ops)
        assert ulps(to_numpy(formula), expected, "float64") <= 4
    assert kernel(x, axes=(0,), ops=plain(x)) is None


def shrink_groups(kernel, place, n):
    """x·max(1 - step/‖x‖₂, 0), as close to the exact result as the formula."""
    x = matrices(place, n)
    ops, before = plain(x), to_numpy(x).tobytes()
    for step in (0.0, 1e-30, 1.0, 4.0, 1e6, math.inf):
        p = kernel(x, step, axes=(1,), ops=ops)
        with np.errstate(all="ignore"):
            expected = groups.prox(x, None, None, step, axes=(1,), ops=ops)
        assert (type(p), p.shape, p.dtype) == (type(x), x.shape, x.dtype)
        got, wanted = np.array(to_numpy(p)), np.array(to_numpy(expected))
        assert np.array_equal(np.isnan(got), np.isnan(wanted))
        some = ~np.isnan(wanted)
        # Where the step is close to the norm, the shares differ more in their own last places than in those of x.
        unit = np.spacing(np.abs(to_numpy(x)[some]))
        with np.errstate(invalid="ignore"):
            off = np.where(got[some] == wanted[some], 0, np.abs(got[some] - wanted[some]))
        assert not np.any(off > 4 * unit)
        assert not np.any(np.signbit(got) & (got == 0))
    assert to_numpy(x).tobytes() == before
    assert kernel(x, 1.0, axes=(0,), ops=ops) is None


LAWS = {
    law.__name__: law
    for law in (
        sums_of_magnitudes,
        sums_of_huber,
        signs_of_each,
        soft_thresholds,
        sum_of_squared_signs,
        group_norms,
        shrink_groups,
    )
}
