"""The laws of the value and its subgradient, as checks of any implementation of them: the plants must fail them.

A law takes functions with the arguments of `l1.value`, `l1.subgradient` and `l1.value_and_subgradient` (here
called `both`). Data, masks and weights come in NumPy, and are brought to the library that is tested.
"""

import math

import numpy as np

from l1_any.testing import DOUBLE, HALF, exact_subgradient, exact_value, result_dtype, to_numpy, ulps


def cast(library, dtype, x):
    """The array in the library, and what the rounding to its dtype left of it in NumPy."""
    y = library.asarray(x, dtype)
    return y, np.asarray(to_numpy(y), complex if dtype.startswith("complex") else float)


def bound(library, dtype):
    """The contract's bound on the error of a sum, in ulps."""
    return 4 if dtype in DOUBLE else library.tolerance


def in_library(library, *, where=None, weights=None, **options):
    """The arguments of a function, with masks and weights in the library; those that are None are left out."""
    if where is not None:
        options["where"] = library.bool(where)
    if weights is not None:
        options["weights"] = library.asarray(weights) if isinstance(weights, np.ndarray) else weights
    return options


def value_is_exact(value, library, x, dtype="float32", **options):
    """The value is the oracle's, within the contract's error, in the contract's dtype."""
    y, held = cast(library, dtype, x)
    v = value(y, **in_library(library, **options))
    exact = exact_value(held, **options)
    assert type(v) is type(y)
    assert v.shape == exact.shape
    assert v.dtype == library.asarray(0, result_dtype(dtype)).dtype
    assert ulps(to_numpy(v), exact, result_dtype(dtype)) <= bound(library, dtype)


def subgradient_is_minimal(subgradient, library, x, dtype="float32", **options):
    """The subgradient is the oracle's: 0 at 0, NaN at NaN, 0 where masked out."""
    y, held = cast(library, dtype, x)
    s = subgradient(y, **in_library(library, **options))
    exact = exact_subgradient(held, **options)
    assert type(s) is type(y)
    assert s.shape == y.shape
    assert s.dtype == y.dtype
    got = to_numpy(s)
    assert np.all(got[exact == 0] == 0)
    if dtype.startswith("complex"):
        rtol, atol = 1e-5, 1e-6
    else:
        rtol = 4 * (2.0**-7 if dtype in HALF else float(np.finfo(dtype).eps))
        atol = 6e-8 if dtype == "float16" else 0  # its least subnormal number
    assert np.allclose(got, exact, rtol=rtol, atol=atol, equal_nan=True)


def zeros_are_positive(subgradient, library, x, **options):
    """A zero of the subgradient is +0.0: at -0.0, where a weight is 0, and where masked out."""
    s = to_numpy(subgradient(library.asarray(x), **in_library(library, **options)))
    assert not np.any(np.signbit(s) & (s == 0))


def mask_excludes(both, library, x, mask):
    """What the mask leaves out could as well not be there: NaN and infinities too."""
    v, s = both(library.asarray(x, "float32"), where=library.bool(mask))
    v_left, s_left = both(library.asarray(x[mask], "float32"))
    assert ulps(to_numpy(v), to_numpy(v_left), "float32") <= bound(library, "float32")
    assert np.array_equal(to_numpy(s)[mask], to_numpy(s_left), equal_nan=True)
    assert np.all(to_numpy(s)[~mask] == 0)


def mean_counts_selected(value, library, x, mask, axis=None):
    """A mean divides by the number of elements that the mask selects, along the axis that is reduced."""
    value_is_exact(value, library, x, axis=axis, reduce="mean", where=mask)


def weights_multiply(value, subgradient, library, x, weights):
    """Weights multiply magnitudes and signs; the latter exactly."""
    value_is_exact(value, library, x, weights=weights)
    y, held = cast(library, "float32", x)
    s = to_numpy(subgradient(y, **in_library(library, weights=weights)))
    assert np.array_equal(s, np.sign(held) * np.float32(weights))


def inner_product_is_the_value(both, library, x, **options):
    """Re<x, s> = value, for every weight and mask."""
    y, held = cast(library, "float32", x)
    v, s = both(y, **in_library(library, **options))
    product = math.fsum((held * to_numpy(s).astype(float)).ravel().tolist())
    assert math.isclose(to_numpy(v), product, rel_tol=1e-5, abs_tol=1e-30)


