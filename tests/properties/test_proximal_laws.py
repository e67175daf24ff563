"""The laws of the soft threshold and of what is made from it, on every library."""

import numpy as np
import proximal_laws
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import l1_any as l1
from l1_any.testing import to_numpy

DTYPES = st.sampled_from(["float32", "float64"])


def numbers(low=-1e4, high=1e4):
    """Numbers on a grid: ties with the step happen, subnormals do not."""
    grid = st.integers(-64, 64).map(lambda n: n / 8)
    wide = st.floats(low, high, width=32).filter(lambda v: v == 0 or abs(v) > 1e-4)
    return st.one_of(grid, wide, st.sampled_from([0.0, -0.0])).map(lambda v: min(max(v, low), high))


def vectors(dtype="float32"):
    return arrays(dtype, st.sampled_from([(1,), (5,), (2, 3)]), elements=numbers())


steps = st.integers(0, 40).map(lambda n: n / 8)


def supported(library, dtype):
    return dtype if dtype in library.dtypes else "float32"


class TestProx:
    @given(dtype=DTYPES, step=steps, data=st.data())
    def test_is_optimal(self, library, dtype, step, data):
        x = data.draw(vectors(supported(library, dtype)))
        weights = data.draw(arrays(x.dtype, x.shape, elements=st.integers(0, 8).map(lambda n: n / 4)))
        proximal_laws.prox_is_optimal(l1.prox, library, x, step, weights)

    @given(x=vectors(), step=steps)
    def test_is_the_formula(self, library, x, step):
        p = to_numpy(l1.prox(library.asarray(x), step))
        exact = proximal_laws.soft(x, np.float32(step)).astype(np.float32)
        assert np.array_equal(p, exact)
        proximal_laws.no_negative_zeros(p)

    @given(x=vectors(), step=steps)
    def test_is_odd_and_shrinks(self, library, x, step):
        p = to_numpy(l1.prox(library.asarray(x), step))
        assert np.array_equal(-p, to_numpy(l1.prox(library.asarray(-x), step)))
        assert np.all(np.abs(p) <= np.abs(x))

    @given(x=vectors(), step=steps, shift=numbers())
    def test_is_monotone_and_nonexpansive(self, library, x, step, shift):
        y = x + np.float32(shift)
        p, q = (to_numpy(l1.prox(library.asarray(a), step)).astype(float) for a in (x, y))
        assert np.all((q - p) * np.sign(shift) >= 0)
        rounding = 2e-7 * (np.abs(x.astype(float)) + np.abs(y.astype(float)))
        assert np.all(np.abs(q - p) <= np.abs(y.astype(float) - x.astype(float)) + rounding)

    @given(x=vectors())
    def test_of_step_0_is_the_identity(self, library, x):
        p = to_numpy(l1.prox(library.asarray(x), 0.0))
        assert np.array_equal(p, x)
        proximal_laws.no_negative_zeros(p)

    @given(x=vectors(), step=steps)
    def test_nonnegative_is_the_constrained_minimum(self, library, x, step):
        p = to_numpy(l1.prox(library.asarray(x), step, nonnegative=True))
        assert np.array_equal(p, np.maximum(x - np.float32(step), 0))
        proximal_laws.no_negative_zeros(p)

    @given(data=st.data(), step=steps)
    def test_mask_leaves_the_rest_unchanged(self, library, data, step):
        x = data.draw(vectors())
        mask = data.draw(arrays(bool, x.shape))
        x[~mask & (x > 0)] = np.nan
        proximal_laws.prox_leaves_masked_elements(l1.prox, library, x, step, mask)

    @given(x=vectors(), step=steps, ratio=st.sampled_from([0.0, 0.25, 0.5, 1.0]))
    def test_elastic_net_is_optimal(self, library, x, step, ratio):
        p = to_numpy(l1.prox_elastic_net(library.asarray(x), step, l1_ratio=ratio)).astype(float)
        expected = proximal_laws.soft(x, step * ratio) / (1 + step * (1 - ratio))
        assert np.allclose(p, expected, rtol=1e-6, atol=1e-6 * np.max(np.abs(x)))
        assert np.all((p == 0) == (np.abs(x) <= np.float32(step * ratio)))

    @given(x=vectors(), step=steps)
    def test_structure_is_its_leaves(self, library, x, step):
        a = library.asarray(x)
        p = l1.prox({"a": a, "b": [a, (a,)]}, step)
        alone = to_numpy(l1.prox(a, step)).tobytes()
        assert [to_numpy(q).tobytes() for q in (p["a"], p["b"][0], p["b"][1][0])] == [alone] * 3


class TestComplexProx:
    @given(step=steps, data=st.data())
    def test_shrinks_the_modulus_and_keeps_the_phase(self, library, step, data):
        re, im = (data.draw(arrays("float32", (4,), elements=numbers())) for _ in range(2))
        z = re.astype("complex64") + 1j * im.astype("complex64")
        p = to_numpy(l1.prox(library.asarray(z), step)).astype(complex)
        modulus = np.abs(z.astype(complex))
        rounding = 1e-6 * (modulus + 1)
        assert np.all(np.abs(np.abs(p) - np.maximum(modulus - step, 0)) <= rounding)
        assert np.all(np.abs(p * modulus - z * np.abs(p)) <= rounding * (modulus + 1))


