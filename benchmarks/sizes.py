"""Measures the package for sizes from 1e2 to 1e8, and draws its time over that of the usual expression.

For NumPy and torch it measures the value, value and subgradient (torch: forward and backward) and the soft threshold,
with and without kernels. A round runs the usual expression and both of these once, and ratios are medians over rounds.
Kernels are loaded before the clock starts. ``--draw`` draws the plot of the measured numbers again.
"""

import argparse
import contextlib
import json
import statistics
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import _cases
import _libraries
import _measure
import _report
import numpy as np
from rich.console import Console
from rich.progress import track

KINDS = {"value": "value", "gradient": "value and subgradient", "prox": "soft threshold"}
LIBRARIES = {"numpy": "NumPy", "torch": "PyTorch"}
SIZES = tuple(round(10 ** (exponent / 2)) for exponent in range(4, 17))
LOADS_KERNELS = 1 << 16
HERE = Path(__file__).parent
NUMBERS = HERE / "results" / "sizes.json"
PLOT = HERE.parent / "docs" / "_static" / "speed.svg"
COLORS = {
    "value": "#0072b2",
    "gradient": "#d55e00",
    "prox": "#009e73",
}  # Okabe and Ito's, for the colour-blind


def measured(name: str, sizes: Sequence[int], rounds: int | None) -> Iterator[dict[str, Any]]:
    """Yield the numbers of a library for each kind and size."""
    library = _libraries.library(name, "cpu")
    for kind, title in KINDS.items():
        cases = dict(library.groups())[kind]
        usual, package = cases[0], next(case for case in cases if case.is_own)
        package.run(library.make(_cases.data("normal", (LOADS_KERNELS,)), "float32", kind))
        for size in track(sizes, f"{name}, {title}", console=Console(stderr=True)):
            x = library.make(_cases.data("normal", (size,)), "float32", kind)

            def run(case: _cases.Case = package, x: Any = x) -> None:
                case.run(x)

            runs = [lambda case=usual, x=x: case.run(x), run, _measure.Formula(run)]
            count = rounds or max(5, min(1000, 20_000_000 // size))
            of_usual, kernels, formula = _measure.interleaved(runs, count)
            yield {
                "library": name,
                "kind": kind,
                "size": size,
                "usual, seconds": float(f"{statistics.median(of_usual):.4g}"),
                "times the usual time": round(1 / _measure.ratio(of_usual, kernels), 4),
                "without kernels": round(1 / _measure.ratio(of_usual, formula), 4),
            }


def draw(facts: dict[str, Any], file: Path) -> None:
    """Draw a panel for each library: time over the usual expression, over the number of elements."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import FixedLocator, NullLocator

    settings = {"svg.hashsalt": "l1_any", "svg.fonttype": "path", "font.size": 11}
    with mpl.rc_context(settings):
        names = list(dict.fromkeys(point["library"] for point in facts["points"]))
        figure, panels = plt.subplots(
            1, len(names), figsize=(9, 4), sharey=True, layout="constrained", squeeze=False, facecolor="white"
        )
        for panel, name in zip(panels[0], names, strict=True):
            panel.axhline(1, color="black", lw=1)
            for kind, title in KINDS.items():
                points = [p for p in facts["points"] if (p["library"], p["kind"]) == (name, kind)]
                sizes = [point["size"] for point in points]
                for key, style in (("times the usual time", "-"), ("without kernels", ":")):
                    label = title if style == "-" and name == names[-1] else None
                    panel.plot(sizes, [p[key] for p in points], style, color=COLORS[kind], lw=2, label=label)
            panel.set(title=LIBRARIES[name], xscale="log", yscale="log", xlabel="float32 numbers")
            panel.grid(visible=True, color="#dddddd", lw=0.6)
        ticks = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50]
        panels[0, 0].yaxis.set_major_locator(FixedLocator(ticks))
        panels[0, 0].yaxis.set_minor_locator(NullLocator())
        panels[0, 0].yaxis.set_major_formatter(lambda tick, _: f"{tick:g}")
        panels[0, 0].set_ylabel("time over the usual expression\n(below 1: faster)")
        panels[0, -1].plot([], [], ":", color="gray", lw=2, label="without the extra `fast`")
        figure.legend(loc="outside lower center", ncols=4, frameon=False)
        figure.savefig(file, format="svg", metadata={"Date": None})
        plt.close(figure)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draw", action="store_true", help="draw the plot from the numbers, measure nothing")
    parser.add_argument("--largest", type=float, default=SIZES[-1], help="largest size (default: 1e8)")
    parser.add_argument("--rounds", type=int, help="rounds of each size (default: 5 to 1000)")
    parser.add_argument("--numbers", type=Path, default=NUMBERS, metavar="FILE", help="the JSON file")
    parser.add_argument("--plot", type=Path, default=PLOT, metavar="FILE", help="the SVG file")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and draw."""
    args = _arguments(argv)
    if not args.draw:
        names = [name for name in _libraries.installed("cpu") if name in LIBRARIES]
        sizes = [size for size in SIZES if size <= args.largest]
        points = [point for name in names for point in measured(name, sizes, args.rounds)]
        head = json.dumps(_report.machine(names, "cpu"))
        lines = ",\n".join(map(json.dumps, points))  # a line for each point
        text = f'{{\n"machine": {head},\n"points": [\n{lines}\n]\n}}\n'
        args.numbers.write_text(text, encoding="utf-8")
    draw(json.loads(args.numbers.read_text(encoding="utf-8")), args.plot)
    print(f"{args.plot}", file=sys.stderr)


if __name__ == "__main__":
    with warnings.catch_warnings(), np.errstate(all="ignore"), contextlib.suppress(KeyboardInterrupt):
        warnings.simplefilter("ignore")
        main()