def structures_are_one_vector(functions, library, x, cut, *, mask=None, reduce="sum"):
    """Splitting a vector into the arrays of a pytree changes nothing; `functions` has the names of the package."""
    whole, where, split = library.asarray(x, "float32"), None, None
    parts = {"a": whole[:cut], "b": [(whole[cut:],)]}
    if mask is not None:
        where = library.bool(mask)
        split = {"a": where[:cut], "b": [(where[cut:],)]}
    v, s = functions.value_and_subgradient(parts, reduce=reduce, where=split, weights=0.5)
    expected, s_expected = functions.value_and_subgradient(whole, reduce=reduce, where=where, weights=0.5)
    assert ulps(to_numpy(v), to_numpy(expected), "float32") <= bound(library, "float32")
    joined = np.concatenate([to_numpy(s["a"]), to_numpy(s["b"][0][0])])
    assert ulps(joined, to_numpy(s_expected), "float32") <= library.division_error
    alone = functions.value(parts, reduce=reduce, where=split, weights=0.5)
    assert np.array_equal(to_numpy(alone), to_numpy(v), equal_nan=True)
    norm = to_numpy(functions.subgradient_norm(parts, reduce=reduce, where=split))
    norm_of_whole = to_numpy(functions.subgradient_norm(whole, reduce=reduce, where=where))
    assert np.allclose(norm, norm_of_whole, equal_nan=True)


def input_is_untouched(function, library, x, **options):
    """A call leaves the bits of its arguments as they are, so that a second call gives the same bits."""

    def bits(results):
        return [to_numpy(a).tobytes() for a in (results if isinstance(results, tuple) else [results])]

    y, given = library.asarray(x.copy()), in_library(library, **options)
    arrays = [y, *(given[name] for name in ("where", "weights") if hasattr(given.get(name), "shape"))]
    before = [bits(array) for array in arrays]
    first = bits(function(y, **given))
    assert [bits(array) for array in arrays] == before
    assert to_numpy(y).tobytes() == x.tobytes()
    assert bits(function(y, **given)) == first


def long_equal_elements_are_exact(value, library, n, fill, dtype):
    """Equal elements are the worst case of naive sums: as one vector, and along the slow axis of two columns."""
    x = np.full(n, fill, dtype)
    exact = math.fsum(x.tolist())
    assert ulps(to_numpy(value(library.asarray(x))), exact, dtype) <= bound(library, dtype)
    columns = library.asarray(np.broadcast_to(x[:, None], (n, 2)))
    assert ulps(to_numpy(value(columns, axis=0)), [exact, exact], dtype) <= bound(library, dtype)


def equal_elements_are_exact(value, library, shape, fill, dtype="float32", **options):
    """Equal elements along any axes, also where a sum takes more than one step and the parts of a step are uneven."""
    y, held = cast(library, dtype, np.full(shape, fill))
    v = to_numpy(value(y, **options))
    exact = float(held.flat[0]) * (held.size // v.size)  # of float32 and less, exact in float64
    assert ulps(v, np.full(v.shape, exact), result_dtype(dtype)) <= bound(library, dtype)


def long_arrays_are_exact(both, library, y, *, where=None, weights=None, **options):
    """A float32 array of the library, longer than a block, in any memory order; against NumPy's float64."""
    held = to_numpy(y)
    axis, mean = options.get("axis"), options.get("reduce") == "mean"
    mask = np.broadcast_to(True if where is None else where, held.shape)
    w = np.float32(1 if weights is None else weights)
    n = np.sum(mask, axis=axis, keepdims=True) if mean else 1
    with np.errstate(invalid="ignore"):
        terms = np.where(mask, np.abs(held.astype(float)) * w, 0)
        exact = np.sum(terms, axis=axis, keepdims=True) / n
        expected = np.where(mask, np.sign(held) * w / np.maximum(n, 1), 0)
    v, s = both(y, **in_library(library, where=where, weights=weights), **options)
    assert ulps(to_numpy(v), exact, "float32") <= library.tolerance + 1  # `exact` itself is rounded
    assert np.allclose(to_numpy(s), expected, rtol=3e-7 if mean else 0, atol=0)
