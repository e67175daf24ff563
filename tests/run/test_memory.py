"""The peak of memory: eager CPU arrays are reduced without a temporary of their size."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import l1_any as l1

MIB = 2**20
HEADER = """
import gc, os, sys
# Each thread has buffers, and the kernel counts in batches for each processor: two of both on any machine.
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
os.environ["OMP_NUM_THREADS"] = "2"
import numpy as np
import l1_any as l1

def status(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(field))

def extra(call):
    '''Peak of resident memory above what was there before, in bytes: the least of three.

    The kernel's counts are off by up to a MiB or so.
    '''
    return min(peak(call) for _ in range(3))

def peak(call):
    gc.collect()
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # reset the high-water mark
    before = status("VmRSS")
    kept = call()
    return status("VmHWM") - before

n = 64_000_000
"""
NUMPY = """
x = np.random.default_rng(0).standard_normal(n, dtype=np.float32)
l1.value(x[:1_000_000])
print(extra(lambda: l1.value(x)))
"""
TORCH = """
import torch
x = torch.randn(n)
l1.value(x[:100_000])  # loads the kernels
x.sum()  # starts the threads
print(peak(lambda: l1.value(x)))
small = x[:1_000_000].clone().requires_grad_()
l1.value(small).backward()
print(extra(lambda: l1.value(x)))
x.requires_grad_()
print(extra(lambda: l1.value(x)))
def both():
    return torch.autograd.grad(l1.value(x), x)
print(extra(both) - x.numel() * x.element_size())
"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from /proc")


def peaks(code):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(HEADER + code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [int(line) for line in done.stdout.split()]


@pytest.mark.only("numpy")
def test_numpy_value(library):
    assert peaks(NUMPY)[0] <= 16 * MIB


@pytest.mark.only("torch")
def test_torch_value_and_backward(library):
    if library.variant.gpu:
        pytest.skip("about the CPU's memory")
    first, without_graph, with_graph, backward = peaks(TORCH)
    assert first <= 16 * MIB
    assert without_graph <= 16 * MIB
    assert with_graph <= 16 * MIB
    assert backward <= 32 * MIB  # of an array of 244 MiB: the temporaries of a few blocks


@pytest.mark.only("jax")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_jax_stores_no_copy_to_sum_it(library, axis, dtype):
    """XLA stores an array of float32 if too many parts of a sum use the result of a cast.

    The first step stores float32 partial sums, a third of a byte for each element.
    """
    import jax

    if library.variant.accumulator == "float64":
        pytest.skip("a sum in float64 stores partial sums of twice the size")
    for shape in ((4000, 1000), (700, 5001)):
        x = library.asarray(np.zeros(shape), dtype)
        program = jax.jit(lambda x: l1.value(x, axis=axis)).lower(x).compile()
        assert program.memory_analysis().temp_size_in_bytes < x.size
