"""Numbers as arguments: integers, 0-d arrays and traced numbers; half-widths too small for the dtype."""

import math

import numpy as np
import pytest

import l1_any as l1
from l1_any.testing import to_numpy


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

    @pytest.mark.only("jax")
    def test_traced_as_counts(self, library):
        import jax

        lp = library.asarray([-1.0, -2.0], "float32")
        schedules = l1.schedules

        def changed(lp, v):
            return l1.L1Regularizer(("delta", l1.Uniform(v))).compute(None, lp)[0]

        for call in (jax.jit(changed), lambda lp, v: jax.jit(lambda v: changed(lp, v))(v)):
            assert float(call(lp, 2)) == pytest.approx(3 - 2 * math.log(2), rel=1e-5)
        assert jax.jit(jax.grad(changed))(lp, 2).tolist() == [-1, -1]
        for step in (1, library.asarray(1, "int32")):
            rise = jax.jit(lambda n, step=step: schedules.linear_warmup(0.3, n)(step))
            fall = jax.jit(lambda n, step=step: schedules.cosine(0.3, n, final=0.1)(step))
            assert float(rise(3)) == pytest.approx(0.1)
            assert float(fall(3)) == pytest.approx(schedules.cosine(0.3, 3, final=0.1)(1))
        with pytest.raises(
            ValueError, match="`warmup` must be an int >= 0 whose value is known here, got an array"
        ):
            jax.jit(lambda n: schedules.cosine(0.3, 9, warmup=n)(1))(3)
        with pytest.raises(ValueError, match="`steps` must be an int >= 1"):
            jax.jit(lambda n: schedules.linear_warmup(0.3, n)(1))(3.0)

    @pytest.mark.only("torch")
    def test_compiled_as_counts(self, library):
        import torch

        @torch.compile(fullgraph=True, backend="eager")
        def changed(lp, v):
            weight = l1.schedules.linear_warmup(0.5, v)(torch.ones((), dtype=torch.int64, device=lp.device))
            return weight * l1.L1Regularizer(("delta", l1.Uniform(v))).compute(None, lp)[0]

        lp = library.asarray([-1.0, -2.0], "float32")
        v = library.asarray(2, "int64")
        assert float(changed(lp, v)) == pytest.approx((3 - 2 * math.log(2)) / 4, rel=1e-6)

    @pytest.mark.only("dask")
    def test_lazy_as_counts(self, library):
        lp = library.asarray([-1.0, -2.0], "float32")
        value, _ = l1.L1Regularizer(("delta", l1.Uniform(library.asarray(2, "int64")))).compute(None, lp)
        assert float(to_numpy(value)) == pytest.approx(3 - 2 * math.log(2), rel=1e-6)
        assert float(
            to_numpy(l1.schedules.linear_warmup(0.3, library.asarray(3, "int64"))(1))
        ) == pytest.approx(0.1)

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
