"""Prints usual expressions for an L1 penalty that give wrong results, and the results of the package.

The table omits libraries that are not installed. The results of torch's norms depend on its number of threads.
"""

import argparse
import importlib.util
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

import l1_any as l1

SIZE = 100_000_000


class Row(NamedTuple):
    """An expression, its result, the right result, and the result of the package."""

    expression: str
    gives: float
    right: float
    package: float


def numpy_rows(size: int) -> Iterator[Row]:
    """Yield the rows of NumPy."""
    half = np.full(size, 0.1, np.float16)
    right = size * float(np.float16(0.1))
    yield Row(
        f"np.abs(x).sum(), float16, {size} x 0.1", float(np.abs(half).sum()), right, float(l1.value(half))
    )
    del half
    x = np.asarray([[1.0, -2.0], [-3.0, 4.0]])
    yield Row("np.linalg.norm(x, 1), x 2 by 2", float(np.linalg.norm(x, 1)), 10.0, float(l1.value(x)))
    logprobs, mask = np.asarray([-np.inf, -2.0]), np.asarray([False, True])
    masked = float(np.abs(logprobs * mask).sum())
    yield Row("np.abs(x * mask).sum(), -inf masked out", masked, 2.0, float(l1.value(logprobs, where=mask)))
    integers = np.asarray([-128], np.int8)
    as_float = float(l1.value(integers.astype(np.float32)))
    yield Row("np.abs(x).sum(), int8 -128", float(np.abs(integers).sum()), 128.0, as_float)


def torch_rows(size: int) -> Iterator[Row]:
    """Yield the rows of torch."""
    import torch

    for fill in (1.0, 0.1):
        x = torch.full((size,), fill)
        right, package = size * float(np.float32(fill)), float(l1.value(x))
        name = f"float32, {size} x {fill:g}"
        gives = float(torch.linalg.vector_norm(x, 1))
        yield Row(f"torch.linalg.vector_norm(x, 1), {name}", gives, right, package)
        yield Row(f"torch.norm(x, p=1), {name}", float(torch.norm(x, p=1)), right, package)
    half = x.half()
    del x
    right = size * float(np.float16(0.1))
    yield Row(f"x.abs().sum(), float16, {size} x 0.1", float(half.abs().sum()), right, float(l1.value(half)))
    del half

    def derivative(value, at: float) -> float:
        z = torch.tensor(at, requires_grad=True)
        value(z).backward()
        return float(z.grad)

    nan = float("nan")
    yield Row("torch gradient of x.abs() at NaN", derivative(torch.abs, nan), nan, derivative(l1.value, nan))


def jax_rows(size: int) -> Iterator[Row]:
    """Yield the rows of JAX."""
    import jax
    import jax.numpy as jnp

    half = jnp.full(size, 0.1, jnp.float16)
    right = size * float(np.float16(0.1))
    yield Row(
        f"jnp.abs(x).sum(), float16, {size} x 0.1", float(jnp.abs(half).sum()), right, float(l1.value(half))
    )
    del half
    for at, right in ((0.0, 0.0), (float("nan"), float("nan"))):
        gives, package = float(jax.grad(jnp.abs)(at)), float(jax.grad(l1.value)(jnp.asarray(at)))
        yield Row(f"jax.grad(jnp.abs) at {'NaN' if at else 0}", gives, right, package)


_ROWS = {"numpy": numpy_rows, "torch": torch_rows, "jax": jax_rows}


def rows(size: int) -> Iterator[Row]:
    """Yield the rows of the installed libraries."""
    for name, of_library in _ROWS.items():
        if importlib.util.find_spec(name):
            yield from of_library(size)


def _wrong(row: Row) -> str:
    """Return the error of the expression: in per cent if that is finite, else "wrong", or nothing if it is right."""
    if np.isfinite([row.gives, row.right]).all() and row.right:
        return f"{100 * abs(row.gives - row.right) / abs(row.right):.3g} %"
    return "wrong" if not np.array_equal(row.gives, row.right, equal_nan=True) else ""


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=SIZE, help="elements of the long sums (default: 1e8)")
    args = parser.parse_args(argv)
    table = Table(title="Where the usual expressions go wrong", title_justify="left")
    table.add_column("expression", overflow="fold")
    for header in ("gives", "right", "off by", "l1_any"):
        table.add_column(header, justify="right", no_wrap=True)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # NumPy warns about overflow, which the table shows
        for row in rows(args.size):
            values = (f"{value:.9g}" for value in (row.gives, row.right, row.package))
            gives, right, package = values
            table.add_row(row.expression, gives, right, _wrong(row), package)
    Console().print(table)


if __name__ == "__main__":
    main()
