"""Numbers at the edge: of a dtype's range, of a byte order, of an axis; and complex numbers that are partly NaN."""

import math

import numpy as np
import pytest
from operators import largest_of

import l1_any as l1
from l1_any.testing import kernels, to_numpy

inf, nan = math.inf, math.nan


OF_COMPLEX = {
    "value": l1.value,
    "rows": lambda z: l1.value(z, axis=-1),
    "mean": lambda z: l1.value(z, reduce="mean"),
    "value_and_subgradient": lambda z: l1.value_and_subgradient(z)[0],
    "subgradient_norm": l1.subgradient_norm,
    "huber": lambda z: l1.huber(z, 1.0),
    "group_value": lambda z: l1.group_value(z, axis=-1),
    "strength_max": l1.strength_max,
    "subgradient": l1.subgradient,
    "scaled subgradient": lambda z: l1.subgradient(z, weights=2.0),
    "huber_gradient": lambda z: l1.huber_gradient(z, 1.0),
    "group_subgradient": lambda z: l1.group_subgradient(z, axis=-1),
    "prox": lambda z: l1.prox(z, 1.0),
    "prox, step 0": lambda z: l1.prox(z, 0.0),
    "prox_elastic_net": lambda z: l1.prox_elastic_net(z, 1.0, l1_ratio=0.5),
    "prox_group": lambda z: l1.prox_group(z, 1.0, axis=-1),
    "project": lambda z: l1.project(z, 1.0, axis=-1),
    "prox_max": lambda z: l1.prox_max(z, 1.0, axis=-1),
    "subdiff_distance": lambda z: l1.subdiff_distance(z, z, 1.0),
}


class TestPartlyNan:
    """A complex number with a NaN in either part is NaN, also beside an infinite part."""

    @pytest.mark.parametrize("name", OF_COMPLEX)
    @pytest.mark.parametrize(
        "value", [complex(nan, inf), complex(-inf, nan), complex(nan, 1), complex(0, nan)]
    )
    def test_is_nan(self, library, name, value):
        for dtype in set(library.dtypes) & {"complex64", "complex128"}:
            values = np.full((1, 1), value, dtype)  # not by arithmetic, which may mix the parts
            found = to_numpy(OF_COMPLEX[name](library.asarray(values)))
            parts = (found.real, found.imag) if found.dtype.kind == "c" else (found,)
            assert all(np.isnan(part).all() for part in parts), (dtype, found)


OF_BYTES = {
    "prox": lambda x: l1.prox(x, 0.5),
    "prox, step of each": lambda x: l1.prox(x, abs(x)),
    "prox, masked": lambda x: l1.prox(x, 0.5, where=x > 0, weights=abs(x)),
    "prox_elastic_net": lambda x: l1.prox_elastic_net(x, 0.5, l1_ratio=0.5),
    "prox_group": lambda x: l1.prox_group(x, 0.5, axis=-1),
    "project": lambda x: l1.project(x, 0.5, axis=-1),
    "prox_max": lambda x: l1.prox_max(x, 0.5, axis=-1),
    "subdiff_distance": lambda x: l1.subdiff_distance(x, x, 0.5),
    "list": lambda x: l1.subdiff_distance([x], [x], 0.5)[0],
}


class TestByteOrder:
    @pytest.mark.only("numpy", "dask")
    @pytest.mark.parametrize("name", OF_BYTES)
    @pytest.mark.parametrize("dtype", [">f4", ">f8"])
    @pytest.mark.parametrize("size", [2, 3 << 18])
    def test_is_kept(self, library, name, dtype, size):
        values = np.resize(np.asarray([1.0, -2.0]), (1, size))
        x = values.astype(dtype)
        if library.name == "dask":
            import dask.array as da

            x = da.from_array(x, chunks=size)
        found = OF_BYTES[name](x)
        assert found.dtype == np.dtype(dtype)
        native = to_numpy(OF_BYTES[name](values.astype(dtype[1:])))
        assert np.array_equal(to_numpy(found), native)

    @pytest.mark.parametrize("dtype", [">f4", ">f8"])
    def test_of_a_field_is_converted(self, library, dtype):
        lp, field = library.asarray([-1.0, -3.0], "float32"), np.asarray([-2.0, -1.0], dtype)
        for form in ({"key": field}, {"key": [field]}):
            own = lp if form["key"] is field else [lp]
            for target, expected in ((("field", "key"), 3), (("delta", "key"), 3)):
                found, _ = l1.L1Regularizer(target).compute(form, own)
                assert float(to_numpy(found)) == expected
            masked, _ = l1.L1Regularizer(where="key").compute({"key": np.asarray([0, 1], ">i4")}, lp)
            assert float(to_numpy(masked)) == 3
            weighted, _ = l1.L1Regularizer(weights="key").compute({"key": np.asarray([2, 1], ">f8")}, lp)
            assert float(to_numpy(weighted)) == 5


