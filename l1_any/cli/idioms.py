"""Usual expressions for an L1 penalty that give wrong results, beside the package: the rows of README's table."""

import importlib.util
import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import l1_any as l1

SIZE = 100_000_000
TORCH_THREADS = 2
_LOADS_KERNELS = 1 << 20
_PATIENCE, _SHORT, _REPEATS = 2.0, 0.3, 5
_LEAST_PERCENT, _WHOLE_PERCENT = 0.001, 100


@dataclass(frozen=True)
class Case:
    """An expression, of what it is taken, what is right, and both functions of `x`; `readme`: README shows it."""

    expression: str
    of: str
    right: float
    x: Any
    usual: Callable[[Any], Any]
    package: Callable[[Any], Any] = l1.value
    readme: bool = True


@dataclass(frozen=True)
class Row:
    """What an expression and the package give, what is right, and the seconds that both take."""

    expression: str
    of: str
    gives: float
    right: float
    package: float | str
    seconds: float
    package_seconds: float | None

    def numbers(self) -> tuple[str, str, str]:
        """Return what the expression gives, what is right and what the package gives, as text."""
        package = self.package if isinstance(self.package, str) else f"{self.package:.9g}"
        return f"{self.gives:.9g}", f"{self.right:.9g}", package

    @property
    def off(self) -> str:
        """By how much the expression is wrong."""
        return off_by(self.gives, self.right)


def off_by(gives: float, right: float, tolerance: float = 0.0) -> str:
    """Say by how much a number is wrong: in per cent if that is finite, "right" within the relative tolerance."""
    if gives == right or (math.isnan(gives) and math.isnan(right)):
        return "right"
    if not (math.isfinite(gives) and math.isfinite(right) and right):
        return "wrong"
    error = abs(gives - right) / abs(right)
    if error <= tolerance:
        return "right"
    percent = 100 * error
    if percent < _LEAST_PERCENT:
        return f"< {_LEAST_PERCENT} %"
    return f"{percent:.2g} %" if percent < _WHOLE_PERCENT else f"{percent:.0f} %"


def _numpy(size: int) -> Iterator[Case]:
    l1.value(np.ones(_LOADS_KERNELS, np.float16))
    of, right = f"{size:,} times 0.1 in float16", size * float(np.float16(0.1))
    yield Case("np.abs(x).sum()", of, right, np.full(size, 0.1, np.float16), lambda x: np.abs(x).sum())
    integers = np.asarray([-128], np.int8)
    yield Case("np.abs(x).sum()", "-128 in int8", 128.0, integers, lambda x: np.abs(x).sum())
    x = np.asarray([[1.0, -2.0], [-3.0, 4.0]])
    yield Case("np.linalg.norm(x, 1)", "x two by two", 10.0, x, lambda x: np.linalg.norm(x, 1))
    logprobs, mask = np.asarray([-np.inf, -2.0]), np.asarray([False, True])
    yield Case(
        "np.abs(x * mask).sum()",
        "-inf masked out",
        2.0,
        logprobs,
        lambda x: np.abs(x * mask).sum(),
        lambda x: l1.value(x, where=mask),
    )


def _torch(size: int) -> Iterator[Case]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(TORCH_THREADS)
    try:
        yield from _torch_cases(torch, size)
    finally:
        torch.set_num_threads(threads)


def _torch_cases(torch: Any, size: int) -> Iterator[Case]:
    l1.value(torch.ones(_LOADS_KERNELS))
    norms: dict[str, Callable[[Any], Any]] = {
        "torch.linalg.vector_norm(x, 1)": lambda x: torch.linalg.vector_norm(x, 1),
        "torch.norm(x, p=1)": lambda x: torch.norm(x, p=1),
    }
    for fill in (1.0, 0.1):
        x = torch.full((size,), fill)
        right, of = size * float(np.float32(fill)), f"{size:,} times {fill:g} in float32"
        for text, norm in norms.items():
            yield Case(text, of, right, x, norm, readme=fill == 1)
    of, right = f"{size:,} times 0.1 in torch.float16", size * float(np.float16(0.1))
    yield Case("x.abs().sum()", of, right, x.half(), lambda x: x.abs().sum(), readme=False)
    del x

    def derivative(value: Callable[[Any], Any], at: float) -> Any:
        z = torch.tensor(at, requires_grad=True)
        value(z).backward()
        return z.grad

    of = "torch's x.grad at NaN"
    usual, package = partial(derivative, torch.abs), partial(derivative, l1.value)
    yield Case("x.abs().backward()", of, math.nan, math.nan, usual, package)


def _jax(size: int) -> Iterator[Case]:
    import jax
    import jax.numpy as jnp

    of, right = f"{size:,} times 0.1 in float16", size * float(np.float16(0.1))
    half = jnp.full(size, 0.1, jnp.float16)
    yield Case("jnp.abs(x).sum()", of, right, half, lambda x: jnp.abs(x).sum(), readme=False)
    del half
    usual, package = jax.grad(jnp.abs), jax.grad(l1.value)
    for at in (0.0, math.nan):
        of = f"x = {'NaN' if at else 0}"
        yield Case("jax.grad(jnp.abs)(x)", of, at, jnp.asarray(at), usual, package, readme=not at)


CASES = {"numpy": _numpy, "torch": _torch, "jax": _jax}
"""For each library, the cases whose long sums have `size` numbers."""


def rows(
    size: int = SIZE, *, more: bool = True, started: Callable[[str], object] = lambda _: None
) -> Iterator[Row]:
    """
    Yield the rows of the libraries that are installed.

    Parameters
    ----------
    size
        The numbers of the long sums. Some of them are wrong only if they are long.
    more
        Whether to yield the rows that README's table leaves out.
    started
        Called with the name of each library.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # NumPy warns of the overflow that the table shows
        for name, cases in CASES.items():
            if importlib.util.find_spec(name):
                started(name)
                yield from _computed(cases(size), more=more)


def _computed(cases: Iterable[Case], *, more: bool) -> Iterator[Row]:
    for case in cases:
        if not (more or case.readme):
            continue
        gives, seconds = _timed(case.usual, case.x)
        package: tuple[float, float] | tuple[str, None]
        try:
            package = _timed(case.package, case.x)
        except TypeError:  # a dtype whose results would be wrong
            package = "refuses integers", None
        yield Row(case.expression, case.of, gives, case.right, package[0], seconds, package[1])


def _timed(function: Callable[[Any], Any], x: Any) -> tuple[float, float]:
    """Return the result and the shortest time; short runs are repeated, and their first one is not counted."""
    start = time.perf_counter()
    result = float(function(x))
    times = [time.perf_counter() - start]
    if times[0] < _PATIENCE:  # else it is no compilation that took so long
        times.clear()
        while len(times) < _REPEATS and sum(times) < _SHORT:
            start = time.perf_counter()
            float(function(x))
            times.append(time.perf_counter() - start)
    return result, min(times)
