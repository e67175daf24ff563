"""The Triton kernels on a CPU: Triton's interpreter runs them on torch's tensors, and its compiler translates them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

if os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("`nox -s interpreter` runs the kernels of GPUs on a CPU", allow_module_level=True)

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import operation_laws as laws
import torch
import triton
import triton.language as tl
from hypothesis import given
from kernel_laws import Place, plain
from operation_data import special

from l1_any._kernels import cuda_triton

pytestmark = [
    pytest.mark.only("torch"),
    pytest.mark.filterwarnings(
        "ignore::RuntimeWarning"
    ),  # NumPy's, in the interpreter, of infinities and NaN
]
DTYPES = ["float16", "bfloat16", "float32", "float64"]


@pytest.fixture(autouse=True, scope="module")
def _rounding():
    """Convert bfloat16 as a GPU does: Triton 3.9's interpreter cuts bits off, and loses subnormal numbers."""
    interpreter = sys.modules["triton.runtime.interpreter"]
    convert = interpreter._convert_float

    def rounded(data, source, target, mode):
        if (source, target) == (tl.float32, tl.bfloat16):
            return torch.from_numpy(np.array(data)).to(torch.bfloat16).view(torch.uint16).numpy()
        if (source, target) == (tl.bfloat16, tl.float32):
            return torch.from_numpy(np.array(data)).view(torch.bfloat16).to(torch.float32).numpy()
        return convert(data, source, target, mode)

    interpreter._convert_float = rounded
    yield
    interpreter._convert_float = convert


def place_of(dtype):
    return Place(torch, "cpu", dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("operation", laws.LAWS)
def test_a_kernel_keeps_its_law(operation, dtype):
    laws.LAWS[operation](getattr(cuda_triton, operation), place_of(dtype), 600)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("shape", "axes", "is_masked"),
    [
        ((50_003,), (0,), False),
        ((3, 20_001), (1,), True),
        ((9001, 3), (0,), True),
        ((2, 4501, 3), (1,), False),
        ((300, 130), (0,), False),
        ((900, 20), (1,), True),
    ],
)
def test_sums_of_several_programs(dtype, shape, axes, is_masked):
    rng, place = np.random.default_rng(0), place_of(dtype)
    x, where, weights = place.asarray(np.full(shape, 0.1)), None, None
    if is_masked:
        x = place.asarray(rng.standard_normal(shape))
        where = place.asarray(rng.random(shape) < 0.6, "bool")
        weights = place.asarray(rng.random(shape[-1:]))
    laws.magnitudes_are_exact(cuda_triton.sum_of_magnitudes, x, where, weights, axes=axes)
    if len(shape) == 1:
        laws.huber_is_exact(cuda_triton.sum_of_huber, x, None, None, delta=0.3, axes=axes)
        laws.magnitudes_and_signs_are_both(cuda_triton.magnitudes_and_signs, x, None, -0.7, axes)


@pytest.mark.parametrize("dtype", DTYPES)
def test_elements_of_several_programs(dtype):
    rng, place = np.random.default_rng(1), place_of(dtype)
    values = rng.standard_normal(3 * cuda_triton.TILE + 5)
    values[-24:] = special(dtype)
    mask = place.asarray(rng.random(values.shape) < 0.5, "bool")
    for x in (place.asarray(values), place.asarray(values)[1:]):
        where = mask[: len(x)]
        laws.signs_are_the_formula(cuda_triton.signs, x, where, 0.3)
        laws.huber_gradient_is_the_formula(cuda_triton.huber_gradient, x, where, None, 0.3)
    laws.soft_threshold_is_the_formula(cuda_triton.soft_threshold, place, values, mask, None, step=0.3)


@given(data=st.data())
def test_any_values(data):
    dtype = data.draw(st.sampled_from(DTYPES))
    held = "float32" if dtype == "bfloat16" else dtype
    width = np.dtype(held).itemsize * 8
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6))
    values = data.draw(hnp.arrays(held, shape, elements=st.floats(width=width)))
    mask = data.draw(hnp.arrays(bool, data.draw(st.sampled_from([shape, shape[1:]]))))
    axes = tuple(range(data.draw(st.integers(0, len(shape) - 1)), len(shape)))
    positive = st.floats(0, 1e4, width=32)
    scale, step, delta = data.draw(st.floats(-1e4, 1e4)), data.draw(positive), data.draw(positive) + 1e-3
    place = place_of(dtype)
    x, where = place.asarray(values), place.asarray(mask, "bool")
    small = place.asarray(np.clip(np.nan_to_num(values), -1e30, 1e30))
    laws.magnitudes_are_exact(cuda_triton.sum_of_magnitudes, small, where, None, axes=axes)
    laws.huber_is_exact(cuda_triton.sum_of_huber, small, where, None, delta=delta, axes=axes)
    laws.magnitudes_and_signs_are_both(cuda_triton.magnitudes_and_signs, small, where, scale, axes)
    laws.signs_are_the_formula(cuda_triton.signs, x, where, scale)
    laws.huber_gradient_is_the_formula(cuda_triton.huber_gradient, x, where, scale, delta)
    laws.soft_threshold_is_the_formula(cuda_triton.soft_threshold, place, values, where, None, step=step)


def test_what_kernels_leave_to_the_formula():
    x = torch.ones(4, 6)
    options = {"axes": (0, 1), "keepdims": False, "ops": plain(x)}
    total = cuda_triton.sum_of_magnitudes
    column = torch.ones(4, 1, dtype=torch.bool)
    assert total(x, None, None, **options) is not None
    assert total(x.T, None, None, **options) is None
    assert total(x, column, None, **options) is None
    assert total(x, column.expand(4, 6), None, **options) is None
    assert total(x, torch.ones(4, 6), None, **options) is None
    assert total(x, None, torch.ones(4, 6, dtype=torch.int32), **options) is None
    assert total(x, None, None, **{**options, "axes": ()}) is None
    assert total(x[None], None, None, **{**options, "axes": (0, 2)}) is None
    assert cuda_triton.signs(x, None, torch.ones(2), ops=plain(x)) is None
    assert cuda_triton.signs(x, None, torch.ones((), device="meta"), ops=plain(x)) is None
    negated = torch.conj(torch.tensor([1 + 2j])).imag
    assert negated.is_neg()
    assert cuda_triton.signs(negated, None, None, ops=plain(negated)) is None


def test_autograd_sees_what_is_written_in_place():
    x = torch.ones(5)
    version = x._version
    cuda_triton.soft_threshold(x, None, None, 0.3, out=x, ops=plain(x))
    assert x._version > version


def test_a_gradient_is_a_tensor_of_its_own():
    x = torch.nn.Parameter(torch.ones(5))
    with torch.no_grad():
        s = cuda_triton.signs(x, None, None, ops=plain(x.detach()))
    assert type(s) is torch.Tensor
    assert not s.requires_grad


def test_the_compiler_takes_every_kernel(tmp_path):
    """It finds errors of types that the interpreter does not, and needs no GPU."""
    script = Path(__file__).with_name("compile_triton.py")
    env = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    env["TRITON_CACHE_DIR"] = str(tmp_path)
    run = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert triton.__version__ in run.stdout
