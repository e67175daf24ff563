"""The same penalty on the same data with every installed library and device."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from l1_any._kernels.table import FAST

from .errors import CommandError, one_line
from .exact import exact_sum
from .libraries import LIBRARIES, Library
from .measure import Penalty, Place, Row, measure


@dataclass(frozen=True)
class Comparison:
    """All rows, and the libraries that are not installed with the command that adds each."""

    rows: tuple[Row, ...]
    not_installed: dict[str, str]

    @property
    def agreeing(self) -> tuple[Row, ...]:
        """The rows that keep the contract."""
        return tuple(row for row in self.rows if row.agrees)

    @property
    def disagreeing(self) -> tuple[Row, ...]:
        """The rows that break the contract, or that failed for another reason than memory or dtype."""
        return tuple(row for row in self.rows if row.agrees is False)

    @property
    def advice(self) -> str:
        """The command that would make a row faster, or an empty string."""
        advised = any(FAST in row.result.explanation for row in self.rows if row.result)
        return f'pip install "{FAST}"' if advised else ""


def compare(
    x: npt.NDArray[Any],
    *,
    penalty: Penalty,
    target: str = "logprobs",
    reduce: str = "sum",
    libraries: Sequence[str] = (),
    hidden: Collection[str] = (),
    device: str | None = None,
    started: Callable[[str], object] = lambda _: None,
) -> Comparison:
    """
    Compute the penalty of `x` with every installed library on every device.

    Parameters
    ----------
    x
        Array of a dtype in ``inputs.FLOATING``. It may be mapped from a file that is larger than memory.
    penalty
        The implementation to compare: ``l1_any``, or another one with the same functions.
    target
        "logprobs" takes `x` itself. "probs" takes each library's own ``exp(x)``, and compares with its exact sum.
    reduce
        "sum" or "mean".
    libraries
        Names from ``libraries.LIBRARIES``; if empty, all installed libraries but those in `hidden`.
    hidden
        Names of libraries that are compared only if `libraries` names them.
    device
        Use only this device, such as "cpu", "cuda" or "cuda:0".
    started
        Called with the name of each part of the work.

    Raises
    ------
    CommandError
        If a named library is unknown or not installed, no library has the device, or the mean would be empty.
    """
    if reduce == "mean" and not x.size:
        raise CommandError("the mean of an empty array is not defined: use --reduce sum.")
    chosen = chosen_libraries(libraries, hidden)
    places, rows = find_places(chosen, device, x.dtype.name, started)
    started("exact value")
    exact = exact_sum(x) if target == "logprobs" else None
    for place in places:
        started(f"{place.library.name} on {place.device}")
        rows.append(measure(place, x, penalty=penalty, target=target, reduce=reduce, exact=exact))
    return Comparison(tuple(rows), not_installed(chosen))


def find_places(
    chosen: Sequence[Library], device: str | None, dtype: str, started: Callable[[str], object]
) -> tuple[list[Place], list[Row]]:
    """Import the libraries; return their places, and a row for each library that cannot be used."""
    rows: list[Row] = []
    places: list[Place] = []
    for library in chosen:
        if library.installed:
            started(f"importing {library.name}")
            try:
                places += _places(library, device)
            except Exception as error:  # noqa: BLE001 - a broken installation or driver can raise anything
                rows.append(Row(library.name, "", "", dtype, note=f"cannot be used: {one_line(error)}"))
    if device is not None and not places:
        raise CommandError(f"no library that is installed or named has a device {device!r}.")
    return places, rows


def not_installed(chosen: Sequence[Library]) -> dict[str, str]:
    """Return the command that installs each library that is missing."""
    return {library.name: library.install for library in chosen if not library.installed}


def chosen_libraries(names: Sequence[str], hidden: Collection[str]) -> list[Library]:
    """Return the libraries of these names, or if there are none all but the hidden ones."""
    known = {library.name: library for library in LIBRARIES}
    for name in names:
        if name not in known:
            raise CommandError(f"unknown library {name!r}, expected one of {', '.join(known)}.")
        if not known[name].installed:
            raise CommandError(f"{name} is not installed: {known[name].install}")
    if names:
        return [library for library in LIBRARIES if library.name in names]
    return [library for library in LIBRARIES if library.name not in hidden]


def _places(library: Library, wanted: str | None) -> list[Place]:
    module = library.load()
    return [
        Place(library, module, device, handle)
        for device, handle in library.devices(module).items()
        if wanted in {None, device, device.split(":")[0]}
    ]
