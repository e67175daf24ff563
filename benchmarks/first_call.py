"""Times the first call on a large array in a new process, with an empty cache of compiled kernels and with a full one.

The time of numba's own import is subtracted, and printed beside it.
"""

import os
import subprocess
import sys
import tempfile

from rich.console import Console
from rich.table import Table

CALLS = {
    "l1.value(x)": "l1.value(x)",
    "l1.value_and_subgradient(x)": "l1.value_and_subgradient(x)",
    "l1.prox(x, 0.5)": "l1.prox(x, 0.5)",
}
CODE = """
import time
import numpy as np
import l1_any as l1
x = np.ones(1 << 20, np.float32)
start = time.perf_counter()
import numba
imported = time.perf_counter()
{call}
done = time.perf_counter()
print(imported - start, done - imported)
"""


def seconds(call: str, cache: str) -> tuple[float, float]:
    """Return the time of numba's import and that of the call after it."""
    command = [sys.executable, "-c", CODE.format(call=call)]
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    own_import, own_call = map(float, done.stdout.split())
    return own_import, own_call


def main() -> None:
    """Print the table."""
    table = Table("call", "import numba, s", "then, empty cache, s", "then, full cache, s")
    for name, call in CALLS.items():
        with tempfile.TemporaryDirectory() as cache:
            empty = seconds(call, cache)
            full = seconds(call, cache)
        table.add_row(name, f"{full[0]:.2f}", f"{empty[1]:.2f}", f"{full[1]:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
