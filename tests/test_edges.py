"""Numbers at the edge: of a dtype's range, of a byte order, of an axis; and complex numbers that are partly NaN."""

import math

import numpy as np
import pytest

import l1_any as l1
from l1_any.testing import to_numpy

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


def largest_of(library):
    """A dtype of the library that is as wide as its sums, and a number near its largest."""
    wide = "float64" if "float64" in library.dtypes else "float32"
    return wide, float(np.finfo(wide).max) / 1.8


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


class TestHalfWidth:
    """`delta` as a number that is 0 in the working dtype, and as an array."""

    X = (0.0, 0.25, 2.0, -3.0)

    @pytest.mark.parametrize("delta", [1e-60, 1e-40, 5e-324])
    def test_too_small_for_the_dtype(self, library, delta):
        x = library.asarray(self.X, "float32")
        expected = pytest.approx(5.25, rel=1e-6)
        assert float(to_numpy(l1.huber(x, delta))) == expected
        assert float(to_numpy(l1.huber(x, delta, axis=0, reduce="mean"))) == pytest.approx(5.25 / 4, rel=1e-6)
        assert to_numpy(l1.huber_gradient(x, delta)).tolist() == [0, 1, 1, -1]
        reg = l1.SoftL1Regularizer(delta)
        assert float(to_numpy(reg.compute(None, x)[0])) == expected
        assert to_numpy(reg.subgradient(None, x)).tolist() == [0, 1, 1, -1]
        assert float(to_numpy(reg.subgradient_norm(None, x))) == pytest.approx(math.sqrt(3), rel=1e-6)

    @pytest.mark.parametrize("delta", [0.0, 0.5, 1])
    def test_as_a_0d_array(self, library, delta):
        x = library.asarray(self.X, "float32")
        large = library.asarray(np.resize(self.X, 1 << 20), "float32")
        for array in (library.asarray(delta, "float32"), np.asarray(delta)):
            assert np.array_equal(to_numpy(l1.huber(x, array)), to_numpy(l1.huber(x, delta)))
            both = to_numpy(l1.huber([x, large], array)), to_numpy(l1.huber([x, large], delta))
            assert np.allclose(*both, rtol=1e-6)
            rows = (
                to_numpy(l1.huber(x, array, axis=0, reduce="mean")),
                to_numpy(l1.huber(x, delta, axis=0, reduce="mean")),
            )
            assert np.array_equal(*rows)
            assert np.array_equal(
                to_numpy(l1.huber_gradient(x, array)), to_numpy(l1.huber_gradient(x, delta))
            )
            reg, other = l1.SoftL1Regularizer(array), l1.SoftL1Regularizer(delta)
            assert np.array_equal(to_numpy(reg.compute(None, x)[0]), to_numpy(other.compute(None, x)[0]))
            assert np.array_equal(to_numpy(reg.subgradient(None, x)), to_numpy(other.subgradient(None, x)))
            assert np.allclose(
                to_numpy(reg.subgradient_norm(None, x)), to_numpy(other.subgradient_norm(None, x))
            )

    def test_refused(self, library):
        x = library.asarray(self.X, "float32")
        for call in (l1.huber, l1.huber_gradient):
            with pytest.raises(
                ValueError, match=r"`delta` must be a number or a 0-d array, got shape \(4,\)"
            ):
                call(x, x)
            with pytest.raises(ValueError, match="`delta` must be a finite number >= 0, got "):
                call(x, np.asarray(-1.0))
        with pytest.raises(TypeError, match="`delta` must have a real floating dtype, got bool"):
            l1.huber(x, library.bool(True))

    @pytest.mark.only("jax", "torch")
    def test_is_learnable(self, library):
        def losses(x):
            yield lambda d: l1.huber(x, d)
            yield lambda d: l1.SoftL1Regularizer(d).compute(None, x)[0]
            yield lambda d: l1.Pipeline(l1.L1Regularizer(), [l1.Term(l1.SoftL1Regularizer(d))])(None, x)[0]

        for n in (1, 1 << 18):
            x = library.asarray(np.resize(self.X, 4 * n), "float32")
            for loss in losses(x):
                if library.name == "jax":
                    import jax

                    found = [jax.grad(loss)(0.5), jax.jit(jax.grad(loss))(0.5)]
                else:
                    import torch

                    d = torch.tensor(0.5, device=library.device, requires_grad=True)
                    loss(d).backward()
                    found = [d.grad, torch.func.grad(loss)(torch.tensor(0.5, device=library.device))]
                # -x²/(2δ²) inside, -1/2 outside
                for each in found:
                    assert float(to_numpy(each)) == pytest.approx(-1.125 * n, rel=1e-5)


