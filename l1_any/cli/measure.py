"""Times the penalty of one array with one library on one device, and compares it with the exact value."""

import math
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace, device

from l1_any._arrays import decision
from l1_any._arrays.lookup import known
from l1_any._typing import Array, Device
from l1_any.testing import ulps
from l1_any.testing.exact_sum import AbsoluteSum

from .errors import UnavailableError, one_line
from .exact import exact_sum
from .libraries import Library, Value
from .memory import is_out_of_memory, reserve

_ULPS_FROM_WIDER_SUM, _ULPS_OTHERWISE = 1, 4
_RUNS, _SECONDS, _PATIENCE = 9, 0.5, 5.0
_LARGE = 1 << 20


class Penalty(Protocol):
    """The functions to compare, with the signatures that they have in this package."""

    @property
    def value(self) -> Callable[..., Any]: ...  # noqa: D102
    @property
    def subgradient(self) -> Callable[..., Any]: ...  # noqa: D102
    @property
    def subgradient_norm(self) -> Callable[..., Any]: ...  # noqa: D102


@dataclass(frozen=True)
class Idiom:
    """A usual expression for the penalty: its source, value, the right one, time, and its distance in ulps."""

    source: str
    value: float | None = None
    right: float | None = None
    seconds: float | None = None
    ulps: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Result:
    """
    The numbers that a library computed.

    Distances are in units of the last place of the value that is exactly rounded to `dtype`; `ulps_allowed` is
    the most that the contract permits. A field is None where there is no result: the mean of an empty array, or the
    derivative in a library without automatic differentiation. `how` says in a word how the value was computed, and
    `explanation` in a line, as `l1_any.explain`; both are empty for a function that does not say it. If there are
    several `parts`, time and usual expressions are of the first part.
    """

    dtype: str
    value: float
    mean: float | None
    subgradient_norm: float
    exact: float
    ulps: float
    ulps_allowed: int
    subgradient_at_zero: float
    autodiff_at_zero: float | None
    seconds: float
    how: decision.How = ""
    explanation: str = ""
    idioms: tuple[Idiom, ...] = ()
    parts: int = 1

    @property
    def ratio(self) -> float | None:
        """How many times as fast as the library's usual expression, the first one, the value was."""
        usual = self.idioms[0].seconds if self.idioms else None
        return None if usual is None else usual / self.seconds


@dataclass(frozen=True)
class Row:
    """
    One library on one device.

    `agrees` is None if the library cannot take the data. `note` says why, or it says what disagrees.
    """

    library: str
    version: str
    device: str
    dtype: str
    result: Result | None = None
    agrees: bool | None = None
    note: str = ""


@dataclass(frozen=True)
class Place:
    """A library on one of its devices."""

    library: Library
    module: ModuleType
    device: str
    handle: Device

    def asarray(self, x: npt.NDArray[Any]) -> Array:
        """Put a NumPy array on the device, as an array of the library."""
        return self.library.asarray(self.module, x, self.handle)

    def number(self, result: Array) -> float:
        """Wait for a one-element result and return it as a Python float; a complex one gives its modulus."""
        result = self.wait(result)
        number = complex(result[0] if result.shape else result)
        return abs(number) if number.imag else number.real

    def wait(self, result: Array) -> Array:
        """Wait for a result and return it."""
        return self.library.wait(self.module, result)


def measure(
    place: Place,
    x: npt.NDArray[Any],
    *,
    penalty: Penalty,
    target: str,
    reduce: str,
    exact: AbsoluteSum | None,
) -> Row:
    """
    Make the row of one place; an error becomes the note of the row.

    Parameters
    ----------
    exact
        The exact sum of `x`. If None, it is computed from the numbers that the library derives from `x`.
    """
    library = place.library
    row = Row(library.name, library.version, place.device, x.dtype.name)
    try:
        with warnings.catch_warnings():
            # infinite and overflowing values are legal here, and appear in the row
            warnings.simplefilter("ignore", RuntimeWarning)
            data, exact = prepared(place, x, target, exact)
            result = _result(place, data, penalty, reduce, exact)
    except UnavailableError as error:
        return replace(row, note=str(error))
    except Exception as error:  # noqa: BLE001 - a library may raise anything; the other libraries still get their rows
        if is_out_of_memory(error):
            return replace(row, note=f"out of memory: {one_line(error)}")
        return replace(row, agrees=False, note=f"failed: {one_line(error)}")
    faults = faults_of(result, exact, reduce)
    return replace(row, result=result, agrees=not faults, note="; ".join(faults))


