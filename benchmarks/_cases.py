"""The cases of a comparison: expressions that compute the same thing from the same array of a library."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from l1_any._kernels.table import BY_KEY

ITEM_SIZES = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8, "complex64": 8, "complex128": 16}
DTYPES = tuple(ITEM_SIZES)
SUMS = ("value", "gradient", "axis")
PROXIMAL = ("prox", "project")
OPERATIONS = {
    "value": "sum_of_magnitudes",
    "gradient": "magnitudes_and_signs",
    "axis": "sum_of_magnitudes",
    "columns": "sum_of_magnitudes",
    "mask": "sum_of_magnitudes",
    "signs": "signs",
    "huber": "sum_of_huber",
    "huber-gradient": "huber_gradient",
    "norm": "sum_of_squared_signs",
    "prox": "soft_threshold",
    "project": "",
    "groups": "group_norms",
    "shrink": "shrink_groups",
    "model": "sums_of_magnitudes",
    "model-signs": "signs_of_each",
    "model-huber": "sums_of_huber",
    "model-step": "soft_thresholds",
}
"""The kinds of cases, and the operation in the table of kernels that each measures; empty if there is none."""
KINDS = tuple(OPERATIONS)
_FIRST_KIND = {operation: kind for kind, operation in reversed(OPERATIONS.items())}


@dataclass(frozen=True)
class Case:
    """One expression that computes its kind; the first case of a kind is the library's usual expression."""

    kind: str
    name: str
    run: Callable[[Any], Any]

    @property
    def is_own(self) -> bool:
        """Whether the expression is the package's."""
        return "l1." in self.name


@dataclass(frozen=True)
class Library:
    """A library: how to make its arrays, wait for its results and read rows as fast as it can, and its cases."""

    name: str
    array: Callable[[np.ndarray, str], Any]
    cases: tuple[Case, ...]
    wait: Callable[[Any], Any] = lambda out: out
    dtypes: tuple[str, ...] = DTYPES
    prepare: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    reader: tuple[str, Callable[[Any], Any]] | None = None

    def groups(self) -> Iterator[tuple[str, tuple[Case, ...]]]:
        """Yield each kind with its cases, the usual expression first."""
        for kind in KINDS:
            if cases := tuple(case for case in self.cases if case.kind == kind):
                yield kind, cases

    def measures(self, kind: str, dtype: str, device: str) -> bool:
        """Whether a kind is measured in a dtype.

        The first kind of an operation has all dtypes of its rows in the table of kernels. Sums have all real dtypes,
        and every other kind has float32.
        """
        if dtype == "float32" or (kind in SUMS and not dtype.startswith("complex")):
            return True
        operation = OPERATIONS[kind]
        return _FIRST_KIND[operation] == kind and (operation, self.name, device, dtype) in BY_KEY

    def has_kernel(self, kind: str, dtype: str, device: str) -> bool:
        """Whether the table of kernels has a row for a kind."""
        return (OPERATIONS[kind], self.name, device, dtype) in BY_KEY

    def make(self, data: np.ndarray, dtype: str, kind: str) -> Any:
        """Return the data as an array of the library, prepared for a kind of case."""
        x = self.array(complex_of(data) if dtype.startswith("complex") else data, dtype)
        return self.prepare.get(kind, lambda x: x)(x)


class Group(NamedTuple):
    """The cases that run one after another on one array."""

    library: Library
    kind: str
    dtype: str
    shape: tuple[int, ...]
    cases: tuple[Case, ...]


def reduced(out: Any) -> Any:
    """Return the value from a result, which may be a pair of value and gradient."""
    return out[0] if isinstance(out, tuple) else out


@functools.cache
def data(distribution: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return float32 data: normal numbers, equal ones (worst for naive sums) or log-probabilities.

    The array is cached, so it is read-only, and every library makes its own copy.
    """
    rng = np.random.default_rng(0)
    x = np.full(shape, 0.1, np.float32) if distribution == "equal" else rng.standard_normal(shape, np.float32)
    if distribution == "logprobs":  # a log-probability among 256 classes, of a softmax of normal numbers
        np.subtract(2 * x, np.float32(np.log(256) + 2), out=x)
        np.minimum(x, np.float32(-1e-6), out=x)
    x.flags.writeable = False
    return x


def complex_of(x: np.ndarray) -> np.ndarray:
    """Return complex numbers with the magnitudes of x, whose parts both differ from 0."""
    return x * np.complex64(0.6 + 0.8j)


def mask(shape: tuple[int, ...]) -> np.ndarray:
    """Return a mask that selects half of the elements at random."""
    return np.random.default_rng(1).random(shape, np.float32) < 0.5


def rounded(x: np.ndarray, dtype: str) -> np.ndarray:
    """Return the values of float32 data after a cast to a dtype."""
    if dtype.startswith("complex"):
        return complex_of(x)
    if dtype != "bfloat16":
        return x.astype(dtype)
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).view(np.float32)  # to nearest, ties to even
