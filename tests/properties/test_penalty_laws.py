"""The laws of the value and its subgradient, one class each, on every library."""

import math

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import penalty_laws
from hypothesis import given

import l1_any as l1
from l1_any.testing import exact_subgradient_norm, result_dtype, to_numpy

shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)
numbers = st.floats(-1e4, 1e4, width=32).filter(lambda v: v == 0 or abs(v) > 1e-4)
multipliers = st.floats(0, 8, width=32).filter(lambda v: v == 0 or v > 1e-4)
special = st.sampled_from([0.0, -0.0, math.inf, -math.inf, math.nan])


def arrays(elements=numbers, shape=shapes):
    return hnp.arrays(np.float64, shape, elements=elements)


def real(library):
    return [dtype for dtype in library.dtypes if "complex" not in dtype]


@st.composite
def masked(draw, elements=numbers):
    """An array with a mask and weights that broadcast to it."""
    x = draw(arrays(elements))
    smaller = st.just(x.shape) | st.sampled_from([x.shape[i:] for i in range(x.ndim + 1)])
    mask = draw(st.none() | hnp.arrays(bool, draw(smaller)))
    weights = draw(st.none() | multipliers | hnp.arrays(np.float32, draw(smaller), elements=multipliers))
    return x, mask, weights


class TestValueIsTheOracles:
    @given(case=masked(), reduce=st.sampled_from(["sum", "mean"]))
    def test_value(self, library, case, reduce):
        x, mask, weights = case
        if reduce == "mean" and x.size == 0:
            return
        for dtype in real(library):
            options = {"reduce": reduce, "where": mask, "weights": weights}
            penalty_laws.value_is_exact(l1.value, library, x, dtype, **options)

    @given(case=masked(numbers | special), reduce=st.sampled_from(["sum", "mean"]))
    def test_subgradient(self, library, case, reduce):
        x, mask, weights = case
        if reduce == "mean" and x.size == 0:
            return
        for dtype in real(library):
            options = {"reduce": reduce, "where": mask, "weights": weights}
            penalty_laws.subgradient_is_minimal(l1.subgradient, library, x, dtype, **options)

    @given(case=masked(), reduce=st.sampled_from(["sum", "mean"]))
    def test_norm(self, library, case, reduce):
        x, mask, weights = case
        if reduce == "mean" and (
            x.size == 0 or (mask is not None and not np.broadcast_to(mask, x.shape).any())
        ):
            return
        y, rounded = penalty_laws.cast(library, "float32", x)
        given = penalty_laws.in_library(library, where=mask, weights=weights)
        norm = l1.subgradient_norm(y, reduce=reduce, **given)
        exact = exact_subgradient_norm(rounded, reduce=reduce, where=mask, weights=weights)
        assert math.isclose(to_numpy(norm), exact, rel_tol=1e-6)

    @given(parts=arrays(shape=hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=6)))
    def test_complex(self, library, parts):
        z = parts + 1j * parts[::-1]
        for dtype in set(library.dtypes) & {"complex64", "complex128"}:
            penalty_laws.value_is_exact(l1.value, library, z, dtype)
            penalty_laws.subgradient_is_minimal(l1.subgradient, library, z, dtype)


class TestSubgradientInequality:
    """|y| >= |x| + s(y - x), for all x and y."""

    @given(
        pair=hnp.array_shapes(max_dims=2, max_side=5).flatmap(
            lambda s: st.tuples(arrays(shape=s), arrays(shape=s))
        )
    )
    def test_inequality(self, library, pair):
        (x, y), scale = pair, max(1, *(np.abs(p).sum() for p in pair))
        v, s = l1.value_and_subgradient(library.asarray(x, "float32"))
        at_y = to_numpy(l1.value(library.asarray(y, "float32")))
        assert at_y >= to_numpy(v) + np.sum(to_numpy(s) * (y - x)) - 1e-5 * scale


class TestInnerProductIdentity:
    """Re<x, s> = value, for every weight and mask."""

    @given(case=masked())
    def test_identity(self, library, case):
        x, mask, weights = case
        both = l1.value_and_subgradient
        penalty_laws.inner_product_is_the_value(both, library, x, where=mask, weights=weights)