def prepared(
    place: Place, x: npt.NDArray[Any], target: str, exact: AbsoluteSum | None
) -> tuple[Array, AbsoluteSum]:
    """Bring the data to the library, apply the target there, and compute the exact sum of the result."""
    if place.library.copies:
        reserve(x.nbytes)
    data = place.asarray(x)
    if target == "probs":
        if not place.library.lazy:
            reserve(x.nbytes)
        data = array_namespace(data).exp(data)
    return data, exact or exact_sum(known(data).to_host(data))


def _result(place: Place, data: Array, penalty: Penalty, reduce: str, exact: AbsoluteSum) -> Result:
    xp = array_namespace(data)
    zero = xp.zeros((1,), dtype=data.dtype, device=device(data))
    dtype = exact.dtype
    summed_wider = dtype == np.float32 and known(data).accumulator_of(data) == "float64"
    # a library's first call, and that of a kernel for large arrays, may compile for seconds
    place.number(penalty.value(zero, reduce=reduce))
    if math.prod(data.shape) >= _LARGE:
        large = xp.zeros((_LARGE,), dtype=data.dtype, device=device(data))
        place.number(penalty.value(large, reduce=reduce))
    value, seconds = _timed(lambda: place.number(penalty.value(data, reduce=reduce)))
    truth = exact.rounded(reduce)
    explanation = decision.explained(lambda: penalty.value(data, reduce=reduce))
    return Result(
        dtype=dtype.name,
        value=value,
        mean=place.number(penalty.value(data, reduce="mean")) if exact.size else None,
        subgradient_norm=place.number(penalty.subgradient_norm(data, reduce=reduce)),
        exact=truth,
        ulps=ulps(value, truth, dtype),
        ulps_allowed=_ULPS_FROM_WIDER_SUM if summed_wider else _ULPS_OTHERWISE,
        subgradient_at_zero=place.number(penalty.subgradient(zero, reduce=reduce)),
        autodiff_at_zero=_derivative(place, zero, lambda x: penalty.value(x, reduce=reduce)),
        seconds=seconds,
        how=explanation.how,
        explanation=explanation.text,
        idioms=tuple(_idioms(place, data, exact, reduce)),
    )


def _derivative(place: Place, x: Array, function: Value) -> float | None:
    derivative = place.library.derivative
    return None if derivative is None else place.number(derivative(place.module, function, x))


def _idioms(place: Place, data: Array, exact: AbsoluteSum, reduce: str) -> Iterator[Idiom]:
    for source, idiom in place.library.idioms(place.module, reduce).items():
        try:
            if not place.library.lazy:
                reserve(exact.size * exact.dtype.itemsize)
            value, seconds = _timed(partial(_number_of, place, idiom, data))
        except Exception as error:  # noqa: BLE001 - not every expression takes every dtype and size
            yield Idiom(source, note=one_line(error))
        else:
            right = exact.rounded(reduce)
            yield Idiom(source, value, right, seconds, ulps(value, right, exact.dtype))


def _number_of(place: Place, function: Value, data: Array) -> float:
    return place.number(function(data))


def faults_of(result: Result, exact: AbsoluteSum, reduce: str) -> list[str]:
    """List the violations of the contract: in value and mean, in the norm √(number of x ≠ 0), and in the 0 at 0."""
    faults = []
    overflows = math.isinf(exact.rounded("sum"))
    for name, number in ((reduce, result.value), ("mean", result.mean)):
        if number is None or (math.isinf(number) and overflows):  # the mean may overflow with the sum
            continue
        off = ulps(number, exact.rounded(name), exact.dtype)
        if off > result.ulps_allowed:
            faults.append(f"{name} is {off:.4g} ulp off, {result.ulps_allowed} allowed")
    # a library that flushes subnormals to zero counts fewer elements
    counts = exact.nonzero - exact.subnormal, exact.nonzero
    least, most = (math.sqrt(count) / (exact.size if reduce == "mean" else 1) for count in counts)
    margin = 1 + 8 * float(np.finfo(exact.dtype).eps)
    undefined = math.isnan(result.exact) and math.isnan(result.subgradient_norm)
    if not (undefined or least / margin <= result.subgradient_norm <= most * margin):
        faults.append(f"norm of the subgradient is {result.subgradient_norm:.12g}, expected {most:.12g}")
    if result.subgradient_at_zero != 0:
        faults.append(f"subgradient at 0 is {result.subgradient_at_zero:.4g}")
    if result.autodiff_at_zero not in {None, 0.0}:
        faults.append(f"derivative at 0 is {result.autodiff_at_zero:.4g}")
    return list(dict.fromkeys(faults))


def _timed(run: Callable[[], float]) -> tuple[float, float]:
    """Return the result and the median time after a first run, or the time of the first run if that was long."""
    start = time.perf_counter()
    result = run()
    elapsed = time.perf_counter() - start
    if elapsed > _PATIENCE:
        return result, elapsed
    times: list[float] = []
    while len(times) < _RUNS and sum(times) < _SECONDS:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return result, statistics.median(times)