class TestAxisOutOfRange:
    @pytest.mark.parametrize("axis", [2, -3])
    def test_is_a_value_error_and_an_index_error(self, library, axis):
        x = library.asarray([[1.0, 2.0]], "float32")
        calls = (
            lambda: l1.value(x, axis=axis),
            lambda: l1.value(x, axis=(0, axis)),
            lambda: l1.subgradient(x, axis=axis),
            lambda: l1.huber(x, 1.0, axis=axis),
            lambda: l1.project(x, 1.0, axis=axis),
            lambda: l1.prox_max(x, 1.0, axis=axis),
            lambda: l1.prox_group(x, 1.0, axis=axis),
            lambda: l1.group_value(x, axis=axis),
        )
        for call in calls:
            with pytest.raises(
                np.exceptions.AxisError, match="`axis` must be within the 2 dimensions of `x`, got"
            ):
                call()


class TestCastHint:
    @pytest.mark.only("numpy")
    def test_keeps_the_imaginary_part_of_clongdouble(self, library):
        x = np.ones(2, np.clongdouble)
        for call in (
            lambda: l1.value(x),
            lambda: l1.L1Regularizer(("field", "x")).compute({"x": x}, np.ones(2)),
        ):
            with pytest.raises(TypeError, match=r"complex256; cast it first, for example to complex128\."):
                call()
        with pytest.raises(TypeError, match="for example to float32"):
            l1.value(x.real)

    @pytest.mark.only("torch")
    @pytest.mark.filterwarnings("ignore:ComplexHalf")
    def test_keeps_the_imaginary_part_of_complex32(self, library):
        import torch

        with pytest.raises(TypeError, match=r"complex32; cast it first, for example to complex64\."):
            l1.value(torch.zeros(2, dtype=torch.complex32))


class TestBall:
    def test_of_numbers_near_the_largest(self, library):
        dtype, big = largest_of(library)
        x = library.asarray([big, -big], dtype)
        halves = np.asarray([big / 2, -big / 2], dtype)
        for axis in (None, 0):
            assert np.allclose(to_numpy(l1.project(x, big, axis=axis)), halves, rtol=1e-6, atol=0)
            assert np.allclose(to_numpy(l1.prox_max(x, big, axis=axis)), halves, rtol=1e-6, atol=0)
        assert np.allclose(to_numpy(l1.project([x[:1], x[1:]], big)[1]), halves[1:], rtol=1e-6, atol=0)
        ones = library.asarray(np.ones(2), dtype)
        assert np.allclose(to_numpy(l1.project(x, big, weights=ones)), halves, rtol=1e-6, atol=0)
        many = library.asarray(np.linspace(0.5, 1, 11) * big, dtype)
        p = to_numpy(l1.project(many, 1.5 * big))
        # The sum of the gaps of all elements overflows; θ = (Σ|x| - 1.5) / 11, in units of `big`.
        exact = np.maximum(np.linspace(0.5, 1, 11) - (np.linspace(0.5, 1, 11).sum() - 1.5) / 11, 0)
        order = np.sort(np.linspace(0.5, 1, 11))[::-1]
        theta = max((order[:k].sum() - 1.5) / k for k in range(1, 12))
        exact = np.maximum(np.linspace(0.5, 1, 11) - theta, 0)
        assert np.allclose(p / big, exact, rtol=1e-5, atol=1e-7)

    def test_radius_that_is_small_beside_the_magnitudes(self, library):
        dtype, _ = largest_of(library)
        p = to_numpy(l1.project(library.asarray([1e18, 1.0], dtype), 1.0))
        assert p.tolist() == [1, 0]
        unit = 1e16 if dtype == "float64" else 2.0**26
        x = library.asarray([unit + 8, -unit], dtype)
        for weights in (None, library.asarray([1.0, 1.0], dtype)):
            assert to_numpy(l1.project(x, 10.0, weights=weights)).tolist() == [9, -1]
            assert to_numpy(l1.project([x[:1], x[1:]], 10.0)[0]).tolist() == [9]

    def test_float32_has_the_radius_as_its_sum(self, library):
        x = np.float32(1e4) + np.random.default_rng(0).standard_normal(1000).astype(np.float32)
        p = to_numpy(l1.project(library.asarray(x), 1.0)).astype(float)
        assert abs(p.sum() - 1) <= 2e-7

    @pytest.mark.parametrize("shape", [(3,), (2, 50), (5, 1000)])
    def test_of_a_projection_is_itself(self, library, shape):
        rng = np.random.default_rng(len(shape))
        w = rng.uniform(0.2, 3, shape)
        for dtype in set(library.dtypes) - {"complex64", "complex128"}:
            for values in (rng.standard_normal(shape), rng.standard_cauchy(shape).clip(-1e4, 1e4)):
                x = library.asarray(values.astype(np.float32), dtype)
                real = "float64" if dtype == "float64" else "float32"
                for options in ({}, {"axis": -1}, {"weights": library.asarray(w, real)}, {"weights": 0.3}):
                    for radius in (1e-3, 1.0, 30.0):
                        p = l1.project(x, radius, **options)
                        assert to_numpy(l1.project(p, radius, **options)).tobytes() == to_numpy(p).tobytes()

    @pytest.mark.parametrize("shape", [(3,), (2, 50), (5, 1000)])
    def test_onto_the_ball_of_its_own_value_is_itself(self, library, shape):
        rng = np.random.default_rng(7)
        values, w = rng.standard_normal(shape), rng.uniform(0.2, 3, shape)
        for dtype in library.dtypes:
            x = library.asarray(
                (values + (1j if dtype.startswith("complex") else 0)).astype(
                    dtype if dtype != "bfloat16" else "float32"
                ),
                dtype,
            )
            real = "float64" if dtype in ("float64", "complex128") else "float32"
            for weights in (None, 0.3, library.asarray(w, real)):
                v = l1.value(x, weights=weights)
                same = to_numpy(x).tobytes()
                assert to_numpy(l1.project(x, v, weights=weights)).tobytes() == same
                assert to_numpy(l1.project(x, float(to_numpy(v)), weights=weights)).tobytes() == same
                both = weights if weights is None or isinstance(weights, float) else [weights, weights]
                parts = l1.project([x, x], l1.value([x, x], weights=both), weights=both)
                assert to_numpy(parts[1]).tobytes() == same
            rows = l1.value(x, axis=-1, keepdims=True)
            assert to_numpy(l1.project(x, rows, axis=-1)).tobytes() == same


