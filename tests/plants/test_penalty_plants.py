"""Values and subgradients that are planted wrong: the laws must not hold for them."""

from types import SimpleNamespace

import numpy as np
import penalty_laws
import pytest

import l1_any as l1

X = np.asarray([[-3.0, 0.25, -0.5, 2.0], [0.25, -4.0, 1.0, 0.0]], np.float32)
SPECIAL = np.asarray([0.0, -0.0, np.inf, -np.inf, np.nan, 1.5], np.float32)
MASK = np.asarray([[True, False, True, False], [False, True, False, True]])
WEIGHTS = np.asarray([[0.5, 1.0, 2.0, 1.0], [2.0, 0.5, 1.0, 4.0]], np.float32)
LONG = np.random.default_rng(0).standard_normal(600_000).astype(np.float32)
BLOCK = 2**16

pytestmark = pytest.mark.only("numpy")


def mask_by_product(x, *, where=None):
    return l1.value_and_subgradient(x if where is None else x * where)


def one_at_zero(x, **options):
    return np.where(x == 0, np.float32(1), l1.subgradient(x, **options))


def zero_at_nan(x, **options):
    return l1.subgradient(np.where(np.isnan(x), np.float32(0), x), **options)


def sum_in_float32(x, *, axis=None):
    return np.asarray(np.cumsum(np.abs(x), axis=axis, dtype=np.float32)[-1])


def sum_of_parts_that_overlap(x, *, axis=None):
    """A sum of 12 parts of equal length, the last of which shares elements with the one before it."""
    x = np.abs(x.reshape(-1)) if axis is None else np.abs(np.moveaxis(x, axis, 0))
    length = -(-len(x) // 12)
    starts = [*range(0, len(x) - length, length), len(x) - length]
    return np.asarray(sum(np.sum(x[i : i + length], axis=0, dtype=np.float64) for i in starts), np.float32)


def count_of_every_element(x, *, axis=None, reduce="sum", where=None):
    n = x.size if axis is None else x.shape[axis]
    return l1.value(x, axis=axis, where=where) / np.float32(n if reduce == "mean" else 1)


def last_of_each_block_lost(x):
    kept = np.arange(x.size) % BLOCK != BLOCK - 1
    return l1.value(x, where=kept), l1.subgradient(x, where=kept)


def subgradient_without_weights(x, *, weights=None):
    del weights
    return l1.subgradient(x)


def both_without_weights(x, *, weights=None):
    return l1.value(x, weights=weights), l1.subgradient(x)


def value_that_writes_to_its_input(x):
    np.abs(x, out=x)
    return l1.value(x)


def value_that_writes_to_its_weights(x, *, weights=None):
    result = l1.value(x, weights=weights)
    weights /= np.sum(weights)
    return result


def first_array(x):
    return next(first_array(each) for each in (x.values() if isinstance(x, dict) else x)) if is_tree(x) else x


def is_tree(x):
    return isinstance(x, dict | list | tuple)


def on_first_array(function):
    """Give a function that takes the first array of a pytree for all of it."""

    def planted(x, *, where=None, **options):
        return function(first_array(x), where=first_array(where), **options)

    return planted


def value_and_subgradient_of_the_first_array(x, **options):
    return on_first_array(l1.value)(x, **options), l1.subgradient(x, **options)


def structures(**functions):
    """Give the package's functions with some replaced by wrong ones."""
    names = ("value", "value_and_subgradient", "subgradient_norm")
    return SimpleNamespace(**({name: getattr(l1, name) for name in names} | functions))


def test_a_mask_that_multiplies(library):
    x = X.copy()
    x[0, 1], x[1, 0] = np.inf, np.nan
    penalty_laws.mask_excludes(l1.value_and_subgradient, library, x, MASK)
    with pytest.raises(AssertionError), np.errstate(invalid="ignore"):
        penalty_laws.mask_excludes(mask_by_product, library, x, MASK)


@pytest.mark.parametrize("subgradient", [one_at_zero, zero_at_nan])
def test_another_subgradient(library, subgradient):
    penalty_laws.subgradient_is_minimal(l1.subgradient, library, SPECIAL)
    with pytest.raises(AssertionError):
        penalty_laws.subgradient_is_minimal(subgradient, library, SPECIAL)


def test_a_float32_sum(library):
    law = penalty_laws.long_equal_elements_are_exact
    law(l1.value, library, 300_001, 0.1, "float32")
    with pytest.raises(AssertionError):
        law(sum_in_float32, library, 300_001, 0.1, "float32")


@pytest.mark.parametrize("planted", [sum_in_float32, sum_of_parts_that_overlap])
def test_a_wrong_sum_of_equal_elements(library, planted):
    law = penalty_laws.equal_elements_are_exact
    for shape, axis in (((12_289,), None), ((12_289, 3), 0)):
        law(l1.value, library, shape, 0.1, axis=axis)
        with pytest.raises(AssertionError):
            law(planted, library, shape, 0.1, axis=axis)


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_a_mean_of_every_element(library, axis):
    penalty_laws.mean_counts_selected(l1.value, library, X, MASK, axis)
    with pytest.raises(AssertionError):
        penalty_laws.mean_counts_selected(count_of_every_element, library, X, MASK, axis)


def test_a_lost_element_of_each_block(library):
    x = library.asarray(LONG)
    penalty_laws.long_arrays_are_exact(l1.value_and_subgradient, library, x)
    with pytest.raises(AssertionError):
        penalty_laws.long_arrays_are_exact(last_of_each_block_lost, library, x)


def test_weights_that_the_subgradient_ignores(library):
    penalty_laws.weights_multiply(l1.value, l1.subgradient, library, X, WEIGHTS)
    with pytest.raises(AssertionError):
        penalty_laws.weights_multiply(l1.value, subgradient_without_weights, library, X, WEIGHTS)
    penalty_laws.inner_product_is_the_value(l1.value_and_subgradient, library, X, weights=WEIGHTS)
    with pytest.raises(AssertionError):
        penalty_laws.inner_product_is_the_value(both_without_weights, library, X, weights=WEIGHTS)


@pytest.mark.parametrize("reduce", ["sum", "mean"])
@pytest.mark.parametrize(
    "planted",
    [
        {"value_and_subgradient": value_and_subgradient_of_the_first_array},
        {"value": on_first_array(l1.value)},
        {"subgradient_norm": on_first_array(l1.subgradient_norm)},
    ],
    ids=["both", "value", "norm"],
)
def test_the_first_array_of_a_structure(library, planted, reduce):
    x = X[0]
    for mask in (None, MASK[0]):
        penalty_laws.structures_are_one_vector(l1, library, x, 2, mask=mask, reduce=reduce)
        with pytest.raises(AssertionError):
            penalty_laws.structures_are_one_vector(
                structures(**planted), library, x, 2, mask=mask, reduce=reduce
            )


def test_a_call_that_writes_to_its_arguments(library):
    penalty_laws.input_is_untouched(l1.value, library, X, weights=WEIGHTS)
    with pytest.raises(AssertionError):
        penalty_laws.input_is_untouched(value_that_writes_to_its_input, library, X)
    with pytest.raises(AssertionError):
        penalty_laws.input_is_untouched(value_that_writes_to_its_weights, library, X, weights=WEIGHTS)


def test_a_second_call_that_differs(library):
    calls = []

    def value_that_remembers(x):
        calls.append(x)
        return l1.value(x) * np.float32(len(calls))

    with pytest.raises(AssertionError):
        penalty_laws.input_is_untouched(value_that_remembers, library, X)
