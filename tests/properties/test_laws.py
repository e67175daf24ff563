"""The laws of the value and its subgradient, one class each, on every library."""

import math

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
from hypothesis import given

import l1_any as l1
from l1_any.testing import DOUBLE, exact_subgradient, exact_subgradient_norm, exact_value, to_numpy, ulps

shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)
numbers = st.floats(-1e4, 1e4, width=32).filter(lambda v: v == 0 or abs(v) > 1e-4)
multipliers = st.floats(0, 8, width=32).filter(lambda v: v == 0 or v > 1e-4)
special = st.sampled_from([0.0, -0.0, math.inf, -math.inf, math.nan])


def arrays(elements=numbers, shape=shapes):
    return hnp.arrays(np.float64, shape, elements=elements)


def cast(library, dtype, x):
    """The array in the library, and what the rounding to its dtype left of it in NumPy."""
    y = library.asarray(x, dtype)
    return y, np.asarray(to_numpy(y), complex if dtype.startswith("complex") else float)


def bound(library, dtype):
    return 4 if dtype in DOUBLE else library.tolerance


def real(library):
    return [dtype for dtype in library.dtypes if "complex" not in dtype]


def out_dtype(dtype):
    return "float64" if dtype in DOUBLE else "float32"


@st.composite
def masked(draw, elements=numbers):
    """An array with a mask and weights that broadcast to it."""
    x = draw(arrays(elements))
    smaller = st.just(x.shape) | st.sampled_from([x.shape[i:] for i in range(x.ndim + 1)])
    mask = draw(st.none() | hnp.arrays(bool, draw(smaller)))
    weights = draw(st.none() | multipliers | hnp.arrays(np.float32, draw(smaller), elements=multipliers))
    return x, mask, weights


def options(library, mask, weights):
    weights = library.asarray(weights) if isinstance(weights, np.ndarray) else weights
    return {"where": None if mask is None else library.bool(mask), "weights": weights}


class TestValueIsTheOracles:
    @given(case=masked(), reduce=st.sampled_from(["sum", "mean"]))
    def test_value(self, library, case, reduce):
        x, mask, weights = case
        if reduce == "mean" and x.size == 0:
            return
        for dtype in real(library):
            y, rounded = cast(library, dtype, x)
            v = l1.value(y, reduce=reduce, **options(library, mask, weights))
            exact = exact_value(rounded, reduce=reduce, where=mask, weights=weights)
            assert ulps(to_numpy(v), exact, out_dtype(dtype)) <= bound(library, dtype)

    @given(case=masked(numbers | special), reduce=st.sampled_from(["sum", "mean"]))
    def test_subgradient(self, library, case, reduce):
        x, mask, weights = case
        if reduce == "mean" and x.size == 0:
            return
        for dtype in real(library):
            y, rounded = cast(library, dtype, x)
            s = l1.subgradient(y, reduce=reduce, **options(library, mask, weights))
            exact = exact_subgradient(rounded, reduce=reduce, where=mask, weights=weights)
            eps = float(np.finfo(out_dtype(dtype)).eps) if dtype not in ("float16", "bfloat16") else 2.0**-7
            tiny = 6e-8 if dtype == "float16" else 0
            assert np.allclose(to_numpy(s), exact, rtol=4 * eps, atol=tiny, equal_nan=True)

    @given(case=masked(), reduce=st.sampled_from(["sum", "mean"]))
    def test_norm(self, library, case, reduce):
        x, mask, weights = case
        if reduce == "mean" and (
            x.size == 0 or (mask is not None and not np.broadcast_to(mask, x.shape).any())
        ):
            return
        y, rounded = cast(library, "float32", x)
        norm = l1.subgradient_norm(y, reduce=reduce, **options(library, mask, weights))
        exact = exact_subgradient_norm(rounded, reduce=reduce, where=mask, weights=weights)
        assert math.isclose(to_numpy(norm), exact, rel_tol=1e-6)

    @given(parts=arrays(shape=hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=6)))
    def test_complex(self, library, parts):
        z = parts + 1j * parts[::-1]
        for dtype in set(library.dtypes) & {"complex64", "complex128"}:
            y, rounded = cast(library, dtype, z)
            assert ulps(to_numpy(l1.value(y)), exact_value(rounded), out_dtype(dtype)) <= bound(
                library, dtype
            )
            assert np.allclose(to_numpy(l1.subgradient(y)), exact_subgradient(rounded), rtol=1e-5, atol=1e-6)


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
        y, rounded = cast(library, "float32", x)
        v, s = l1.value_and_subgradient(y, **options(library, mask, weights))
        product = math.fsum((rounded * to_numpy(s).astype(float)).ravel().tolist())
        assert math.isclose(to_numpy(v), product, rel_tol=1e-5, abs_tol=1e-30)


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


