"""Times prox and project beside what they replace, in one run: ``python benchmarks/proximal.py --help``.

All ways run in turn in every round; times and ratios are medians over rounds.
"""

import argparse
import functools
import importlib.util
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from _measure import interleaved, ratio
from rich.console import Console
from rich.table import Table

import l1_any as l1

SIZE = 1 << 26
ROWS, COLUMNS = 4096, 4096
STEP, RADIUS = 0.5, 10.0


class Way(NamedTuple):
    """One way to do it; the first of a group is what the others are compared with."""

    library: str
    name: str
    run: Callable[[], Any]


def numpy_ways(x: np.ndarray, rows: np.ndarray) -> Iterator[list[Way]]:
    """Yield NumPy's groups."""
    yield [
        Way(
            "numpy",
            "np.sign(x) * np.maximum(np.abs(x) - t, 0)",
            lambda: np.sign(x) * np.maximum(np.abs(x) - STEP, 0),
        ),
        Way("numpy", "l1.prox(x, t)", lambda: l1.prox(x, STEP)),
    ]
    yield [
        Way("numpy", "np.sort(np.abs(x), axis=1), the sort alone", lambda: np.sort(np.abs(rows), axis=1)),
        Way("numpy", "l1.project(x, r, axis=1)", lambda: l1.project(rows, RADIUS, axis=1)),
    ]


def torch_ways(x: np.ndarray, rows: np.ndarray) -> Iterator[list[Way]]:
    """Yield torch's groups."""
    import torch
    from torch.nn import functional

    t, r = torch.from_numpy(x), torch.from_numpy(rows)
    yield [
        Way("torch", "F.softshrink(x, t)", lambda: functional.softshrink(t, STEP)),
        Way("torch", "sign(x) * relu(abs(x) - t)", lambda: torch.sign(t) * torch.relu(torch.abs(t) - STEP)),
        Way("torch", "l1.prox(x, t)", lambda: l1.prox(t, STEP)),
    ]
    yield [
        Way("torch", "torch.sort(abs(x), 1), the sort alone", lambda: torch.sort(torch.abs(r), dim=1)),
        Way("torch", "l1.project(x, r, axis=1)", lambda: l1.project(r, RADIUS, axis=1)),
    ]


def jax_ways(x: np.ndarray, rows: np.ndarray) -> Iterator[list[Way]]:
    """Yield JAX's groups, with optax's and jaxopt's own where they are installed."""
    import jax
    import jax.numpy as jnp

    def waiting(function: Callable[..., Any], *args: Any) -> Callable[[], Any]:
        return lambda: jax.block_until_ready(function(*args))

    a, r = jnp.asarray(x), jnp.asarray(rows)
    idiom = jax.jit(lambda a: jnp.sign(a) * jnp.maximum(jnp.abs(a) - STEP, 0))
    prox = [Way("jax", "jit of sign(x) * maximum(abs(x) - t, 0)", waiting(idiom, a))]
    project = []
    if importlib.util.find_spec("optax"):
        import optax

        one = functools.partial(optax.projections.projection_l1_ball, scale=RADIUS)
        project.append(
            Way("jax", "jit, vmap of optax projection_l1_ball", waiting(jax.jit(jax.vmap(one)), r))
        )
    if importlib.util.find_spec("jaxopt"):
        import jaxopt

        prox.append(Way("jax", "jit of jaxopt prox_lasso", waiting(jax.jit(jaxopt.prox.prox_lasso), a, STEP)))
        one = functools.partial(jaxopt.projection.projection_l1_ball, max_value=RADIUS)
        project.append(
            Way("jax", "jit, vmap of jaxopt projection_l1_ball", waiting(jax.jit(jax.vmap(one)), r))
        )
    prox.append(Way("jax", "l1.prox(x, t)", waiting(l1.prox, a, STEP)))
    project.append(
        Way("jax", "l1.project(x, r, axis=1)", waiting(functools.partial(l1.project, axis=1), r, RADIUS))
    )
    yield prox
    yield project


LIBRARIES = {"numpy": numpy_ways, "torch": torch_ways, "jax": jax_ways}


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    installed = [name for name in LIBRARIES if importlib.util.find_spec(name)]
    parser.add_argument(
        "--library", action="append", choices=installed, help="repeatable; default: all installed"
    )
    parser.add_argument("--size", type=int, default=SIZE, help="elements for prox (default: 64M)")
    parser.add_argument(
        "--rows", type=int, default=ROWS, help=f"rows of {COLUMNS} for project (default: 4096)"
    )
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args(argv)
    rng = np.random.default_rng(0)
    x = rng.standard_normal(args.size, dtype=np.float32)
    rows = rng.standard_normal((args.rows, COLUMNS), dtype=np.float32)
    title = f"float32: prox of {args.size}, project of {list(rows.shape)}"
    table = Table(title=title, title_justify="left")
    for column in ("library", "way"):
        table.add_column(column)
    for column in ("ms", "x first"):
        table.add_column(column, justify="right")
    for name in args.library or installed:
        for ways in LIBRARIES[name](x, rows):
            times = interleaved([way.run for way in ways], args.rounds)
            for way, seconds in zip(ways, times, strict=True):
                ms = statistics.median(seconds) * 1e3
                table.add_row(way.library, way.name, f"{ms:.1f}", f"{ratio(times[0], seconds):.2f}")
            table.add_section()
    Console().print(table)


if __name__ == "__main__":
    main()
