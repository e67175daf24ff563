"""A check of any array library against the contract's table of special values."""

import dataclasses
import itertools
import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from l1_any import penalty
from l1_any._typing import Array, Device, Namespace, Reduction

from .backends import DOUBLE, HALF, SINGLE, dtype_name, result_dtype, to_numpy, wrapped
from .oracle import exact_subgradient, exact_value, ulps

_DTYPES = (*HALF, *SINGLE, *DOUBLE)
_REAL = {"complex64": "float32", "complex128": "float64"}
_MOST_ULPS = 4


@dataclasses.dataclass(frozen=True)
class _Row:
    """One array of the table, with the other arguments."""

    x: list[Any]
    axis: int | None = None
    where: list[bool] | None = None
    weights: list[float] | None = None

    def __str__(self) -> str:
        shown = f"{len(self.x)} times {self.x[0]}" if len(self.x) >= _LONG else str(self.x)
        given = {"axis": self.axis, "where": self.where, "weights": self.weights}
        return ", ".join([shown, *(f"{name}={value}" for name, value in given.items() if value is not None)])


_LONG = 5000
_inf, _nan = math.inf, math.nan
_TABLE = (
    _Row([3.0, -4.0]),
    _Row([0.0, -0.0]),
    _Row([_inf, -1.0]),
    _Row([_nan, 1.0]),
    _Row([-2.0, 0.0, 5.0]),
    _Row([]),
    _Row([0.1, -0.2, 0.3]),
    _Row([[1.0, -2.0, 0.5], [0.0, -3.0, 8.0]], axis=1),
    _Row([1.0, _nan, -3.0, _inf], where=[True, False, True, False]),
    _Row([1.0, -2.0], where=[False, False]),
    _Row([1.0, -2.0, 0.0, -1.0], weights=[0.5, 2.0, 3.0, 0.0]),
    _Row([0.1] * _LONG),  # equal elements are the worst case of naive sums
)


def check_contract(xp: Namespace, *, device: Device = None, dtypes: tuple[str, ...] | None = None) -> None:
    """Raise AssertionError if a namespace fails the contract's table of special values.

    Parameters
    ----------
    xp : array namespace
        The library to test. It follows the array API standard, or is NumPy, PyTorch, CuPy or Dask's
        ``dask.array``, which array-api-compat wraps; its wrapped namespace may be given too.
    device : device, optional
        The device on which the arrays are created; the library's default if None.
    dtypes : tuple of str, optional
        Names of the real and complex floating dtypes to test. By default they are the real floating dtypes
        that the namespace lists for the device (``__array_namespace_info__().dtypes``), or float32 and float64
        if it has no such list.

    Raises
    ------
    AssertionError
        If an array does not get the requested dtype, or if a value, a subgradient, their shape or their dtype
        is wrong. The message contains the result and the exact value.
    ValueError
        If `dtypes` is empty, or contains a name that is not a floating dtype.

    Notes
    -----
    JAX has float64 only with ``jax_enable_x64``. Without it the default leaves float64 out, and naming
    float64 is an error.

    Examples
    --------
    >>> import numpy as np
    >>> from l1_any.testing import check_contract
    >>> check_contract(np)
    >>> check_contract(np, dtypes=("float16", "complex64"))
    """
    xp = wrapped(xp)
    reductions: tuple[Reduction, ...] = ("sum", "mean")
    for name, row, reduce in itertools.product(_chosen(xp, device, dtypes), _TABLE, reductions):
        if row.x or reduce == "sum":
            _check_row(xp, device, name, row, reduce)


