"""`import l1_any` brings in NumPy and nothing else, and does little more than that."""

import importlib
import subprocess
import sys

import pytest

CODE = """
import importlib, sys
def calls(name):
    n = 0
    def count(frame, event, arg):
        nonlocal n
        n += event in {"call", "c_call"}
    sys.setprofile(count)
    importlib.import_module(name)
    sys.setprofile(None)
    return n
print(calls("numpy"))
loaded = set(sys.modules)
print(calls("l1_any"))
print(*{name.partition(".")[0] for name in set(sys.modules) - loaded})
"""


def imported():
    """Calls that NumPy's import makes, calls that the package's makes after it, and the modules it brings."""
    out = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout
    numpys, ours, modules = out.splitlines()
    return int(numpys), int(ours), modules


def test_no_other_library():
    _, _, modules = imported()
    foreign = set(modules.split()) - set(sys.stdlib_module_names) - {"l1_any", "array_api_compat"}
    assert not {name for name in foreign if not name.startswith("_")}


def test_costs_less_than_half_of_numpys_import():
    """Counted in function calls: seconds would depend on what else the machine does."""
    numpys, ours, _ = imported()
    assert ours < numpys / 2


COMPILED = """
{imports}
import l1_any as l1
import torch
x = torch.tensor([1.0, -2.0, 3.0])
f = torch.compile(lambda x: {call}, fullgraph=True, backend="eager")
print(float(f(x)))
"""


@pytest.mark.only("torch")
@pytest.mark.parametrize(
    ("imports", "call", "expected"),
    [
        ("", "l1.value([x, {'a': x}], weights=0.5)", 6),
        ("import torch", "l1.prox(x, 0.5).sum()", 1.5),
        ("", "l1.Pipeline(l1.L1Regularizer(), [l1.Term(l1.L1Regularizer())])(None, x)[0]", 12),
    ],
)
def test_first_call_inside_a_compiler(library, imports, call, expected):
    """Nothing was looked up before, and Dynamo cannot trace how a module is imported by its name."""
    if library.variant.gpu:
        pytest.skip("the process that this one starts uses the CPU")
    code = COMPILED.format(imports=imports, call=call)
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(out) == expected


def test_public_names():
    import l1_any

    for name in l1_any.__all__:
        assert getattr(l1_any, name).__doc__


@pytest.mark.parametrize(
    "name", ["l1_any", "l1_any.optim", "l1_any.schedules", "l1_any.testing", "l1_any.tinker"]
)
def test_dir_is_all(name):
    """`dir` shows what is public, and neither submodules nor what a module imports."""
    module = importlib.import_module(name)
    assert dir(module) == sorted(module.__all__)


def test_dir_shows_no_helpers():
    import l1_any

    assert not {"importlib", "penalty", "proximal", "regularization", "_run", "TYPE_CHECKING"} & set(
        dir(l1_any)
    )
    assert {"optim", "value"} <= set(dir(l1_any))
    assert l1_any.__version__
