"""The laws of the projection onto the ball, and of the operators that it gives, on every library."""

import numpy as np
import proximal_laws
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import l1_any as l1
from l1_any.testing import to_numpy

elements = st.one_of(
    st.integers(-32, 32).map(lambda n: n / 8),
    st.floats(-1000, 1000, width=32).filter(lambda v: v == 0 or abs(v) > 1e-3),
)
matrices = arrays("float32", st.sampled_from([(1, 1), (3, 4), (2, 7)]), elements=elements)
radii = st.sampled_from([0.0, 0.125, 1.0, 3.5, 100.0])


class TestProject:
    @given(x=matrices, radius=radii, data=st.data())
    def test_is_the_nearest_point(self, library, x, radius, data):
        weights = data.draw(arrays("float32", x.shape, elements=st.integers(1, 8).map(lambda n: n / 4)))
        proximal_laws.projection_is_the_nearest_point(l1.project, library, x, radius, weights)
        if "float64" in library.dtypes:
            wide, w = x.astype(float), weights.astype(float)
            proximal_laws.projection_is_the_nearest_point(l1.project, library, wide, radius, w)

    @given(x=matrices, radius=radii)
    def test_is_idempotent(self, library, x, radius):
        p = to_numpy(l1.project(library.asarray(x), radius, axis=1))
        q = to_numpy(l1.project(library.asarray(p), radius, axis=1))
        assert p.tobytes() == q.tobytes()

    @given(x=matrices, radius=radii, data=st.data())
    def test_variational_inequality(self, library, x, radius, data):
        """⟨x - p, z - p⟩ <= 0 for every z in the ball."""
        p = to_numpy(l1.project(library.asarray(x), radius)).astype(float)
        z = data.draw(arrays("float64", x.shape, elements=st.floats(-1, 1)))
        z *= radius / max(np.sum(np.abs(z)), 1)
        assert np.sum((x - p) * (z - p)) <= 1e-5 * (np.sum(np.abs(x)) + radius) ** 2

    @given(x=matrices, radius=radii)
    def test_nonnegative_is_the_projection_of_the_positive_part(self, library, x, radius):
        p = to_numpy(l1.project(library.asarray(x), radius, axis=1, nonnegative=True))
        positive = to_numpy(l1.project(library.asarray(np.maximum(x, np.float32(0))), radius, axis=1))
        assert np.array_equal(p, positive)
        proximal_laws.no_negative_zeros(p)

    @given(x=matrices, radius=radii)
    def test_weight_0_is_free_and_a_number_divides_the_radius(self, library, x, radius):
        a = library.asarray(x)
        free = library.asarray(np.where(np.arange(x.shape[1]) == 0, 0, 1).astype(np.float32))
        p = to_numpy(l1.project(a, radius, axis=1, weights=free))
        assert p[:, 0].tobytes() == x[:, 0].tobytes()
        assert np.array_equal(p[:, 1:], to_numpy(l1.project(library.asarray(x[:, 1:]), radius, axis=1)))
        half = to_numpy(l1.project(a, radius, axis=1, weights=0.5))
        assert np.array_equal(half, to_numpy(l1.project(a, 2 * radius, axis=1)))
        assert to_numpy(l1.project(a, radius, weights=0)).tobytes() == x.tobytes()

    @given(x=matrices, radius=radii)
    def test_axes_batches_and_structures_are_the_vectors(self, library, x, radius):
        rows = to_numpy(l1.project(library.asarray(x), radius, axis=1))
        assert np.array_equal(rows.T, to_numpy(l1.project(library.asarray(x.T.copy()), radius, axis=0)))
        alone = np.stack([to_numpy(l1.project(library.asarray(row), radius)) for row in x])
        assert np.allclose(rows, alone, rtol=1e-6, atol=1e-6 * np.max(np.abs(x)))
        tree = l1.project([library.asarray(row) for row in x], radius)
        whole = to_numpy(l1.project(library.asarray(x), radius))
        assert np.allclose(np.stack([to_numpy(leaf) for leaf in tree]), whole, rtol=1e-6)

    @given(x=matrices)
    def test_radius_for_each_vector(self, library, x):
        radius = np.arange(x.shape[0], dtype=np.float32)[:, None]
        p = to_numpy(l1.project(library.asarray(x), library.asarray(radius), axis=1))
        alone = [
            to_numpy(l1.project(library.asarray(row), float(r[0]))) for row, r in zip(x, radius, strict=True)
        ]
        assert np.allclose(p, np.stack(alone), rtol=1e-6, atol=1e-6 * np.max(np.abs(x)))


