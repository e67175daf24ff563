"""CuPy's kernels on NumPy arrays: g++ compiles their CUDA C++ with a few definitions, and threads run a block.

This tests what the code computes. It does not test what CuPy or a GPU does with it.
"""

import contextlib
import ctypes
import functools
import hashlib
import importlib
import re
import subprocess
import sys
import types

import numpy as np

SHIM = r"""
#include <pthread.h>
#define __device__
#define __global__
#define __shared__ static
struct Dimensions { unsigned x, y; };
static thread_local Dimensions threadIdx, blockIdx, gridDim;
static pthread_barrier_t block_barrier;
#define __syncthreads() pthread_barrier_wait(&block_barrier)
typedef _Float16 __half;
inline float __half2float(__half v) { return (float)v; }
inline __half __float2half_rn(float v) { return (__half)v; }
inline __half __double2half(double v) { return (__half)v; }
"""
RUN = r"""
template <class Kernel> struct Run {
    Kernel* kernel;
    unsigned thread, grid_x, grid_y;
    bool waits;
    void all_blocks() {
        for (unsigned y = 0; y < grid_y; y++)
            for (unsigned x = 0; x < grid_x; x++) {
                threadIdx = {thread, 0}, blockIdx = {x, y}, gridDim = {grid_x, grid_y};
                (*kernel)();
                if (waits) __syncthreads();
            }
    }
    static void* start(void* run) { return ((Run*)run)->all_blocks(), nullptr; }
};
template <class Kernel> void on_threads(Kernel kernel, unsigned grid_x, unsigned grid_y, bool waits) {
    static Run<Kernel> runs[THREADS];
    static pthread_t threads[THREADS];
    pthread_barrier_init(&block_barrier, nullptr, THREADS);
    for (unsigned t = 0; t < THREADS; t++) {
        runs[t] = {&kernel, t, grid_x, grid_y, waits};
        if (waits) pthread_create(&threads[t], nullptr, Run<Kernel>::start, &runs[t]);
        else runs[t].all_blocks();
    }
    for (unsigned t = 0; waits && t < THREADS; t++) pthread_join(threads[t], nullptr);
}
extern "C" void run(unsigned grid_x, unsigned grid_y, %(parameters)s) {
    on_threads([&] { %(name)s(%(arguments)s); }, grid_x, grid_y, %(waits)d);
}
"""


class RawKernel:
    """Compiles and runs a kernel as `cupy.RawKernel` does."""

    def __init__(self, folder, code, name, options=()):
        self.folder, self.code, self.name, self.options = folder, code, name, options

    @functools.cached_property
    def run(self):
        (parameters,) = re.findall(rf"__global__ void {self.name}\(([^)]*)\)", self.code)
        names = [re.findall(r"\w+", parameter)[-1] for parameter in parameters.split(",")]
        code = SHIM + self.code.replace("#include <cuda_fp16.h>", "")
        code += RUN % {
            "parameters": parameters,
            "arguments": ", ".join(names),
            "name": self.name,
            "waits": "__syncthreads"
            in self.code.partition(f"void {self.name}(")[2].partition("__global__")[0],
        }
        stem = self.folder / hashlib.sha256(" ".join([self.name, *self.options]).encode()).hexdigest()
        source, library = stem.with_suffix(".cpp"), stem.with_suffix(".so")
        source.write_text(code, encoding="utf-8")
        flags = [
            "-std=c++17",
            "-O0",
            "-ffp-contract=off",
            "-fPIC",
            "-shared",
            "-pthread",
            "-w",
            *self.options,
        ]
        subprocess.run(["g++", *flags, source, "-o", library], check=True)  # noqa: S607
        return ctypes.CDLL(str(library)).run

    def __call__(self, grid, block, args):
        assert block == (int(re.findall(r"THREADS=(\d+)", " ".join(self.options))[0]),)
        width, height = (*grid, 1)[:2]
        self.run(ctypes.c_uint(width), ctypes.c_uint(height), *map(_as_c, args))


def _as_c(a):
    if isinstance(a, np.int64):
        return ctypes.c_longlong(int(a))
    if isinstance(a, np.float64):
        return ctypes.c_double(float(a))
    assert isinstance(a, np.ndarray), f"CuPy would pass a {type(a).__name__} by a rule of its own"
    return ctypes.c_void_p(a.ctypes.data)


def load(folder, threads):
    """Import the module of kernels with a stand-in for CuPy whose arrays are NumPy's."""
    stand_in = types.ModuleType("cupy")
    stand_in.RawKernel = functools.partial(RawKernel, folder)
    stand_in.empty, stand_in.empty_like = np.empty, np.empty_like
    name = "l1_any._kernels.cuda_cupy"
    before = {key: sys.modules.pop(key, None) for key in ("cupy", name, "l1_any._kernels.cuda_code")}
    sys.modules["cupy"] = stand_in
    try:
        module = importlib.import_module(name)
    finally:
        for key, found in before.items():
            sys.modules.pop(key, None)
            if found is not None:
                sys.modules[key] = found
    module.THREADS = threads
    module._device = lambda x: contextlib.nullcontext()
    return module
