"""Prints usual expressions for an L1 penalty that give wrong results, and the results of the package.

Rows of libraries that are not installed are left out. Torch's norms depend on its number of threads, which is
two here on any machine. With `--markdown` the rows are those of README's table. `l1-any demo` shows the same rows
with the times.
"""

import argparse
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from l1_any.cli.idioms import SIZE, Row, rows

HEADERS = ("idiom", "gives", "right", "l1_any gives")


def markdown(row: Row) -> str:
    """Return the row of a Markdown table."""
    return f"| `{row.expression}`, {row.of} | {' | '.join(row.numbers())} |"


def _print_table(size: int) -> None:
    table = Table(title="Where the usual idioms go wrong", title_justify="left")
    idiom, *others = HEADERS
    table.add_column(idiom, overflow="fold")
    for header in (*others, "off by"):
        table.add_column(header, justify="right", no_wrap=True)
    for row in rows(size):
        table.add_row(f"{row.expression}, {row.of}", *row.numbers(), row.off)
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
        print(markdown(row))


if __name__ == "__main__":
    main()
