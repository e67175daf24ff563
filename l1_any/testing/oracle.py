"""The contract's functions in plain Python, with exactly rounded sums, and the distance from their results.

The contract is the page of that name in the documentation. These functions follow it element by element.
"""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from .exact_sum import last_place, real_name, round_to


def exact_value(
    x: npt.NDArray[Any],
    *,
    axis: int | tuple[int, ...] | None = None,
    keepdims: bool = False,
    reduce: str = "sum",
    where: npt.NDArray[np.bool_] | None = None,
    weights: npt.NDArray[Any] | float | None = None,
) -> npt.NDArray[np.float64]:
    """`l1_any.value` in plain Python, each sum exactly rounded to float64.

    Parameters
    ----------
    x : NumPy array
        Real or complex.
    axis, keepdims, reduce, where, weights
        As for `l1_any.value`.

    Returns
    -------
    NumPy array
        In float64. The mean over nothing is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from l1_any.testing import exact_value
    >>> float(exact_value(np.asarray([0.1] * 10)))
    1.0
    """
    x, where, weights = _broadcast(x, where, weights)
    reduced = tuple(range(x.ndim)) if axis is None else tuple(np.atleast_1d(axis) % x.ndim)
    shape = tuple(1 if i in reduced else n for i, n in enumerate(x.shape))
    terms: dict[tuple[int, ...], list[float]] = {i: [] for i in np.ndindex(*shape)}
    for index in np.ndindex(*x.shape):
        if where[index]:
            group = tuple(0 if i in reduced else n for i, n in enumerate(index))
            terms[group].append(_magnitude(x[index].item()) * float(weights[index]))
    out = np.empty(shape)
    for group, values in terms.items():
        total = math.fsum(values) if all(map(math.isfinite, values)) else sum(values)
        out[group] = total if reduce == "sum" else (total / len(values) if values else math.nan)
    return out if keepdims else out.reshape([n for i, n in enumerate(shape) if i not in reduced])


def exact_subgradient(
    x: npt.NDArray[Any],
    *,
    axis: int | tuple[int, ...] | None = None,
    reduce: str = "sum",
    where: npt.NDArray[np.bool_] | None = None,
    weights: npt.NDArray[Any] | float | None = None,
) -> npt.NDArray[Any]:
    """`l1_any.subgradient` in plain Python.

    Parameters
    ----------
    x : NumPy array
        Real or complex.
    axis, reduce, where, weights
        As for `l1_any.subgradient`.

    Returns
    -------
    NumPy array
        In float64 or complex128; 0 where `x` is 0 and where `where` is False, NaN at NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from l1_any.testing import exact_subgradient
    >>> exact_subgradient(np.asarray([-2.0, 0.0, 5.0]), weights=0.5)
    array([-0.5,  0. ,  0.5])
    """
    ones = np.ones(x.shape)
    n = np.broadcast_to(exact_value(ones, axis=axis, keepdims=True, where=where), x.shape)
    x, where, weights = _broadcast(x, where, weights)
    out = np.zeros(x.shape, complex if np.iscomplexobj(x) else float)
    for index in np.ndindex(*x.shape):
        if where[index]:
            s = _sign(x[index].item()) * float(weights[index])
            out[index] = s if reduce == "sum" else s / n[index]
    return out


def exact_subgradient_norm(x: npt.NDArray[Any], **options: Any) -> float:
    """`l1_any.subgradient_norm` in plain Python: the norm of `exact_subgradient`.

    Parameters
    ----------
    x : NumPy array
        Real or complex.
    **options
        As for `exact_subgradient`.

    Returns
    -------
    float
        The root of the exactly rounded sum of squares.

    Examples
    --------
    >>> import numpy as np
    >>> from l1_any.testing import exact_subgradient_norm
    >>> exact_subgradient_norm(np.asarray([3.0, 0.0, -1.0, 2.0, 7.0]))
    2.0
    """
    return math.sqrt(math.fsum(abs(s) ** 2 for s in exact_subgradient(x, **options).ravel().tolist()))


def ulps(result: npt.ArrayLike, exact: npt.ArrayLike, dtype: npt.DTypeLike) -> float:
    """Return the largest distance to the exactly rounded value, in units of its last place.

    Parameters
    ----------
    result, exact : array-like
        Of the same number of elements. `exact` holds floats, or fractions, which are rounded once.
    dtype : NumPy dtype or str
        The real floating dtype to which the exact values are rounded.

    Returns
    -------
    float
        0 where both are NaN or the same infinity, infinite where only one of them is.

    Raises
    ------
    ValueError
        If the numbers of elements differ.
    TypeError
        If `dtype` is not float16, bfloat16, float32 or float64.

    Notes
    -----
    The unit in the last place of a number is the distance to its neighbour away from 0 (for the largest
    finite number: from its neighbour); for 0 it is the least subnormal number. A distance need not be an
    integer: the next float below 1 has a distance of half a unit from 1.

    Examples
    --------
    >>> from l1_any.testing import ulps
    >>> ulps([1.0, 1.0000001192092896], [1.0, 1.0], "float32")
    1.0
    """
    got = np.asarray(result, np.float64).ravel()
    name = real_name(dtype)
    expected = _rounded(np.asarray(exact).ravel(), name)
    if got.size != expected.size:
        raise ValueError(
            f"`result` and `exact` must have as many elements, got {got.size} and {expected.size}."
        )
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    finite = np.isfinite(got) & np.isfinite(expected)
    units = last_place(np.where(finite, np.abs(expected), 1), name)
    with np.errstate(over="ignore", invalid="ignore"):
        distance = np.where(finite, np.abs(got - expected) / units, math.inf)
    return float(np.max(np.where(same, 0.0, distance), initial=0.0))


def _rounded(exact: npt.NDArray[Any], dtype: str) -> npt.NDArray[np.float64]:
    """Round exact values to a dtype, each once."""
    if exact.dtype == object or dtype == "bfloat16":  # NumPy itself has no bfloat16
        return np.asarray([_round_one(value, dtype) for value in exact.tolist()], np.float64)
    with np.errstate(over="ignore"):
        return exact.astype(dtype).astype(np.float64)


def _round_one(value: Fraction | float, dtype: str) -> float:
    finite = isinstance(value, Fraction) or math.isfinite(value)
    return round_to(Fraction(value), dtype) if finite else float(value)


def _broadcast(
    x: npt.NDArray[Any], where: npt.NDArray[np.bool_] | None, weights: npt.NDArray[Any] | float | None
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_], npt.NDArray[Any]]:
    where = np.broadcast_to(True if where is None else where, x.shape)
    return x, where, np.broadcast_to(1.0 if weights is None else weights, x.shape)


def _magnitude(z: complex) -> float:
    return math.hypot(z.real, z.imag) if isinstance(z, complex) else abs(z)


def _sign(z: complex) -> complex:
    if z == 0 or z != z:  # noqa: PLR0124 - NaN
        return z - z if z == 0 else math.nan
    if isinstance(z, complex):
        if math.isinf(z.real) or math.isinf(z.imag):
            parts = (math.copysign(1, p) if math.isinf(p) else 0 for p in (z.real, z.imag))
            z = complex(*parts)
        scale = max(abs(z.real), abs(z.imag))
        z = complex(z.real / scale, z.imag / scale)
        return z / math.hypot(z.real, z.imag)
    return math.copysign(1, z)
