"""Dask's arrays: nothing is computed before the user does, and chunks of any lengths give the whole."""

import numpy as np
import pytest
from operators import OPERATORS, SCALARS, WITH_MEANS, data

import l1_any as l1
from l1_any.testing import exact_subgradient, exact_value, ulps


@pytest.mark.only("dask")
def test_dask_stays_lazy(library):
    import dask.array as da

    def fail():
        raise AssertionError("computed before the user did")

    from dask.delayed import delayed

    x = da.from_delayed(delayed(fail)(), shape=(30, 4), dtype="float32")
    for reduce in ("sum", "mean"):
        for where in (None, x > 0):
            l1.value(x, axis=0, reduce=reduce, where=where)
            l1.value_and_subgradient([x, x], reduce=reduce, where=[where, where], weights=2.0)
            l1.subgradient(x, axis=1, reduce=reduce, where=where)
            l1.subgradient_norm(x, reduce=reduce, where=where)


@pytest.mark.only("dask")
def test_dask_names_tasks_without_the_data(library, unpicklable):
    x = unpicklable
    where = x > 0
    for function in (l1.value, l1.subgradient, l1.value_and_subgradient):
        function(x, axis=0, reduce="mean", where=where, weights=where.astype(float))
    l1.subgradient_norm(x, where=where, weights=2.0)
    assert library.name == "dask"


@pytest.mark.only("dask")
def test_dask_unknown_shapes(library):
    import dask.array as da

    x = da.from_array(np.arange(-3.0, 6.0), chunks=4)
    x = x[x != 0]
    assert l1.value(x, reduce="mean").compute() == 21 / 8
    assert np.allclose(l1.subgradient(x, reduce="mean").compute(), np.sign(x.compute()) / 8)


@pytest.mark.only("dask")
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_dask_unknown_lengths_with_masks_and_weights_in_other_chunks(library, axis):
    import dask.array as da

    values = np.arange(-6.0, 6.0).reshape(3, 4)
    x = da.from_array(values, chunks=(2, 3))
    x = x[x[:, 0] > -5]
    known, w = values[1:], np.arange(4.0)
    options = {"axis": axis, "reduce": "mean"}
    v, s = l1.value_and_subgradient(x, where=x > -2, weights=da.from_array(w, chunks=1), **options)
    assert ulps(v.compute(), exact_value(known, where=known > -2, weights=w, **options), "float64") <= 4
    exact = exact_subgradient(known, where=known > -2, weights=w, **options)
    assert np.allclose(s.compute(), exact, rtol=1e-15, atol=0)


@pytest.mark.only("dask")
@pytest.mark.parametrize("name", OPERATORS | SCALARS | WITH_MEANS)
class TestDaskChunks:
    @pytest.mark.parametrize("chunks", [3, (3, -1), (-1, 1)])
    @pytest.mark.parametrize(
        "rows", [range(8), [0, 3, 4, 7], [6]]
    )  # of which some leave a chunk without a row
    def test_unknown_lengths(self, library, name, chunks, rows):
        import dask.array as da

        function = (OPERATORS | SCALARS | WITH_MEANS)[name]
        values = data((8, 6))
        some = np.isin(np.arange(8), rows)
        x = da.from_array(values, chunks=chunks)
        found = function(x[da.from_array(some, chunks=3)]).compute()
        assert np.allclose(found, function(values[some]), rtol=1e-6, atol=0)

    @pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
    def test_empty(self, library, name, shape):
        if shape[0] == 0 and name in WITH_MEANS:
            pytest.skip("the mean of no groups is refused")
        import dask.array as da

        function = (OPERATORS | SCALARS | WITH_MEANS)[name]
        found = function(da.zeros(shape, chunks=(1, 2), dtype="float32")).compute()
        np.testing.assert_array_equal(found, function(np.zeros(shape, np.float32)))


@pytest.mark.only("dask")
def test_dask_strengths_and_vectors_of_odd_chunks(library):
    import dask.array as da

    values = data((8, 6))
    x = da.from_array(values, chunks=(2, -1))
    rows = [1, 6]
    some = da.from_array(np.isin(np.arange(8), rows), chunks=2)
    assert l1.strength_max(x[some]).compute() == abs(values[rows]).max()
    w = np.linspace(1, 2, 8, dtype=np.float32)[:, None]
    found = l1.project(x[some], 1.0, axis=1, weights=da.from_array(w, chunks=(2, 1))[some]).compute()
    np.testing.assert_array_equal(found, l1.project(values[rows], 1.0, axis=1, weights=w[rows]))
    empty = da.zeros((0, 3), chunks=(1, 2), dtype="float32")
    for operator in (l1.project, l1.prox_max):
        assert operator(empty, 1.0).compute().shape == (0, 3)
        with pytest.raises(ValueError, match=r"`x` must have known lengths .* compute_chunk_sizes\(\)"):
            operator(x[x[:, 0] > 0], 1.0)


@pytest.mark.only("dask")
def test_operators_stay_lazy(library):
    import dask.array as da
    from dask.delayed import delayed

    def fail():
        raise AssertionError("computed before the user did")

    x = da.from_delayed(delayed(fail)(), shape=(30, 4), dtype="float32")
    for function in (OPERATORS | SCALARS).values():
        function(x)
    l1.strength_max([x, x])
    l1.project([x, x], 1.0)
    assert library.name == "dask"


@pytest.mark.only("dask")
def test_operators_name_tasks_without_the_data(library, unpicklable):
    for function in (OPERATORS | SCALARS).values():
        function(unpicklable)
    l1.strength_max(unpicklable, weights=2.0)
    assert library.name == "dask"