class TestMean:
    """A mean whose sum overflows, where a look at the sum makes no one wait."""

    @pytest.mark.only("numpy", "strict", "torch")
    @pytest.mark.parametrize("fused", [True, False])
    def test_is_finite(self, library, fused):
        if "float64" not in library.dtypes:
            pytest.skip("the library has no float64")
        x = library.asarray([[1e308, -1e308, 1.5e308]], "float64")
        single, mask = library.asarray([2.0], "float32"), library.bool([[True, True, False]])
        tenths = library.asarray([[0.1, 0.1, 0.1]], "float64")
        soft = l1.SoftL1Regularizer(1.0, reduce="mean")
        mean = 3.5 / 3 * 1e308
        cases = {
            "value": (l1.value(x, reduce="mean"), mean),
            "rows": (l1.value(x, axis=1, reduce="mean"), mean),
            "mask": (l1.value(x, where=mask, reduce="mean"), 1e308),
            "list": (l1.value([x, single, x], reduce="mean"), 6 / 7 * mean),
            "both": (l1.value_and_subgradient(x, reduce="mean")[0], mean),
            "both of a list": (l1.value_and_subgradient([x, x], reduce="mean")[0], mean),
            "small factor": (l1.value(x, weights=0.1), 3.5e307),
            "small factors of a list": (l1.value([x, x], weights=[0.1, 0.05]), 5.25e307),
            "small weights": (l1.value(x, weights=tenths, reduce="mean"), mean / 10),
            "huber": (l1.huber(x, 1.0, reduce="mean"), mean),
            "wide huber": (l1.huber([x, x], 1e307, reduce="mean"), mean - 5e306),
            "regularizer": (l1.L1Regularizer(reduce="mean").compute(None, x)[0], mean),
            "metric": (l1.L1Regularizer(reduce="mean").compute(None, [x, x])[1]["l1_mean"], mean),
            "soft": (soft.compute(None, x)[0], mean),
            "soft metric": (soft.compute(None, [x, x])[1]["l1_mean"], mean),
            "groups": (l1.group_value(x, axis=0, reduce="mean"), mean),
        }
        with kernels(enabled=fused, smallest=0 if fused else None):
            for name, (found, expected) in cases.items():
                assert np.allclose(to_numpy(found) / 1e300, expected / 1e300, rtol=1e-14), name
            infinite = library.asarray([inf, 1.0], "float64")
            assert to_numpy(l1.value(infinite, reduce="mean")) == inf
            assert to_numpy(l1.value(library.asarray([complex(inf, 1)], "complex128"), reduce="mean")) == inf
            assert np.isnan(
                to_numpy(l1.value(library.asarray([1e308, 1e308, nan], "float64"), reduce="mean"))
            )

    @pytest.mark.only("torch")
    def test_has_its_gradient(self, library):
        x = library.asarray([1e308, -1e308], "float64").requires_grad_()
        v = l1.value(x, reduce="mean")
        v.backward()
        assert v.item() == 1e308
        assert x.grad.tolist() == [0.5, -0.5]


