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
def pairs(request):
    from conftest import libraries

    chosen = libraries(request.config)
    if len(chosen) < 2:
        raise pytest.UsageError(
            "agreement needs at least two libraries or devices: install more, or name more"
        )
    return list(itertools.combinations(chosen, 2))


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
