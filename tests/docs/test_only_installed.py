"""What the session `doctests` leaves to `docs`: the examples that need a library that is not installed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def needing(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    import _only_installed

    return _only_installed.needing


def test_what_is_made_by_a_missing_library_is_missed_too(needing):
    sources = [
        "import numpy as np",
        "import torch.nn as nn",
        "x = nn.Parameter()",
        "for _ in range(3):\n    x.step()",
        "from jax import numpy as jnp",
        "x = np.ones(3)",
        "y = x + 1",
        "jnp.abs(y)",
    ]
    assert needing(sources, {"torch", "jax"}) == [False, True, True, True, True, False, False, True]
    assert not any(needing(sources, set()))


WITHOUT = """
import importlib.abc, importlib.util, sys
import pytest
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name in {"torch", "jax", "optax"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *args: None if name in {"torch", "jax", "optax"} else find_spec(name, *args)
sys.exit(pytest.main(["-p", "docs._only_installed", "--doctest-modules", "--doctest-glob=*.md", *sys.argv[1:]]))
"""


def test_pages_say_what_was_left_out():
    pages = ["docs/zeros.md", "docs/contract.md", "README.md", "l1_any/optim"]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *pages], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found, told = done.stdout.partition("left to `nox -s docs`")[::2]
    assert "docs/zeros.md s" in found
    assert "docs/contract.md ." in found
    assert "docs/zeros.md: 13 of 13 examples" in told
    assert "README.md: 17 of 26 examples" in told
    assert "l1_any/optim/torch.py: the module, which imports torch" in told
    assert "contract.md" not in told
    assert "2 passed, 1 skipped" in told
