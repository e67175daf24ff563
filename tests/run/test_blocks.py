"""Arrays longer than a block: their blocks give what the whole does."""

import math

import numpy as np
import penalty_laws
import pytest
from operators import OPERATORS, data

import l1_any as l1
from l1_any.testing import to_numpy


@pytest.mark.parametrize("view", ["transposed", "strided", "reversed", "broadcast", "fortran"])
def test_views_longer_than_a_block(library, view):
    x = np.random.default_rng(1).standard_normal((700, 900)).astype(np.float32)
    views = {
        "transposed": lambda a: a.T,
        "strided": lambda a: a[::2, 1::3],
        "reversed": library.xp.flip,
        "broadcast": lambda a: library.xp.broadcast_to(a[None, :, :], (3, 700, 900)),
        "fortran": lambda a: library.xp.permute_dims(a[:, :, None], (1, 2, 0)),
    }
    y = views[view](library.asarray(x))
    for axis in (None, 0, 1):
        penalty_laws.long_arrays_are_exact(l1.value_and_subgradient, library, y, axis=axis, weights=2.0)
        s = l1.subgradient(y, axis=axis, weights=2.0)
        assert np.array_equal(to_numpy(s), 2 * np.sign(to_numpy(y)))


def test_masks_and_weights_longer_than_a_block(library):
    rng = np.random.default_rng(2)
    x = rng.standard_normal((600, 1000)).astype(np.float32)
    mask, w = rng.random((600, 1)) < 0.5, rng.random(1000).astype(np.float32)
    x[~mask[:, 0], 3] = math.nan
    for axis in (None, 0, 1):
        options = {"axis": axis, "reduce": "mean", "where": mask, "weights": w}
        penalty_laws.long_arrays_are_exact(l1.value_and_subgradient, library, library.asarray(x), **options)


@pytest.mark.parametrize("name", OPERATORS)
def test_blocks_are_the_whole(library, name):
    """What is longer than a block comes out as its rows do."""
    x = data((300, 1100))
    p = to_numpy(OPERATORS[name](library.asarray(x)))
    rows = to_numpy(OPERATORS[name](library.asarray(x[100:110])))
    assert np.allclose(p[100:110], rows, rtol=1e-6, atol=1e-6)


def test_steps_longer_than_a_block(library):
    x = data((300, 1100))
    rows = np.full((300, 1), 0.5, np.float32)
    for function in (
        lambda a, t: l1.project(a, t, axis=1),
        lambda a, t: l1.prox_max(a, t, axis=1),
        lambda a, t: l1.prox_group(a, t, axis=1),
        l1.prox,
    ):
        a = library.asarray(x)
        by_array = to_numpy(function(a, library.asarray(rows)))
        assert np.allclose(by_array, to_numpy(function(a, 0.5)), rtol=1e-6, atol=1e-7)
