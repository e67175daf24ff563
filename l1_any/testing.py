"""Test an array library against the contract: the libraries we know, an exact oracle, a measure of error.

`BACKENDS` is the one table from which the tests take what to run and the documentation what is supported.
`check_contract` runs the contract's table of special values on any namespace.
"""

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _array, functional
from ._backends import BACKENDS, DOUBLE, HALF, Backend, Variant
from ._typing import Array, Device, Namespace, Reduction

__all__ = [
    "BACKENDS",
    "Backend",
    "Variant",
    "check_contract",
    "exact_subgradient",
    "exact_subgradient_norm",
    "exact_value",
    "to_numpy",
    "ulps",
]


def to_numpy(x: Array) -> npt.NDArray[Any]:
    """Bring an array of any library and device to NumPy, half precisions as float64."""
    host = _array.to_host(x)
    return host.astype(np.float64) if _array.dtype_name(x.dtype) in HALF else host


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
        In float64.
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
        In float64 or complex128.
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
    """`l1_any.subgradient_norm` in plain Python: the norm of `exact_subgradient`."""
    return math.sqrt(math.fsum(abs(s) ** 2 for s in exact_subgradient(x, **options).ravel().tolist()))


def ulps(result: npt.ArrayLike, exact: npt.ArrayLike, dtype: npt.DTypeLike) -> float:
    """Return the largest distance to the exactly rounded value, in units of its last place.

    Parameters
    ----------
    result, exact : array-like
        Of the same number of elements.
    dtype : NumPy dtype
        What the exact values are rounded to.

    Returns
    -------
    float
        0 where both are NaN or the same infinity, infinite where only one is.

    Examples
    --------
    >>> from l1_any.testing import ulps
    >>> ulps([1.0, 1.0000001192092896], [1.0, 1.0], "float32")
    1.0
    """
    worst = 0.0
    for r, e in zip(np.ravel(result).tolist(), np.ravel(exact).tolist(), strict=True):
        with np.errstate(over="ignore"):
            rounded = np.asarray(e, dtype)
        if math.isfinite(r) and np.isfinite(rounded):
            worst = max(worst, abs(r - float(rounded)) / float(np.spacing(np.abs(rounded))))
        elif not (r == rounded or (math.isnan(r) and np.isnan(rounded))):
            return math.inf
    return worst


def check_contract(
    xp: Namespace, *, device: Device = None, dtypes: tuple[str, ...] = ("float32", "float64")
) -> None:
    """Raise AssertionError where a namespace does not give what the contract's table of special values says.

    Parameters
    ----------
    xp : array namespace
        The library to test; it follows the array API standard, or array-api-compat wraps it.
    device : device, optional
        Where to create the arrays.
    dtypes : tuple of str, optional
        Names of the dtypes to test.

    Raises
    ------
    AssertionError
        A value, subgradient, shape or dtype that is not as it must be, with what came and what is exact.

    Examples
    --------
    >>> import numpy as np
    >>> from l1_any.testing import check_contract
    >>> check_contract(np, dtypes=("float16", "float32", "float64"))
    """
    inf, nan = math.inf, math.nan
    rows: tuple[list[float], ...] = ([3.0, -4.0], [0.0, -0.0], [inf, -1.0], [nan, 1.0], [-2.0, 0.0, 5.0], [])
    reductions: tuple[Reduction, ...] = ("sum", "mean")
    for name, row, reduce in itertools.product(dtypes, rows, reductions):
        if reduce == "mean" and not row:
            continue
        values = np.asarray(row)
        x = xp.asarray(row, dtype=getattr(xp, name, name), device=device)
        total, s = functional.value_and_subgradient(x, reduce=reduce)
        dtype = "float64" if name in DOUBLE else "float32"
        exact = exact_value(values, reduce=reduce)
        if ulps(to_numpy(total), exact, dtype) > 4:  # noqa: PLR2004 - the contract's bound
            raise AssertionError(f"value({row}, {reduce=}) in {name}: got {total}, exactly {exact}")
        expected = exact_subgradient(values, reduce=reduce)
        if x.shape != s.shape or x.dtype != s.dtype:
            raise AssertionError(f"subgradient({row}) in {name}: got shape {s.shape} and dtype {s.dtype}")
        if not np.allclose(
            to_numpy(s), expected, rtol=1e-2 if name in HALF else 1e-6, atol=0, equal_nan=True
        ):
            raise AssertionError(f"subgradient({row}, {reduce=}) in {name}: got {s}, exactly {expected}")


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
