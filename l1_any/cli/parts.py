"""Data that are too large to compare as a whole: read once, part by part, for all libraries."""

import itertools
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from l1_any.testing import ulps
from l1_any.testing.exact_sum import AbsoluteSum

from .compare import Comparison, chosen_libraries, find_places, not_installed
from .errors import one_line
from .exact import Bracket, bracket
from .measure import Penalty, Place, Result, Row, faults_of, measure, prepared

LARGE = 1 << 28
"""Bytes from which on the data of a file are compared part by part."""
PART = 1 << 22
"""Numbers in a part."""


def is_large(x: Any) -> bool:
    """Whether data are to be compared part by part: large, in a file, and laid out so that parts are read in turn."""
    if not isinstance(x, np.ndarray):
        return True
    in_a_file = not x.flags.owndata
    return in_a_file and x.nbytes > LARGE and bool(x.flags.c_contiguous or x.flags.f_contiguous)


def parts(x: Any) -> Iterator[npt.NDArray[Any]]:
    """
    Yield all numbers of an array in memory, as arrays of one dimension and at most `PART` numbers.

    Parameters
    ----------
    x
        A contiguous NumPy array, which may be mapped from a file, or a Dask array, whose blocks are computed in turn.
    """
    if isinstance(x, np.ndarray):
        flat = (x if x.flags.c_contiguous else x.T).reshape(-1)
        for start in range(0, flat.size, PART):
            yield np.array(flat[start : start + PART])
        return
    for index in np.ndindex(*x.numblocks):
        block = np.asarray(x.blocks[index].compute(scheduler="synchronous")).reshape(-1)
        yield from (block[start : start + PART] for start in range(0, block.size, PART))


@dataclass
class _Total:
    """What one library gave for the parts so far."""

    place: Place
    row: Row
    values: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    exact: list[Bracket] = field(default_factory=list)


def compare_parts(
    x: Any,
    *,
    penalty: Penalty,
    target: str = "logprobs",
    reduce: str = "sum",
    libraries: Sequence[str] = (),
    hidden: Collection[str] = (),
    device: str | None = None,
    started: Callable[[str], object] = lambda _: None,
    advanced: Callable[[int], object] = lambda _: None,
) -> Comparison:
    """
    Compute the penalty of large data with every installed library; each part is read once for all of them.

    The values are sums over the parts. The times, and the usual expressions, are of the first part.

    Parameters
    ----------
    x
        A NumPy or a Dask array.
    penalty, target, reduce, libraries, hidden, device, started
        As for `compare.compare`.
    advanced
        Called with the number of bytes of each part that is done.
    """
    chosen = chosen_libraries(libraries, hidden)
    places, rows = find_places(chosen, device, x.dtype.name, started)
    rest = parts(x)
    started("reading")
    first = next(rest)
    known = bracket(first)
    totals = []
    for place in places:
        started(f"first part: {place.library.name} on {place.device}")
        exact = known.sum if target == "logprobs" else None
        row = measure(place, first, penalty=penalty, target=target, reduce=reduce, exact=exact)
        totals.append(_Total(place, row))
    started("reading and comparing")
    read = 0
    for part in itertools.chain([first], rest):
        exact_part = bracket(part) if target == "logprobs" else None
        for total in totals:
            if total.row.result:
                _add(total, part, penalty, target, exact_part)
        read += part.size
        advanced(part.nbytes)
    return Comparison(tuple(rows + [_whole(total, reduce) for total in totals]), not_installed(chosen))


def _add(total: _Total, part: npt.NDArray[Any], penalty: Penalty, target: str, exact: Bracket | None) -> None:
    place = total.place
    try:
        with np.errstate(all="ignore"):
            data, found = prepared(place, part, target, exact.sum if exact else None)
            total.values.append(place.number(penalty.value(data)))
            total.norms.append(place.number(penalty.subgradient_norm(data)))
    except Exception as error:  # noqa: BLE001 - a library may raise anything; the other libraries go on
        total.row = replace(total.row, result=None, agrees=False, note=f"failed: {one_line(error)}")
    else:
        total.exact.append(exact or Bracket(found))


def _whole(total: _Total, reduce: str) -> Row:
    """Return the row of all parts from those of each part."""
    row, first = total.row, total.row.result
    if first is None:
        return row
    exact = _sum(total.exact)
    dtype, n = exact.dtype.type, exact.size
    with np.errstate(over="ignore"):
        value, mean = (float(dtype(_fsum(total.values) / by)) for by in (n if reduce == "mean" else 1, n))
    norm = math.hypot(*total.norms) / (n if reduce == "mean" else 1)
    truth = exact.rounded(reduce)
    result: Result = replace(
        first,
        value=value,
        mean=mean,
        subgradient_norm=norm,
        exact=truth,
        ulps=ulps(value, truth, exact.dtype),
        ulps_allowed=first.ulps_allowed + 1,  # the parts are rounded, and so is their sum
        parts=len(total.values),
    )
    faults = faults_of(result, exact, reduce)
    return replace(row, result=result, agrees=not faults, note="; ".join(faults))


def _fsum(values: list[float]) -> float:
    try:
        return math.fsum(values)
    except OverflowError:
        return math.inf


def _sum(brackets: list[Bracket]) -> AbsoluteSum:
    total = brackets[0]
    for other in brackets[1:]:
        total += other
    return total.sum
