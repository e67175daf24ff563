"""The cases of a comparison: expressions that compute the same thing from the same array of a library."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

DTYPES = ("float32", "float16", "bfloat16", "float64")
SUMS = ("value", "gradient", "axis")
OPERATORS = ("prox", "project")
KINDS = SUMS + OPERATORS


@dataclass(frozen=True)
class Case:
    """One expression that computes its kind; the first case of a kind is the library's usual expression."""

    kind: str
    name: str
    run: Callable[[Any], Any]


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

    def make(self, data: np.ndarray, dtype: str, kind: str) -> Any:
        """Return the data as an array of the library, prepared for a kind of case."""
        x = self.array(data, dtype)
        return self.prepare.get(kind, lambda x: x)(x)


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


def rounded(x: np.ndarray, dtype: str) -> np.ndarray:
    """Return the values of float32 data after a cast to a dtype."""
    if dtype != "bfloat16":
        return x.astype(dtype)
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).view(np.float32)  # to nearest, ties to even
