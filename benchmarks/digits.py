"""Counts the digits that sums lose for sizes from 1e2 to 1e8, and draws them.

The data are equal numbers, 0.1, which show best what rounding does. Of the 7.2 decimal digits of a float32, as many are
lost as the error is larger than half a unit in the last place; all of them if the result is infinite. Torch's norm
depends on its number of threads, which is two here on any machine. ``--draw`` draws the plot of the stored numbers.
"""

import argparse
import json
import math
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import _report
import numpy as np

import l1_any as l1

FILL, THREADS = 0.1, 2
HALF_UNIT, ALL = 2.0**-24, math.log10(2**24)
SIZES = tuple(round(10 ** (exponent / 2)) for exponent in range(4, 17))
HERE = Path(__file__).parent
NUMBERS = HERE / "results" / "digits.json"
PLOT = HERE.parent / "docs" / "_static" / "digits.svg"
OWN = "l1.value(x), float32 and float16"
STYLES = {  # Okabe and Ito's colours, for the colour-blind
    "np.abs(x).sum(), float16": ("#d55e00", "-"),
    "torch.linalg.vector_norm(x, 1), float32": ("#cc79a7", "-"),
    "np.abs(x).sum(), float32": ("#e69f00", "--"),
    "x.abs().sum(), torch, float32": ("#009e73", ":"),
    OWN: ("#0072b2", "-"),
}


def lost(gives: float, right: Fraction) -> float:
    """Return how many decimal digits of a float32 are wrong."""
    if not math.isfinite(gives):
        return round(ALL, 2)
    error = float(abs(Fraction(gives) - right) / right) / HALF_UNIT
    return round(min(ALL, math.log10(error)), 2) if error > 1 else 0.0


def measured(size: int) -> Iterator[dict[str, Any]]:
    """Yield the digits that each expression loses for a size."""
    import torch

    torch.set_num_threads(THREADS)
    single, half = np.full(size, FILL, np.float32), np.full(size, FILL, np.float16)
    tensor = torch.from_numpy(single)
    of_single, of_half = (size * Fraction(float(x[0])) for x in (single, half))
    sums: dict[str, Callable[[], list[tuple[Any, Fraction]]]] = {
        "np.abs(x).sum(), float16": lambda: [(np.abs(half).sum(), of_half)],
        "torch.linalg.vector_norm(x, 1), float32": lambda: [(torch.linalg.vector_norm(tensor, 1), of_single)],
        "np.abs(x).sum(), float32": lambda: [(np.abs(single).sum(), of_single)],
        "x.abs().sum(), torch, float32": lambda: [(tensor.abs().sum(), of_single)],
        OWN: lambda: [
            (l1.value(x), right) for x, right in ((single, of_single), (half, of_half), (tensor, of_single))
        ],
    }
    for expression, results in sums.items():
        digits = max(lost(float(gives), right) for gives, right in results())
        yield {"expression": expression, "size": size, "digits lost": digits}


def draw(facts: dict[str, Any], file: Path) -> None:
    """Draw the digits that each expression loses, over the number of elements."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    with mpl.rc_context({"svg.hashsalt": "l1_any", "svg.fonttype": "path", "font.size": 11}):
        figure, panel = plt.subplots(figsize=(9, 3.4), layout="constrained", facecolor="white")
        for expression, (color, style) in STYLES.items():
            points = [point for point in facts["points"] if point["expression"] == expression]
            sizes, digits = ([point[key] for point in points] for key in ("size", "digits lost"))
            own = expression == OWN
            panel.plot(sizes, digits, style, color=color, lw=3 if own else 2, label=expression)
        panel.axhline(ALL, color="black", lw=1)
        panel.text(100, ALL - 0.15, "all digits of a float32", va="top")
        panel.set(xscale="log", xlabel="equal numbers", ylabel="decimal digits lost", ylim=(-0.2, ALL + 0.3))
        panel.grid(visible=True, color="#dddddd", lw=0.6)
        figure.legend(loc="outside right upper", frameon=False)
        figure.savefig(file, format="svg", metadata={"Date": None})
        plt.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Count and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draw", action="store_true", help="draw the plot from the numbers, count nothing")
    parser.add_argument("--largest", type=float, default=SIZES[-1], help="largest size (default: 1e8)")
    parser.add_argument("--numbers", type=Path, default=NUMBERS, metavar="FILE", help="the JSON file")
    parser.add_argument("--plot", type=Path, default=PLOT, metavar="FILE", help="the SVG file")
    args = parser.parse_args(argv)
    if not args.draw:
        points = [point for size in SIZES if size <= args.largest for point in measured(size)]
        head = json.dumps(_report.machine(["torch"], "cpu"))
        lines = ",\n".join(map(json.dumps, points))  # a line for each point
        args.numbers.write_text(f'{{\n"machine": {head},\n"points": [\n{lines}\n]\n}}\n', encoding="utf-8")
    draw(json.loads(args.numbers.read_text(encoding="utf-8")), args.plot)
    print(f"{args.plot}", file=sys.stderr)


if __name__ == "__main__":
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        main()