def _chosen(xp: Namespace, device: Device, dtypes: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the names of the dtypes to test."""
    if dtypes is None:
        found = _claimed(xp, device)
        if not found:
            raise AssertionError(f"{_title(xp)} has no real floating dtype on device {device}.")
        return found
    unknown = [name for name in dtypes if name not in _DTYPES]
    if unknown or not dtypes:
        raise ValueError(f"`dtypes` must name some of {', '.join(_DTYPES)}, got {dtypes!r}.")
    return dtypes


def _claimed(xp: Namespace, device: Device) -> tuple[str, ...]:
    """Return the names of the real floating dtypes that a namespace lists."""
    if not hasattr(xp, "__array_namespace_info__"):
        return "float32", "float64"
    claimed = xp.__array_namespace_info__().dtypes(device=device, kind="real floating")
    return tuple(name for name in _DTYPES if name in claimed)


def _has_float64(xp: Namespace, device: Device) -> bool:
    """Whether the device has float64: some libraries claim it for all of their devices."""
    if "float64" not in _claimed(xp, device):
        return False
    try:
        return dtype_name(xp.asarray([0.5], dtype=xp.float64, device=device).dtype) == "float64"
    except Exception:  # noqa: BLE001 - each library has an error of its own
        return False


def _check_row(xp: Namespace, device: Device, name: str, row: _Row, reduce: Reduction) -> None:
    x = _make(xp, row.x, name, device)
    held = to_numpy(x).copy()
    given: dict[str, Any] = {"axis": row.axis, "reduce": reduce}
    where = weights = None
    if row.where is not None:
        where = xp.asarray(row.where, dtype=xp.bool, device=device)
    if row.weights is not None:
        weights = _make(xp, row.weights, _REAL.get(name, name), device)
    value, s = penalty.value_and_subgradient(x, where=where, weights=weights, **given)
    given |= {"where": row.where, "weights": row.weights}
    exact, expected = exact_value(held, **given), exact_subgradient(held, **given)
    call = f"({row}, {reduce=}) in {name}"
    if to_numpy(x).tobytes() != held.tobytes():
        raise AssertionError(f"value_and_subgradient{call} wrote to its input: it holds {to_numpy(x)} now")
    _check_kind(f"value{call}", value, x, exact.shape, result_dtype(name))
    _check_kind(f"subgradient{call}", s, x, x.shape, name)
    most = 1 if name not in DOUBLE and _has_float64(xp, device) else _MOST_ULPS
    off = ulps(to_numpy(value), exact, result_dtype(name))
    if off > most:
        raise AssertionError(
            f"value{call}: got {to_numpy(value)}, exactly {exact}: {off:.4g} ulp off, {most} allowed"
        )
    _check_numbers(f"subgradient{call}", to_numpy(s), expected, _REAL.get(name, name))


def _make(xp: Namespace, values: list[Any], name: str, device: Device) -> Array:
    """Make an array; raise an error if the library does not give it the requested dtype."""
    advice = f"Leave it out by `dtypes`, such as dtypes={_claimed(xp, device)}."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # JAX warns if it uses another dtype; that is an error below
            x = xp.asarray(values, dtype=getattr(xp, name, name), device=device)
    except Exception as error:
        raise AssertionError(
            f"{name} was asked for, and {_title(xp)} cannot make an array of it: {error}. {advice}"
        ) from error
    came = dtype_name(x.dtype)
    if came != name:
        switch = " JAX needs jax_enable_x64 for 64 bits." if _title(xp).startswith("jax") else ""
        raise AssertionError(f"{name} was asked for, {came} came from {_title(xp)}.{switch} {advice}")
    return x


def _title(xp: Namespace) -> str:
    return str(getattr(xp, "__name__", type(xp).__name__)).removeprefix("array_api_compat.")


def _check_kind(call: str, got: Array, x: Array, shape: tuple[int, ...], dtype: str) -> None:
    if got.shape != shape or dtype_name(got.dtype) != dtype or type(got) is not type(x):
        raise AssertionError(
            f"{call}: got a {type(got).__name__} of shape {got.shape} and dtype {got.dtype}, "
            f"expected a {type(x).__name__} of shape {shape} and dtype {dtype}"
        )


def _check_numbers(call: str, got: npt.NDArray[Any], exact: npt.NDArray[Any], dtype: str) -> None:
    """Compare numbers, or the parts of complex ones: NaN must be NaN, and a zero exactly +0.0."""
    nan = np.isnan(exact)
    parts = zip(_parts(got[~nan]), _parts(exact[~nan]), strict=True)
    if not np.array_equal(np.isnan(got), nan) or not all(
        np.array_equal(part == 0, exact_part == 0) and ulps(part, exact_part, dtype) <= _MOST_ULPS
        for part, exact_part in parts
    ):
        raise AssertionError(f"{call}: got {got}, exactly {exact}")
    if any(np.any(np.signbit(part) & (part == 0)) for part in _parts(got[~nan])):
        raise AssertionError(f"{call}: got {got}, whose zeros must be positive")


def _parts(x: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    return [x.real, x.imag] if np.iscomplexobj(x) else [x]