class TestShare:
    """`l1_ratio` as an array."""

    @pytest.mark.parametrize("share", [0, 1, 0.25])
    def test_as_a_0d_array(self, library, share):
        x = library.asarray([[-3.5, 0.5, 2.0]], "float32")
        steps = library.asarray([[1.0, 2.0, 0.5]], "float32")
        for array in (library.asarray(share, "float32"), np.asarray(share)):
            for step in (1.0, steps):
                found = l1.prox_elastic_net(x, step, l1_ratio=array)
                expected = to_numpy(l1.prox_elastic_net(x, step, l1_ratio=share))
                assert np.allclose(to_numpy(found), expected, rtol=1e-6, atol=0)

    @pytest.mark.only("jax")
    def test_is_learnable(self, library):
        import jax

        x = library.asarray([-3.5, 0.5, 2.0], "float32")
        grad = jax.jit(jax.grad(lambda share: l1.prox_elastic_net(x, 1.0, l1_ratio=share)[0]))
        assert float(grad(0.5)) == pytest.approx(1 / 1.5 - 3 / 1.5**2)


class TestIntegers:
    def test_as_steps_and_radii(self, library):
        x = library.asarray([3.0, -0.5], "float32")
        gradient = library.asarray([1.0, 1.0], "float32")
        for one in (1, np.int32(1), np.uint8(1), np.asarray(1), library.asarray(1, "int32")):
            assert to_numpy(l1.prox(x, one)).tolist() == [2, 0]
            assert to_numpy(l1.prox([x], one)[0]).tolist() == [2, 0]
            assert to_numpy(l1.project(x, one)).tolist() == [1, 0]
            assert to_numpy(l1.prox_max(x, one)).tolist() == [2, -0.5]
            assert (
                to_numpy(l1.prox_group(x, one, axis=0)).tolist()
                == to_numpy(l1.prox_group(x, 1.0, axis=0)).tolist()
            )
            assert to_numpy(l1.prox_elastic_net(x, one, l1_ratio=one)).tolist() == [2, 0]
            assert to_numpy(l1.subdiff_distance(x, gradient, one)).tolist() == [2, 0]
            assert float(to_numpy(l1.value(x, weights=one))) == 3.5
            assert float(to_numpy(l1.huber(x, one))) == 2.625
            assert l1.Term(l1.L1Regularizer(), weight=1).weight_at(0) == 1

    @pytest.mark.only("jax")
    def test_traced(self, library):
        import jax

        x = library.asarray([3.0, -0.5], "float32")
        assert jax.jit(l1.prox)(x, 1).tolist() == [2, 0]
        assert jax.jit(l1.project)(x, 1).tolist() == [1, 0]
        assert jax.jit(l1.huber)(x, 1) == 2.625
        assert jax.jit(lambda x, t: l1.prox_elastic_net(x, t, l1_ratio=t))(x, 1).tolist() == [2, 0]
        assert jax.jit(lambda x, t: l1.subdiff_distance(x, x, t))(x, 1).tolist() == [4, 1.5]

    def test_as_counts(self, library):
        lp = library.asarray([-1.0], "float32")
        for three in (
            np.int64(3),
            np.asarray(3),
            library.asarray(3, "int32") if library.name in ("torch", "jax") else 3,
        ):
            v, _ = l1.L1Regularizer(("delta", l1.Uniform(three))).compute(None, lp)
            assert float(to_numpy(v)) == pytest.approx(math.log(3) - 1, rel=1e-6)
            assert l1.schedules.linear_warmup(0.3, three)(1) == pytest.approx(0.1)
            assert l1.schedules.cosine(0.3, np.int64(9), warmup=three)(1) == pytest.approx(0.1)
        for wrong in (np.int64(0), True, 1.5, np.asarray([2, 3])):
            with pytest.raises(ValueError, match="`steps` must be an int >= 1"):
                l1.schedules.linear_warmup(0.3, wrong)
            with pytest.raises(ValueError, match="`vocabulary_size` must be an int >= 1"):
                l1.Uniform(wrong)
