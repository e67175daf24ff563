"""Prints usual expressions for an L1 penalty that give wrong results, and the results of the package.

Rows of libraries that are not installed are left out. Torch's norms depend on its number of threads, which is
two here on any machine. With `--markdown` the rows are those of README's table.
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
TORCH_THREADS = 2
HEADERS = ("idiom", "gives", "right", "l1_any gives")


class Row(NamedTuple):
    """An expression, of what it is taken, what it gives, what is right, and what the package gives."""

    expression: str
    of: str
    gives: float
    right: float
    package: float | str

    def numbers(self) -> tuple[str, str, str]:
        """Return what the idiom gives, what is right and what the package gives, as text."""
        package = self.package if isinstance(self.package, str) else f"{self.package:.9g}"
        return f"{self.gives:.9g}", f"{self.right:.9g}", package

    def markdown(self) -> str:
        """Return the row of a Markdown table."""
        return f"| `{self.expression}`, {self.of} | {' | '.join(self.numbers())} |"


def numpy_rows(size: int) -> Iterator[Row]:
    """Yield the rows of NumPy."""
    half = np.full(size, 0.1, np.float16)
    right = size * float(np.float16(0.1))
    of = f"{size:,} times 0.1 in float16"
    yield Row("np.abs(x).sum()", of, float(np.abs(half).sum()), right, float(l1.value(half)))
    del half
    integers = np.asarray([-128], np.int8)
    yield Row("np.abs(x).sum()", "-128 in int8", float(np.abs(integers).sum()), 128.0, _of_integers(integers))
    x = np.asarray([[1.0, -2.0], [-3.0, 4.0]])
    yield Row("np.linalg.norm(x, 1)", "x two by two", float(np.linalg.norm(x, 1)), 10.0, float(l1.value(x)))
    logprobs, mask = np.asarray([-np.inf, -2.0]), np.asarray([False, True])
    masked, package = float(np.abs(logprobs * mask).sum()), float(l1.value(logprobs, where=mask))
    yield Row("np.abs(x * mask).sum()", "-inf masked out", masked, 2.0, package)


def _of_integers(x) -> float | str:
    try:
        return float(l1.value(x))
    except TypeError:
        return "refuses integers"


def torch_rows(size: int) -> Iterator[Row]:
    """Yield the rows of torch."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(TORCH_THREADS)
    try:
        yield from _torch_rows(torch, size)
    finally:
        torch.set_num_threads(threads)


def _torch_rows(torch, size: int) -> Iterator[Row]:
    for fill in (1.0, 0.1):
        x = torch.full((size,), fill)
        right, package = size * float(np.float32(fill)), float(l1.value(x))
        of = f"{size:,} times {fill:g} in float32"
        gives = float(torch.linalg.vector_norm(x, 1))
        yield Row("torch.linalg.vector_norm(x, 1)", of, gives, right, package)
        yield Row("torch.norm(x, p=1)", of, float(torch.norm(x, p=1)), right, package)
    half = x.half()
    del x
    right = size * float(np.float16(0.1))
    of = f"{size:,} times 0.1 in torch.float16"
    yield Row("x.abs().sum()", of, float(half.abs().sum()), right, float(l1.value(half)))
    del half

    def derivative(value, at: float) -> float:
        z = torch.tensor(at, requires_grad=True)
        value(z).backward()
        return float(z.grad)

    nan = float("nan")
    yield Row(
        "x.abs().backward()",
        "torch's x.grad at NaN",
        derivative(torch.abs, nan),
        nan,
        derivative(l1.value, nan),
    )


def jax_rows(size: int) -> Iterator[Row]:
    """Yield the rows of JAX."""
    import jax
    import jax.numpy as jnp

    half = jnp.full(size, 0.1, jnp.float16)
    right = size * float(np.float16(0.1))
    of = f"{size:,} times 0.1 in float16"
    yield Row("jnp.abs(x).sum()", of, float(jnp.abs(half).sum()), right, float(l1.value(half)))
    del half
    for at, right in ((0.0, 0.0), (float("nan"), float("nan"))):
        gives, package = float(jax.grad(jnp.abs)(at)), float(jax.grad(l1.value)(jnp.asarray(at)))
        yield Row("jax.grad(jnp.abs)(x)", f"x = {'NaN' if at else 0}", gives, right, package)


_ROWS = {"numpy": numpy_rows, "torch": torch_rows, "jax": jax_rows}


def rows(size: int) -> Iterator[Row]:
    """Yield the rows of the libraries at hand."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # NumPy warns of the overflow that the table shows
        for name, of_library in _ROWS.items():
            if importlib.util.find_spec(name):
                yield from of_library(size)


def _wrong(row: Row) -> str:
    """Return the error of the expression: in per cent if that is finite, else "wrong", or nothing if it is right."""
    if np.isfinite([row.gives, row.right]).all() and row.right:
        return f"{100 * abs(row.gives - row.right) / abs(row.right):.3g} %"
    return "wrong" if not np.array_equal(row.gives, row.right, equal_nan=True) else ""


def _print_table(size: int) -> None:
    table = Table(title="Where the usual idioms go wrong", title_justify="left")
    idiom, *others = HEADERS
    table.add_column(idiom, overflow="fold")
    for header in (*others, "off by"):
        table.add_column(header, justify="right", no_wrap=True)
    for row in rows(size):
        table.add_row(f"{row.expression}, {row.of}", *row.numbers(), _wrong(row))
    Console().print(table)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=SIZE, help="elements of the long sums (default: 1e8)")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    args = parser.parse_args(argv)
    if not args.markdown:
        _print_table(args.size)
        return
    print(f"| {' | '.join(HEADERS)} |\n|---{'|--:' * (len(HEADERS) - 1)}|")
    for row in rows(args.size):
        print(row.markdown())


if __name__ == "__main__":
    main()
