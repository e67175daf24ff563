"""`import l1_any` brings in NumPy and nothing else, quickly."""

import statistics
import subprocess
import sys

CODE = """
import sys, time
start = time.perf_counter()
import numpy
print(time.perf_counter() - start)
loaded = set(sys.modules)
start = time.perf_counter()
import l1_any
print(time.perf_counter() - start)
print(*{name.partition(".")[0] for name in set(sys.modules) - loaded})
"""


def imported():
    """Seconds for NumPy, seconds for the package after it, and the modules that the latter brought."""
    out = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout
    numpys, ours, modules = out.splitlines()
    return float(numpys), float(ours), modules


def test_no_other_library():
    _, _, modules = imported()
    foreign = set(modules.split()) - set(sys.stdlib_module_names) - {"l1_any", "array_api_compat"}
    assert not {name for name in foreign if not name.startswith("_")}


def test_little_more_than_numpys_own_time():
    ratios = [ours / numpys for numpys, ours, _ in (imported() for _ in range(5))]
    assert statistics.median(ratios) < 1


def test_public_names():
    import l1_any

    for name in l1_any.__all__:
        assert getattr(l1_any, name).__doc__