class TestProxMax:
    @given(x=matrices, step=radii)
    def test_moreau_decomposition(self, library, x, step):
        a = library.asarray(x)
        parts = to_numpy(l1.prox_max(a, step, axis=1)), to_numpy(l1.project(a, step, axis=1))
        assert np.allclose(parts[0] + parts[1], x, rtol=1e-6, atol=1e-6 * np.max(np.abs(x)))
        proximal_laws.no_negative_zeros(parts[0])

    @given(x=matrices, step=radii, data=st.data())
    def test_minimises(self, library, x, step, data):
        p = to_numpy(l1.prox_max(library.asarray(x), step)).astype(float)
        q = p + data.draw(arrays("float64", x.shape, elements=st.floats(-1, 1)))

        def objective(v):
            return step * np.max(np.abs(v)) + np.sum((v - x) ** 2) / 2

        assert objective(p) <= objective(q) + 1e-5 * (1 + objective(q))


class TestProxGroup:
    @given(x=matrices, step=radii)
    def test_shrinks_norms_and_keeps_directions(self, library, x, step):
        p = to_numpy(l1.prox_group(library.asarray(x), step, axis=1)).astype(float)
        norms = np.linalg.norm(x.astype(float), axis=1)
        assert np.allclose(
            np.linalg.norm(p, axis=1), np.maximum(norms - step, 0), rtol=1e-6, atol=1e-6 * (norms.max() + 1)
        )
        assert np.allclose(
            p * norms[:, None],
            x * np.linalg.norm(p, axis=1)[:, None],
            rtol=1e-5,
            atol=1e-6 * (norms.max() + 1) ** 2,
        )
        assert np.all(p[norms < step] == 0)
        proximal_laws.no_negative_zeros(p)

    @given(x=matrices, step=radii)
    def test_of_groups_of_one_is_prox(self, library, x, step):
        p = to_numpy(l1.prox_group(library.asarray(x[..., None]), step, axis=-1))[..., 0]
        assert np.allclose(
            p, to_numpy(l1.prox(library.asarray(x), step)), rtol=1e-5, atol=1e-6 * (np.max(np.abs(x)) + 1)
        )

    @given(x=matrices)
    def test_of_step_0_is_the_identity(self, library, x):
        assert np.array_equal(to_numpy(l1.prox_group(library.asarray(x), 0.0, axis=0)), x)

    @given(x=matrices)
    def test_optimality_by_the_subgradient(self, library, x):
        """x - p = step·s with s in the subdifferential of the norms at p."""
        p = l1.prox_group(library.asarray(x), 1.0, axis=1)
        s = to_numpy(l1.group_subgradient(p, axis=1)).astype(float)
        rest = x - to_numpy(p).astype(float)
        zero = np.all(to_numpy(p) == 0, axis=1)
        scale = 1 + np.max(np.abs(x))
        assert np.allclose(rest[~zero], s[~zero], atol=1e-6 * scale)
        assert np.all(np.linalg.norm(rest[zero], axis=1) <= 1 + 1e-6)


class TestGroupValue:
    @given(x=matrices, reduce=st.sampled_from(["sum", "mean"]))
    def test_is_the_sum_of_norms_and_re_x_s(self, library, x, reduce):
        a = library.asarray(x)
        weights = library.asarray(np.arange(1.0, 1 + x.shape[0], dtype=np.float32)[:, None])
        v = to_numpy(l1.group_value(a, axis=1, weights=weights, reduce=reduce))
        norms = np.linalg.norm(x.astype(float), axis=1) * np.arange(1, 1 + x.shape[0])
        assert np.isclose(v, norms.sum() if reduce == "sum" else norms.mean(), rtol=1e-6)
        s = to_numpy(l1.group_subgradient(a, axis=1, weights=weights, reduce=reduce)).astype(float)
        assert np.isclose(v, np.sum(x * s), rtol=1e-5)

    @given(x=matrices)
    def test_structure_adds_up(self, library, x):
        a = library.asarray(x)
        v = to_numpy(l1.group_value({"a": a, "b": [a]}, axis=1))
        assert np.isclose(v, 2 * to_numpy(l1.group_value(a, axis=1)), rtol=1e-6)
