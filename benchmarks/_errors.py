"""The errors of sums, prox and project, in units in the last place."""

import functools
from fractions import Fraction

import _cases
import _proximal
import numpy as np
from _cases import Group

from l1_any.testing import result_dtype, to_numpy, ulps
from l1_any.testing.exact_sum import absolute_sum

ROWS_CHECKED = 256
DISTRIBUTIONS = ("normal", "equal", "logprobs")


def columns(kind: str) -> list[str]:
    """Return the headers of the cells of `errors` for a kind."""
    if kind in _cases.SUMS:
        return [f"ulps, {distribution}" for distribution in DISTRIBUTIONS]
    return ["ulps", "-0.0"] if kind in _cases.PROXIMAL else []


def errors(group: Group) -> list[list[str]]:
    """Return the cells of each case for its error; sums have one for each distribution."""
    if group.kind not in _cases.SUMS and (group.kind not in _cases.PROXIMAL or group.dtype != "float32"):
        return [[""] * len(columns(group.kind)) for _ in group.cases]
    if group.kind in _cases.PROXIMAL:
        x = group.library.make(_cases.data("normal", group.shape), group.dtype, group.kind)
        exact = _exact_operator(group.kind, group.shape)
        return [_operator_errors(to_numpy(case.run(x)), exact) for case in group.cases]
    cells: list[list[str]] = [[] for _ in group.cases]
    for distribution in DISTRIBUTIONS:
        x = group.library.make(_cases.data(distribution, group.shape), group.dtype, group.kind)
        exact = _exact_sums(distribution, group.dtype, group.shape)
        for case, row in zip(group.cases, cells, strict=True):
            out = _cases.reduced(case.run(x))
            got = [float(number) for number in out[:ROWS_CHECKED]] if out.ndim else [float(out)]
            row.append(_count(ulps(got, exact, result_dtype(group.dtype))))
    return cells


@functools.cache
def _exact_sums(distribution: str, dtype: str, shape: tuple[int, ...]) -> list[Fraction | float]:
    x = _cases.rounded(_cases.data(distribution, shape), dtype)
    return [absolute_sum(row).total for row in (x[:ROWS_CHECKED] if x.ndim > 1 else [x])]


@functools.lru_cache(maxsize=1)
def _exact_operator(kind: str, shape: tuple[int, ...]) -> np.ndarray:
    return _proximal.exact(kind, _cases.data("normal", shape))


def _operator_errors(out: np.ndarray, exact: np.ndarray) -> list[str]:
    unit = float(np.spacing(np.abs(exact).max().astype(out.dtype)))
    negative_zeros = np.count_nonzero((out == 0) & np.signbit(out))
    return [f"{np.abs(out - exact).max() / unit:.1f}", _count(negative_zeros)]


def _count(number: float) -> str:
    return f"{number:.0f}" if number < 1e4 else f"{number:.0e}"
