"""`l1_any.optim` imports the library of a name only when the name is asked for."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("name", "own", "other"), [("ProximalL1", "torch", "optax"), ("proximal_l1", "optax", "torch")]
)
def test_each_name_needs_its_own_library_alone(name, own, other):
    code = f"import sys; sys.modules[{other!r}] = None; import l1_any; print(l1_any.optim.{name}.__module__)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == f"l1_any.optim.{own}"


def test_the_package_imports_neither():
    code = "import sys, l1_any.optim; print({'torch', 'optax', 'jax'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "set()"