class TestSubdiffDistance:
    @given(x=vectors(), step=st.integers(1, 40).map(lambda n: n / 8))
    def test_is_0_at_the_prox_which_minimises(self, library, x, step):
        p = l1.prox(library.asarray(x), step)
        gradient = library.asarray(to_numpy(p) - x)  # of |p - x|²/2
        distance = to_numpy(l1.subdiff_distance(p, gradient, step))
        assert np.all(distance <= 4e-7 * (np.abs(x) + step))

    @given(data=st.data(), strength=steps)
    def test_is_the_distance(self, library, data, strength):
        x = data.draw(vectors())
        g = data.draw(arrays("float32", x.shape, elements=numbers()))
        distance = to_numpy(l1.subdiff_distance(library.asarray(x), library.asarray(g), strength))
        low = np.where(x == 0, -strength, strength * np.sign(x))
        high = np.where(x == 0, strength, strength * np.sign(x))
        exact = np.maximum(np.maximum(low + g.astype(float), -g.astype(float) - high), 0)
        assert np.allclose(distance, exact, rtol=1e-6, atol=1e-6 * strength)

    @given(x=vectors(), scale=st.sampled_from([0.5, 1.0, 2.0]))
    def test_strength_max_is_the_least_that_gives_zero(self, library, x, scale):
        strength = float(to_numpy(l1.strength_max(library.asarray(x), weights=scale)))
        assert strength == np.max(np.abs(x)) / scale
        zero = library.asarray(np.zeros_like(x))
        assert np.all(to_numpy(l1.subdiff_distance(zero, library.asarray(x), strength, weights=scale)) == 0)
        if strength > 0:
            less = l1.subdiff_distance(zero, library.asarray(x), strength * 0.99, weights=scale)
            assert np.any(to_numpy(less) > 0)


class TestHuber:
    @given(x=vectors(), delta=st.integers(1, 40).map(lambda n: n / 8))
    def test_is_the_moreau_envelope(self, library, x, delta):
        """The minimum over p of Σ|p| + |x - p|²/(2δ), taken at the exact prox."""
        wide = x.astype(float)
        p = proximal_laws.soft(wide, delta)
        exact = np.sum(np.abs(p) + (wide - p) ** 2 / (2 * delta))
        assert np.isclose(to_numpy(l1.huber(library.asarray(x), delta)), exact, rtol=1e-6)
        for q in (p * 1.01, p + 0.01, wide):
            assert exact <= np.sum(np.abs(q) + (wide - q) ** 2 / (2 * delta)) + 1e-9

    @given(x=vectors(), delta=st.integers(1, 40).map(lambda n: n / 8))
    def test_gradient_is_x_minus_prox_over_delta(self, library, x, delta):
        g = to_numpy(l1.huber_gradient(library.asarray(x), delta))
        exact = (x.astype(float) - proximal_laws.soft(x, delta)) / delta
        assert np.allclose(g, exact, rtol=3e-7, atol=1e-30)

    @given(data=st.data(), delta=steps, reduce=st.sampled_from(["sum", "mean"]))
    def test_has_the_keywords_of_value(self, library, data, delta, reduce):
        x = data.draw(vectors())
        mask = data.draw(arrays(bool, x.shape))
        y = np.where(mask, x, np.nan)
        args = {"axis": 0, "keepdims": True, "reduce": reduce, "where": library.bool(mask), "weights": 0.5}
        with np.errstate(divide="ignore", invalid="ignore"):
            h = np.where(np.abs(x) <= delta, x.astype(float) ** 2 / (2 * delta or 1), np.abs(x) - delta / 2)
            n = np.sum(mask, axis=0, keepdims=True) if reduce == "mean" else 1
            exact = np.sum(np.where(mask, h / 2, 0), axis=0, keepdims=True) / n
        got = to_numpy(l1.huber(library.asarray(y), delta, **args))
        assert np.allclose(got, exact, rtol=1e-6, equal_nan=True)

    @given(x=vectors())
    def test_of_delta_0_is_value(self, library, x):
        a = library.asarray(x)
        assert to_numpy(l1.huber(a, 0)) == to_numpy(l1.value(a))
        assert np.array_equal(to_numpy(l1.huber_gradient(a, 0)), to_numpy(l1.subgradient(a)))

    def test_structure_is_one_vector(self, library):
        a, b = (library.asarray(np.linspace(-2, 2, n, dtype=np.float32)) for n in (5, 7))
        both = l1.huber(library.xp.concat([a, b]), 0.5, reduce="mean")
        assert np.isclose(to_numpy(l1.huber([a, b], 0.5, reduce="mean")), to_numpy(both), rtol=2e-7)
