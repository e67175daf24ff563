"""`explain` says what a call would do, from the decision that the call itself would make."""

import sys
import threading

import numpy as np
import pytest

import l1_any as l1
from l1_any._arrays import decision
from l1_any.testing import kernels

LARGE = 3_000_000
has_numba = pytest.mark.skipif(
    "numba" not in sys.modules and not __import__("importlib").util.find_spec("numba"), reason="needs numba"
)


@pytest.fixture(autouse=True)
def _own_sizes():
    with kernels():
        yield


@pytest.mark.parametrize("kind", ["small", "large"])
def test_without_kernels(library, kind):
    x = library.asarray(np.ones(10 if kind == "small" else LARGE), "float32")
    with kernels(enabled=False):
        said = l1.explain(l1.value, x)
    title = {
        "numpy": "NumPy",
        "torch": "PyTorch",
        "jax": "JAX",
        "dask": "Dask",
        "cubed": "Cubed",
        "cupy": "CuPy",
    }
    name = title.get(library.name, "array_api_strict")
    state = "lazy" if library.is_lazy else "plain"
    assert said.startswith(f"{name} float32, {state}: the formula on ")
    by_blocks = kind == "large" and library.name in ("numpy", "torch", "strict") and not library.variant.gpu
    assert ("blocks of 1048576 elements" in said) == by_blocks
    assert ("each chunk" in said) == library.is_lazy
    assert ("jax.jit" in said) == (library.name == "jax")
    assert ("kernels are turned off" in said) == (library.name in ("numpy", "torch", "cupy"))


@has_numba
@pytest.mark.only("numpy")
def test_why_there_is_no_kernel(library):
    x = np.ones((3, LARGE // 3), np.float32)
    blocks = "NumPy float32, plain: the formula on blocks of 1048576 elements; "
    layout = "the kernel takes contiguous arrays, and masks and weights of x's shape or of its last axes"
    assert l1.explain(l1.value, x[:, 1:]) == blocks + layout
    assert l1.explain(l1.value, x, where=np.ones((3, 1), bool)) == blocks + layout
    assert l1.explain(l1.value, x[:, :5]).endswith("; a kernel is loaded from 32768 elements on")
    assert l1.explain(l1.project, x, 1.0, axis=1).endswith("the formula on blocks of 262144 elements")


@has_numba
@pytest.mark.only("numpy", "torch")
@pytest.mark.parametrize(
    ("call", "kernel"),
    [
        (l1.value, "sum_of_magnitudes"),
        (l1.subgradient, "signs"),
        (l1.value_and_subgradient, "magnitudes_and_signs"),
        (l1.subgradient_norm, "sum_of_squared_signs"),
        (lambda x: l1.value([x, x]), "sums_of_magnitudes"),
        (lambda x: l1.subgradient([x, x]), "signs_of_each"),
        (lambda x: l1.prox(x, 0.5), "soft_threshold"),
        (lambda x: l1.huber(x, 0.5), "sum_of_huber"),
        (lambda x: l1.huber_gradient(x, 0.5), "huber_gradient"),
        (lambda x: l1.group_value(x, axis=0), "group_norms"),
        (lambda x: l1.prox_group(x, 0.5, axis=0), "shrink_groups"),
    ],
)
def test_kernels(library, call, kernel):
    x = library.asarray(np.ones(LARGE), "float32")
    said = l1.explain(call, x)
    assert f"kernel {kernel} (numba), " in said
    assert said.startswith({"numpy": "NumPy", "torch": "PyTorch"}[library.name] + " float32, plain: ")


@has_numba
@pytest.mark.only("torch")
def test_recorded_tensors(library):
    x = library.asarray(np.ones(LARGE), "float32").requires_grad_()
    for arrays in (x, [x, x * 2]):
        said = l1.explain(l1.value, arrays)
        assert said.startswith("PyTorch float32, recorded by autograd as one function: kernel sum")
    assert "recorded: the formula on the whole array" in l1.explain(l1.value, x[:10])


def test_the_call_does_not_compute(library):
    x = library.asarray(np.ones(10), "float32")
    for function, *args in ((l1.value,), (l1.prox, 0.5), (l1.subgradient,), (l1.strength_max,)):
        assert ": " in l1.explain(function, x, *args)
        assert decision.asked == 0
    assert float(l1.value(x)) == 10


@pytest.mark.only("numpy", "torch")
def test_nonnegative_thresholds_have_no_kernel(library):
    """So nothing is said of one that would be loaded, turned off or missing."""
    title = {"numpy": "NumPy", "torch": "PyTorch"}[library.name]
    for size, way in ((10, "the whole array"), (LARGE, "blocks of 262144 elements")):
        x = library.asarray(np.ones(size), "float32")
        said = l1.explain(l1.prox, x, 0.5, nonnegative=True)
        assert said == f"{title} float32, plain: the formula on {way}"
        assert "kernel" in l1.explain(l1.prox, x, 0.5)


def test_errors_are_those_of_the_call(library):
    x = library.asarray(np.ones(10), "float32")
    with pytest.raises(ValueError, match="step"):
        l1.explain(l1.prox, x, -1.0)
    with pytest.raises(TypeError, match="floating"):
        l1.explain(l1.value, np.ones(3, int))
    assert decision.asked == 0


@pytest.mark.only("numpy")
def test_where_nothing_is_chosen(library):
    assert l1.explain(lambda: 1).startswith("nothing was chosen")


@pytest.mark.only("numpy")
def test_other_threads_are_not_asked(library):
    """A call on another thread computes while this one explains."""
    x, found = np.ones(10), []

    def both():
        thread = threading.Thread(target=lambda: found.append(l1.value(x)))
        thread.start()
        thread.join()
        return l1.value(x)

    assert "NumPy" in l1.explain(both)
    assert found == [10]
