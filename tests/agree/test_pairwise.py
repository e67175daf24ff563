"""Every pair of libraries gives the same: run where several are installed."""

import itertools

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import l1_any as l1
from l1_any.testing import to_numpy, ulps


@pytest.fixture(scope="session")
def pairs(chosen_libraries):
    if len(chosen_libraries) < 2:
        raise pytest.UsageError("agreement needs at least two libraries or devices: install or name more")
    return list(itertools.combinations(chosen_libraries, 2))


def everything(library, x, mask, weights, reduce):
    with library.backend.mode(library.variant):
        y = library.asarray(x)
        kw = {"where": library.bool(mask), "weights": library.asarray(weights), "reduce": reduce}
        v, s = l1.value_and_subgradient(y, **kw)
        return [to_numpy(a) for a in (v, s, l1.value(y, axis=-1, **kw), l1.subgradient_norm(y, **kw))]


@given(
    case=hnp.array_shapes(max_dims=2, max_side=6).flatmap(
        lambda shape: st.tuples(
            hnp.arrays(np.float32, shape, elements=st.floats(-100, 100, width=16)),
            hnp.arrays(bool, shape),
            hnp.arrays(np.float32, shape, elements=st.floats(0, 4, width=16)),
        )
    ),
    reduce=st.sampled_from(["sum", "mean"]),
)
def test_every_pair(pairs, case, reduce):
    x, mask, weights = case
    x, weights = (np.where(np.abs(a) < 1e-3, 0, a).astype(np.float32) for a in (x, weights))
    results = {}
    for a, b in pairs:
        for library in (a, b):
            if library not in results:
                results[library] = everything(library, x, mask, weights, reduce)
        tolerance = max(a.tolerance, b.tolerance)
        for mine, yours in zip(results[a], results[b], strict=True):
            assert mine.dtype == yours.dtype
            assert ulps(mine, yours.astype(float), "float32") <= tolerance, (a.variant.name, b.variant.name)


def test_large(pairs):
    x = np.random.default_rng(0).standard_normal((1000, 1001)).astype(np.float32)
    x[::7] = 0
    results = {}
    for library in dict.fromkeys(itertools.chain(*pairs)):
        with library.backend.mode(library.variant):
            v, s = l1.value_and_subgradient(library.asarray(x), reduce="mean")
            results[library] = to_numpy(v), to_numpy(s)
    for a, b in pairs:
        assert ulps(results[a][0], float(results[b][0]), "float32") <= max(a.tolerance, b.tolerance)
        assert np.array_equal(results[a][1], results[b][1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_prox_bit_for_bit(chosen_libraries, dtype):
    """Real prox is two roundings at most, and all of them are the same everywhere."""
    x = np.random.default_rng(3).standard_normal(1001).astype(dtype)
    w = np.random.default_rng(4).uniform(0, 2, 1001).astype(dtype)
    results = {}
    for library in chosen_libraries:
        if dtype not in library.dtypes:
            continue
        with library.backend.mode(library.variant):
            a, b = library.asarray(x), library.asarray(w)
            results[library.variant.name] = (
                to_numpy(l1.prox(a, 0.3)).tobytes(),
                to_numpy(l1.prox(a, 0.3, weights=b)).tobytes(),
                to_numpy(l1.prox(a, 0.3, weights=b, nonnegative=True)).tobytes(),
            )
    assert len(results) > 1
    for (one, a), (other, b) in itertools.combinations(results.items(), 2):
        assert a == b, f"{one} and {other} differ"
