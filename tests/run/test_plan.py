"""The plan: small arrays and those on a GPU whole, large ones on a CPU by blocks, lazy ones by chunks."""

import numpy as np
import pytest

from l1_any._arrays.lookup import known
from l1_any._arrays.state import State
from l1_any._run import blocks, plan
from l1_any.testing import to_numpy


def operations(x):
    ops = known(x)
    return ops.at(ops.around(), x)


@pytest.mark.parametrize("n", [0, 100, 101])
def test_large_plain_arrays_on_a_cpu_run_by_blocks(library, n):
    x = library.asarray(np.ones(n, np.float32))
    ops = operations(x)
    in_memory = library.name in ("numpy", "strict", "torch") and not library.variant.gpu
    assert plan.is_by_blocks(ops, x, 100) == (in_memory and n > 100)
    for state in set(State) - {State.PLAIN}:
        assert not plan.is_by_blocks(ops.in_state(state), x, 100)


def test_a_reduction_gets_whole_arrays_blocks_or_chunks(library):
    n = 2_500_000
    x, shapes = library.asarray(np.ones(n, np.float32)), []

    def formula(x, *, axes, keepdims, ops):
        shapes.append(tuple(x.shape))
        return ops.sum(x, axes, keepdims=keepdims, dtype=ops.accumulator)

    if library.is_lazy:
        x = x.rechunk((n // 4,))
    total = plan.reduce(formula, x, axes=(0,), keepdims=False, ops=operations(x))
    assert to_numpy(total) == n
    by_blocks = library.name in ("numpy", "strict", "torch") and not library.variant.gpu
    if library.is_lazy:
        assert {shape for shape in shapes if shape != (0,)} == {(n // 4,)}
    else:
        assert (len(shapes) > 1) == by_blocks


@pytest.mark.only("numpy")
@pytest.mark.parametrize("shape", [(1000,), (30, 70), (1, 999), (7, 1, 200), (3, 5, 7, 11)])
@pytest.mark.parametrize("block", [1, 64, 500])
def test_blocks_are_small_and_are_read_once(library, shape, block):
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    row, sizes, seen = np.ones(shape[-1], np.float32), [], []

    def formula(x, row, *, axes, keepdims, ops):
        sizes.append(x.size)
        seen.append(x.ravel())
        return (x * row).sum(axis=axes, keepdims=keepdims, dtype=float)

    for axes in ((), (0,), tuple(range(x.ndim))):
        sizes.clear()
        seen.clear()
        total = blocks.reduce(formula, (x, row), axes=axes, keepdims=False, ops=operations(x), block=block)
        np.testing.assert_array_equal(total, x.sum(axis=axes, dtype=float))
        assert max(sizes) <= block
        assert np.array_equal(np.sort(np.concatenate(seen)), x.ravel())


@pytest.mark.only("numpy")
def test_blocks_are_not_cut_along_whole_axes(library):
    x = np.random.default_rng(0).standard_normal((50, 30)).astype(np.float32)
    shapes = []

    def formula(x, *, ops):
        shapes.append(x.shape)
        return np.sort(x, axis=1)

    out = blocks.elementwise(formula, (x,), ops=operations(x), whole=(1,), dtype=None, block=64)
    np.testing.assert_array_equal(out, np.sort(x, axis=1))
    assert {shape[1] for shape in shapes} == {30}


@pytest.mark.only("numpy")
def test_the_largest_of_blocks_is_nan_where_one_is(library):
    x = np.arange(1000, dtype=np.float32)

    def formula(x, *, ops):
        return np.max(x)

    options = {"ops": operations(x), "block": 64}
    assert blocks.largest(formula, (x,), **options) == 999
    x[3] = np.nan
    assert np.isnan(blocks.largest(formula, (x,), **options))
