"""Measures how the value of an array grows with devices and worker processes, beside the plain expression.

JAX divides an array among virtual devices of the CPU, Dask among worker processes. Strong scaling divides one array,
weak scaling gives each device or process an array of the same size. All of them share the cores of one machine, so that
times beyond as many as there are cores are a simulation: they show what the engine adds, and not a speed-up. What
travels is counted and does not depend on the machine: for JAX the bytes of the collectives in the compiled program, for
Dask those that the workers say they sent. ``--draw`` draws the numbers of the run.
"""

import argparse
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _report
from rich.console import Console
from rich.progress import track

ENGINES = {"jax": "JAX, virtual devices", "dask": "Dask, worker processes"}
SCALINGS = {"strong": "one array, divided", "weak": "an array for each"}
COUNTS = (1, 2, 4, 8)
ROWS = {"strong": 16_000, "weak": 4_000}
"""Rows of 1000 float32 numbers: of the whole array, or of the part of each device or process."""
COLORS = {"package": "#0072b2", "plain": "#d55e00"}  # Okabe and Ito's, for the colour-blind
HERE = Path(__file__).parent


def measured(engines: Sequence[str], counts: Sequence[int], rows: dict[str, int]) -> list[dict[str, Any]]:
    """Return a point for each engine, way to scale, and number of devices or processes."""
    runs = [(engine, scaling, n) for engine in engines for scaling in SCALINGS for n in counts]
    points = []
    for engine, scaling, n in track(runs, "scaling", console=Console(stderr=True)):
        size = rows[scaling] * (n if scaling == "weak" else 1)
        command = [sys.executable, str(HERE / "_scale_workers.py"), engine, str(n), str(size)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{engine} with {n}: {done.stderr}")
        found = json.loads(done.stdout.splitlines()[-1])
        points.append({"engine": engine, "scaling": scaling, "count": n, "rows": size} | found)
    return points


def table(points: Sequence[dict[str, Any]], engine: str) -> Any:
    """Return the table of an engine."""
    columns = [
        "scaling",
        "count",
        "MB",
        "ms",
        "plain ms",
        "bytes moved",
        "plain bytes",
        "peak MB",
        "plain MB",
    ]
    rows = [
        [
            point["scaling"],
            str(point["count"]),
            f"{point['rows'] * 4e-3:.0f}",
            *(f"{point[which]['seconds'] * 1e3:.1f}" for which in COLORS),
            *(f"{point[which]['bytes']:.0f}" for which in COLORS),
            *(f"{point[which]['peak'] / 1e6:.2f}" for which in COLORS),
        ]
        for point in points
        if point["engine"] == engine
    ]
    return _report.table(ENGINES[engine], columns, rows, left=1)


def draw(points: Sequence[dict[str, Any]], file: Path) -> None:
    """Draw the time over the number of devices or processes: a row for each engine, a column for each way to scale."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import FixedLocator, NullLocator

    engines = list(dict.fromkeys(point["engine"] for point in points))
    cores = os.cpu_count() or 1
    with mpl.rc_context({"svg.hashsalt": "l1_any", "svg.fonttype": "path", "font.size": 11}):
        size = 9, 3 * len(engines) + 0.6
        figure, panels = plt.subplots(
            len(engines), 2, figsize=size, layout="constrained", squeeze=False, facecolor="white", sharex=True
        )
        for row, engine in zip(panels, engines, strict=True):
            for panel, (scaling, title) in zip(row, SCALINGS.items(), strict=True):
                own = [p for p in points if (p["engine"], p["scaling"]) == (engine, scaling)]
                counts = [p["count"] for p in own]
                for which, color in COLORS.items():
                    label = {"package": "l1.value(x)", "plain": "abs(x).sum()"}[which]
                    label = label if panel is panels[0, 0] else None
                    times = [p[which]["seconds"] * 1e3 for p in own]
                    panel.plot(counts, times, "o-", color=color, lw=2, label=label)
                if max(counts) > cores:
                    panel.axvspan(cores, max(counts), color="#eeeeee", zorder=0)
                panel.set(title=f"{ENGINES[engine]}: {title}", xscale="log", ylim=(0, None))
                panel.xaxis.set_major_locator(FixedLocator(counts))
                panel.xaxis.set_minor_locator(NullLocator())
                panel.xaxis.set_major_formatter(lambda tick, _: f"{tick:g}")
                panel.grid(visible=True, color="#dddddd", lw=0.6)
            row[0].set_ylabel("milliseconds")
        panels[0, 0].axvspan(0, 0, color="#eeeeee", label=f"a simulation: more than the {cores} cores")
        for panel in panels[-1]:
            panel.set_xlabel("devices or processes")
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
        figure.savefig(file, format="svg", metadata={"Date": None})
        plt.close(figure)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", action="append", choices=ENGINES, help="what to measure (default: all)")
    parser.add_argument("--most", type=int, default=COUNTS[-1], help="most devices or processes (default: 8)")
    parser.add_argument("--shrink", type=int, default=1, help="divide all sizes by this number")
    parser.add_argument("--draw", type=Path, metavar="FILE", help="the SVG file of the plot")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="the Markdown file of the tables")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and draw."""
    args = _arguments(argv)
    engines = list(dict.fromkeys(args.engine or ENGINES))
    counts = [n for n in COUNTS if n <= args.most]
    points = measured(engines, counts, {scaling: n // args.shrink for scaling, n in ROWS.items()})
    tables = [table(points, engine) for engine in engines]
    console = Console()
    for each in tables:
        console.print(each)
    if args.markdown:
        names = [{"dask": "distributed"}.get(engine, engine) for engine in engines]
        text = "\n\n".join(
            [
                "# How the value grows with devices and processes",
                __doc__.partition("\n\n")[2].partition(" ``--draw``")[0].replace("\n", " "),
                _report.machine(names, "cpu"),
                *map(_report.markdown, tables),
            ]
        )
        args.markdown.write_text(text + "\n", encoding="utf-8")
    if args.draw:
        draw(points, args.draw)


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