class TestStructures:
    """Splitting an array changes nothing."""

    @given(
        x=arrays(shape=st.integers(1, 40)), cut=st.integers(0, 40), reduce=st.sampled_from(["sum", "mean"])
    )
    def test_split(self, library, x, cut, reduce):
        whole, cut = library.asarray(x, "float32"), min(cut, x.size)
        parts = {"a": whole[:cut], "b": [(whole[cut:],)]}
        mask = library.bool(x > 0)
        for where in (None, mask):
            split = None if where is None else {"a": where[:cut], "b": [(where[cut:],)]}
            v, s = l1.value_and_subgradient(parts, reduce=reduce, where=split, weights=0.5)
            expected, s_expected = l1.value_and_subgradient(whole, reduce=reduce, where=where, weights=0.5)
            assert ulps(to_numpy(v), to_numpy(expected), "float32") <= bound(library, "float32")
            joined = np.concatenate([to_numpy(s["a"]), to_numpy(s["b"][0][0])])
            assert ulps(joined, to_numpy(s_expected), "float32") <= library.division_error
            alone = l1.value(parts, reduce=reduce, where=split, weights=0.5)
            assert np.array_equal(to_numpy(alone), to_numpy(v), equal_nan=True)
            norm = l1.subgradient_norm(parts, reduce=reduce, where=split)
            assert np.allclose(
                to_numpy(norm),
                to_numpy(l1.subgradient_norm(whole, reduce=reduce, where=where)),
                equal_nan=True,
            )


class TestMaskIsSelection:
    """What the mask leaves out could as well not be there: NaN and infinities too."""

    @given(x=arrays(numbers | special), data=st.data())
    def test_selection(self, library, x, data):
        mask = data.draw(hnp.arrays(bool, x.shape))
        y, m = library.asarray(x, "float32"), library.bool(mask)
        left = library.asarray(x[mask], "float32")
        v, s = l1.value_and_subgradient(y, where=m)
        assert ulps(to_numpy(v), to_numpy(l1.value(left)), "float32") <= bound(library, "float32")
        assert np.array_equal(to_numpy(s)[mask], to_numpy(l1.subgradient(left)), equal_nan=True)
        assert np.all(to_numpy(s)[~mask] == 0)


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
            assert v.dtype == norm.dtype == library.asarray(0, out_dtype(dtype)).dtype
            assert getattr(v, "device", None) == getattr(s, "device", None) == getattr(y, "device", None)
            assert s.shape == y.shape
            assert v.shape == norm.shape == ()


class TestEveryWayGivesTheSame:
    """One call gives what two give, and every reduction of the axes their sum."""

    @given(case=masked())
    def test_value_and_subgradient(self, library, case):
        x, mask, weights = case
        y, kw = library.asarray(x, "float32"), options(library, mask, weights)
        v, s = l1.value_and_subgradient(y, **kw)
        assert to_numpy(v) == to_numpy(l1.value(y, **kw))
        assert np.array_equal(to_numpy(s), to_numpy(l1.subgradient(y, **kw)))

    @given(x=arrays(shape=hnp.array_shapes(min_dims=2, max_dims=3, max_side=5)))
    def test_axes(self, library, x):
        y = library.asarray(x, "float32")
        rows = to_numpy(l1.value(y, axis=-1))
        assert math.isclose(math.fsum(rows.ravel().tolist()), to_numpy(l1.value(y)), rel_tol=1e-6)