class Constant:
    """A loss with a given derivative everywhere."""

    def __init__(self, name, derivative):
        self.name, self.derivative = name, derivative

    def compute(self, data, logprobs):
        return (logprobs * self.derivative)[0], {}

    def subgradient(self, data, logprobs):
        return logprobs * 0 + self.derivative


class TestNorms:
    def test_of_weights_whose_squares_are_out_of_range(self, library):
        wide = "float64" in library.dtypes
        dtype = "float64" if wide else "float32"
        one, two = library.asarray([1.0], dtype), library.asarray([3.0, -2.0, 0.0], dtype)
        for w in (1e-200, 1e200, 1e25) if wide else (1e-30, 1e30, 1e25):
            array = library.asarray([w, w, w], dtype)
            root2, root3 = (pytest.approx(math.sqrt(n) * w, rel=1e-6) for n in (2, 3))
            assert float(to_numpy(l1.subgradient_norm(two, weights=w))) == root2
            assert float(to_numpy(l1.subgradient_norm(two, weights=array))) == root2
            assert float(to_numpy(l1.subgradient_norm([one, two], weights=w))) == root3
            assert float(to_numpy(l1.subgradient_norm([one, two], weights=[w, array]))) == root3
            assert float(to_numpy(l1.subgradient_norm([one * 0, two], weights=[1.0, w]))) == root2
            mean = l1.subgradient_norm([one, two], weights=w, reduce="mean")
            assert float(to_numpy(mean)) == pytest.approx(math.sqrt(3) / 4 * w, rel=1e-6)
            mixed = library.asarray([w, 1.0, nan], dtype)
            mask = library.bool([True, True, False])
            both = l1.subgradient_norm(two, weights=mixed, where=mask)
            assert float(to_numpy(both)) == pytest.approx(math.hypot(w, 1), rel=1e-6)
            assert math.isnan(float(to_numpy(l1.subgradient_norm(two, weights=mixed * (two + 1)))))

    @pytest.mark.parametrize("size", [1e-24, 1e25, 1e-200, 1e200])
    def test_of_gradients_and_their_cosines(self, library, size):
        dtype = "float32" if 1e-30 < size < 1e30 else "float64"
        if dtype not in library.dtypes:
            pytest.skip("the library has no float64")
        lp = library.asarray([-1.0, -2.0], dtype)
        half = Constant("half", size / 2)
        _, report = l1.Pipeline(Constant("base", size), [l1.Term(half, weight=0.5)])(None, lp)
        floats, root = report.to_floats(), math.sqrt(2) * size
        assert floats["base_loss/grad_norm"] == pytest.approx(root, rel=1e-6)
        assert floats["half/grad_norm"] == pytest.approx(root / 2, rel=1e-6)
        assert floats["total_grad_norm"] == pytest.approx(1.25 * root, rel=1e-6)
        assert floats["half/cosine"] == pytest.approx(1, rel=1e-6)
        rows = l1.Pipeline(Rows("base", size), [l1.Term(Rows("half", -size / 2))])(None, [lp, lp])[
            1
        ].to_floats()
        assert rows["base_loss/grad_norm"] == pytest.approx(2 * size, rel=1e-6)
        assert rows["half/cosine"] == pytest.approx(-1, rel=1e-6)


class Rows(Constant):
    """The same for a list."""

    def compute(self, data, logprobs):
        return super().compute(data, logprobs[0])

    def subgradient(self, data, logprobs):
        return [super(Rows, self).subgradient(data, lp) for lp in logprobs]


def test_products_that_underflow_are_positive_zeros(library):
    x = library.asarray([-1.0, 1.0, -2.0], "float32")
    s = to_numpy(l1.subgradient(x, weights=1e-60))
    assert not s.any()
    assert not np.signbit(s).any()
