"""Operators that are planted wrong: the laws must not hold for them."""

import numpy as np
import proximal_laws
import pytest

import l1_any as l1

X = np.asarray([[-3.0, 0.25, -0.5, 2.0], [0.25, -4.0, 1.0, 0.5]], np.float32)
WEIGHTS = np.asarray([[0.5, 1.0, 2.0, 1.0], [2.0, 0.5, 1.0, 1.0]], np.float32)
MASK = np.asarray([[True, False, True, False], [False, True, False, True]])


def prox_with_negative_zeros(x, step, *, weights):
    """The usual idiom."""
    return np.sign(x) * np.maximum(np.abs(x) - step * weights, 0)


def prox_that_ignores_weights(x, step, *, weights):
    del weights
    return l1.prox(x, step)


def prox_that_thresholds_what_is_masked_out(x, step, *, where=None):
    del where
    return l1.prox(x, step)


def prox_that_multiplies_by_the_mask(x, step, *, where=None):
    return l1.prox(x, step) if where is None else l1.prox(x, step) * where + x * ~where


def project_that_ignores_weights(x, radius, *, axis, weights):
    del weights
    return l1.project(x, radius, axis=axis)


def project_unsorted(x, radius, *, axis, weights):
    """Cumulative sums in the order of the elements."""
    a = np.abs(x)
    level = np.max((np.cumsum(a * weights, axis=axis) - radius) / np.cumsum(weights**2, axis=axis), axis=axis)
    return l1.prox(x, np.maximum(level, 0)[:, None].astype(x.dtype), weights=weights)


def project_by_scaling(x, radius, *, axis, weights):
    mass = np.sum(np.abs(x) * weights, axis=axis, keepdims=True)
    return (x * np.minimum(1, radius / mass)).astype(x.dtype)


@pytest.mark.only("numpy")
@pytest.mark.parametrize("prox", [prox_with_negative_zeros, prox_that_ignores_weights])
def test_wrong_prox_is_noticed(library, prox):
    proximal_laws.prox_is_optimal(l1.prox, library, X, 0.75, WEIGHTS)
    with pytest.raises(AssertionError):
        proximal_laws.prox_is_optimal(prox, library, X, 0.75, WEIGHTS)


@pytest.mark.only("numpy")
@pytest.mark.parametrize("prox", [prox_that_thresholds_what_is_masked_out, prox_that_multiplies_by_the_mask])
def test_wrong_mask_is_noticed(library, prox):
    x = X.copy()
    x[0, 3] = np.inf
    proximal_laws.prox_leaves_masked_elements(l1.prox, library, x, 0.75, MASK)
    with pytest.raises(AssertionError), np.errstate(invalid="ignore"):
        proximal_laws.prox_leaves_masked_elements(prox, library, x, 0.75, MASK)


@pytest.mark.only("numpy")
@pytest.mark.parametrize("project", [project_that_ignores_weights, project_unsorted, project_by_scaling])
def test_wrong_projection_is_noticed(library, project):
    proximal_laws.projection_is_the_nearest_point(l1.project, library, X, 2.0, WEIGHTS)
    with pytest.raises(AssertionError):
        proximal_laws.projection_is_the_nearest_point(project, library, X, 2.0, WEIGHTS)
