"""The CUDA C++ of CuPy's kernels, compiled for the CPU and held to the laws of their operations."""

import os
import shutil

import cupy_on_cpu
import numpy as np
import operation_laws as laws
import pytest
from kernel_laws import Place, plain
from operation_data import beside

from l1_any.testing import BACKENDS

if os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("`nox -s interpreter` runs the kernels of GPUs on a CPU", allow_module_level=True)

pytestmark = [
    pytest.mark.only("numpy"),
    pytest.mark.skipif(not shutil.which("g++"), reason="the code is compiled with g++, which is not here"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # of overflows in the formulas
]
NUMPY = next(backend for backend in BACKENDS if backend.name == "numpy")


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    return cupy_on_cpu.load(tmp_path_factory.mktemp("kernels"), threads=16)


def place_of(dtype):
    return Place(NUMPY.namespace(), "cpu", dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("operation", laws.LAWS)
def test_a_kernel_keeps_its_law(kernels, operation, dtype):
    laws.LAWS[operation](getattr(kernels, operation), place_of(dtype), 600)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("shape", "axes"),
    [((50_003,), (0,)), ((3, 20_001), (1,)), ((9001, 3), (0,)), ((2, 4501, 3), (1,)), ((900, 20), (1,))],
)
def test_sums_of_several_blocks(kernels, dtype, shape, axes):
    rng, place = np.random.default_rng(0), place_of(dtype)
    equal = place.asarray(np.full(shape, 0.1))
    laws.magnitudes_are_exact(kernels.sum_of_magnitudes, equal, None, None, axes=axes)
    where, weights = beside(rng, shape)[-1]
    x, weights = place.asarray(rng.standard_normal(shape)), place.asarray(weights, "float32")
    laws.magnitudes_are_exact(kernels.sum_of_magnitudes, x, where, weights, axes=axes)
    laws.huber_is_exact(kernels.sum_of_huber, x, where, weights, delta=0.3, axes=axes)
    laws.magnitudes_and_signs_are_both(kernels.magnitudes_and_signs, x, where, -0.7, axes)


def test_what_kernels_leave_to_the_formula(kernels):
    x = np.ones((4, 6), "float32")
    options = {"axes": (0, 1), "keepdims": False, "ops": plain(x)}
    assert kernels.sum_of_magnitudes(x, None, None, **options) is not None
    assert kernels.sum_of_magnitudes(x.T, None, None, **options) is None
    assert kernels.sum_of_magnitudes(x, np.ones((4, 1), bool), None, **options) is None
    assert kernels.sum_of_magnitudes(x, None, np.ones((4, 6), "int32"), **options) is None
    assert kernels.sum_of_magnitudes(x, None, None, **{**options, "axes": ()}) is None
    assert kernels.signs(x, None, np.ones(2), ops=plain(x)) is None
