"""`import l1_any` brings in NumPy and nothing else, quickly."""

import subprocess
import sys

CODE = """
import sys, time
import numpy
loaded = set(sys.modules)
start = time.perf_counter()
import l1_any
print(time.perf_counter() - start)
print(*{name.partition(".")[0] for name in set(sys.modules) - loaded})
"""


def test_no_other_library():
    out = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout
    seconds, modules = out.splitlines()
    foreign = set(modules.split()) - set(sys.stdlib_module_names) - {"l1_any", "array_api_compat"}
    assert not {name for name in foreign if not name.startswith("_")}
    assert float(seconds) < 1


def test_public_names():
    import l1_any

    for name in l1_any.__all__:
        assert getattr(l1_any, name).__doc__