class TestNorm:
    """Homogeneous, symmetric in sign, and the triangle inequality."""

    @given(x=arrays(), factor=st.sampled_from([0.25, 1, 2, 64]))
    def test_homogeneous(self, library, x, factor):
        y = library.asarray(x, "float32")
        assert to_numpy(l1.value(y * factor)) == factor * to_numpy(l1.value(y))
        assert to_numpy(l1.value(y, weights=factor)) == factor * to_numpy(l1.value(y))

    @given(x=arrays())
    def test_symmetric(self, library, x):
        y = library.asarray(x, "float32")
        assert to_numpy(l1.value(-y)) == to_numpy(l1.value(y))
        assert np.array_equal(to_numpy(l1.subgradient(-y)), -to_numpy(l1.subgradient(y)))

    @given(pair=shapes.flatmap(lambda s: st.tuples(arrays(shape=s), arrays(shape=s))))
    def test_triangle(self, library, pair):
        a, b = (library.asarray(p, "float32") for p in pair)
        both = to_numpy(l1.value(a)) + to_numpy(l1.value(b))
        assert to_numpy(l1.value(a + b)) <= both * (1 + 1e-6)


class TestEqualElements:
    """Equal elements, the worst case of naive sums, with any mantissa and along any axes."""

    @given(
        shape=st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 900)).flatmap(st.permutations),
        axis=st.sampled_from([None, 0, 1, 2, (0, 1), (0, 2), (1, 2)]),
        fill=st.floats(1, 2, width=32),
    )
    def test_equal(self, library, shape, axis, fill):
        penalty_laws.equal_elements_are_exact(l1.value, library, shape, fill, axis=axis)


class TestStructures:
    """Splitting an array changes nothing."""

    @given(
        x=arrays(shape=st.integers(1, 40)), cut=st.integers(0, 40), reduce=st.sampled_from(["sum", "mean"])
    )
    def test_split(self, library, x, cut, reduce):
        for mask in (None, x > 0):
            penalty_laws.structures_are_one_vector(l1, library, x, min(cut, x.size), mask=mask, reduce=reduce)


class TestMaskIsSelection:
    """What the mask leaves out could as well not be there: NaN and infinities too."""

    @given(x=arrays(numbers | special), data=st.data())
    def test_selection(self, library, x, data):
        mask = data.draw(hnp.arrays(bool, x.shape))
        penalty_laws.mask_excludes(l1.value_and_subgradient, library, x, mask)


class TestWeightsMultiply:
    @given(x=arrays(), data=st.data())
    def test_weights(self, library, x, data):
        weights = data.draw(hnp.arrays(np.float32, x.shape, elements=multipliers))
        penalty_laws.weights_multiply(l1.value, l1.subgradient, library, x, weights)


class TestPlaceIsKept:
    """Library, device, dtype and shape of what comes back are those of what went in."""

    @given(x=arrays(), reduce=st.sampled_from(["sum", "mean"]))
    def test_place(self, library, x, reduce):
        if reduce == "mean" and x.size == 0:
            return
        for dtype in real(library):
            y = library.asarray(x, dtype)
            v, s = l1.value_and_subgradient(y, reduce=reduce)
            norm = l1.subgradient_norm(y, reduce=reduce)
            assert type(v) is type(s) is type(norm) is type(y)
            assert s.dtype == y.dtype
            assert v.dtype == norm.dtype == library.asarray(0, result_dtype(dtype)).dtype
            assert getattr(v, "device", None) == getattr(s, "device", None) == getattr(y, "device", None)
            assert s.shape == y.shape
            assert v.shape == norm.shape == ()


class TestEveryWayGivesTheSame:
    """One call gives what two give, and every reduction of the axes their sum."""

    @given(case=masked())
    def test_value_and_subgradient(self, library, case):
        x, mask, weights = case
        y, kw = library.asarray(x, "float32"), penalty_laws.in_library(library, where=mask, weights=weights)
        v, s = l1.value_and_subgradient(y, **kw)
        assert to_numpy(v) == to_numpy(l1.value(y, **kw))
        assert np.array_equal(to_numpy(s), to_numpy(l1.subgradient(y, **kw)))

    @given(x=arrays(shape=hnp.array_shapes(min_dims=2, max_dims=3, max_side=5)))
    def test_axes(self, library, x):
        y = library.asarray(x, "float32")
        rows = to_numpy(l1.value(y, axis=-1))
        assert math.isclose(math.fsum(rows.ravel().tolist()), to_numpy(l1.value(y)), rel_tol=1e-6)
