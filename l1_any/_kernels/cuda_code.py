"""The code of CuPy's kernels that runs on the GPU, in CUDA C++. `cuda_cupy` compiles it with macros.

Macros: `X`, `W` and `S` are the types of x, of the weights, and of a scale that is an array. `RESULT` is float or
double. `MASK` and `WEIGHTS` are 0 for none, 1 for the shape of x, and 2 for the shape of its last axes; these are
repeated along x with a period, the number of their elements. `SCALE` is 0 for none, 1 for a number, and 2 for an array.
`SIGNS`, `HUBER` and `CORRECTED` are 0 or 1.
"""

import functools
from typing import Any

import cupy

TYPES = {"float16": "__half", "float32": "float", "float64": "double"}
"""The types of C++ for the dtypes."""

CODE = r"""
#if HALF
#include <cuda_fp16.h>
__device__ inline double to_double(__half v) { return (double)__half2float(v); }
__device__ inline void store(__half* out, float v) { *out = __float2half_rn(v); }
__device__ inline void store(__half* out, double v) { *out = __double2half(v); }
__device__ inline bool is_zero(__half v) { return __half2float(v) == 0.0f; }
#endif
__device__ inline double to_double(float v) { return (double)v; }
__device__ inline double to_double(double v) { return v; }
__device__ inline void store(float* out, double v) { *out = (float)v; }
__device__ inline void store(double* out, double v) { *out = v; }
__device__ inline bool is_zero(double v) { return v == 0.0; }

typedef long long Index;

#if MASK == 2
#define IN_MASK(i) (i) % mask_period
#else
#define IN_MASK(i) (i)
#endif
#if WEIGHTS == 2
#define IN_WEIGHTS(i) (i) % weights_period
#else
#define IN_WEIGHTS(i) (i)
#endif

template <class T> __device__ inline T sign_of(T v) { return v != v ? v : (T)((v > 0) - (v < 0)); }

template <class T> __device__ inline T magnitude(T v) { return v < 0 ? -v : v; }

/* Round once, with +0.0 for every zero. */
template <class T> __device__ inline void rounded(X* out, T v) {
    store(out, v);
    if (is_zero(*out)) store(out, (T)0);
}

/* h(x) = |x|^2/(2 delta) where |x| <= delta, else |x| - delta/2. */
__device__ inline double huber(double v, double delta) {
    double a = magnitude(v);
    return a <= delta ? a * (a / delta * 0.5) : a - delta * 0.5;
}

__device__ inline double slope(double v, double delta) {
    return magnitude(v) <= delta ? v / delta : sign_of(v);
}

/* Write s*scale, in the dtype of results unless there is no scale. */
template <class T> __device__ inline void scaled(X* out, T s, const S* scale, double number, bool chosen) {
    if (!chosen) {  /* 0 also where the scale is infinite */
        rounded(out, (T)0);
        return;
    }
#if SCALE == 1
    rounded(out, (RESULT)s * (RESULT)number);
#elif SCALE == 2
    rounded(out, (RESULT)s * (RESULT)to_double(*scale));
#else
    rounded(out, s);
#endif
}

/* A sum, and the error that its additions left, by Knuth's TwoSum. */
struct Total { double sum, error; };

__device__ inline void add(Total& own, double term, double error) {
#if CORRECTED
    double sum = own.sum + term, part = sum - own.sum;
    own.error += (own.sum - (sum - part)) + (term - part) + error;
    own.sum = sum;
#else
    own.sum += term;
#endif
}

/* Sum m*w*|x| or m*w*h(x) of x[outer, kept, reduced] along the last axis. Blocks along y are segments of that axis.
   A block has `columns` threads for each of its rows. */
extern "C" __global__ void sums(
    const X* x, const bool* mask, Index mask_period, const W* weights, Index weights_period, double* out, X* signs,
    const S* scale, double number, double delta, Index kept, Index reduced, Index segment, Index stride_kept,
    Index stride_reduced, Index stride_outer, Index columns
) {
    __shared__ double totals[THREADS];
    __shared__ double errors[THREADS];
    Index rows = THREADS / columns, thread = threadIdx.x;
    bool is_along_rows = stride_reduced == 1;
    Index row = is_along_rows ? thread / columns : thread % rows;
    Index column = is_along_rows ? thread % columns : thread / rows;
    Index groups = (kept + rows - 1) / rows;
    Index outer = blockIdx.x / groups, k = blockIdx.x % groups * rows + row;
    Index start = (Index)blockIdx.y * segment;
    Index stop = start + segment < reduced ? start + segment : reduced;
    Total own = {0.0, 0.0};
    if (k < kept) {
        for (Index n = start + column; n < stop; n += columns) {
            Index i = outer * stride_outer + k * stride_kept + n * stride_reduced;
            bool chosen = true;
#if MASK
            chosen = mask[IN_MASK(i)];
#endif
            double v = chosen ? to_double(x[i]) : 0.0;
#if HUBER
            double term = huber(v, delta);
#else
            double term = magnitude(v);
#endif
#if WEIGHTS
            if (chosen) term *= to_double(weights[IN_WEIGHTS(i)]);
#endif
            add(own, term, 0.0);
#if SIGNS
            scaled(signs + i, (RESULT)sign_of(v), scale, number, chosen);
#endif
        }
    }
    Index slot = row * columns + column;
    totals[slot] = own.sum;
    errors[slot] = own.error;
    __syncthreads();
    for (Index half = columns / 2; half > 0; half /= 2) {
        if (column < half) {
            add(own, totals[slot + half], errors[slot + half]);
            totals[slot] = own.sum;
            errors[slot] = own.error;
        }
        __syncthreads();
    }
    if (column == 0 && k < kept) {
        bool is_finite = own.sum - own.sum == 0.0;  /* the error of an infinite sum is NaN */
        out[(outer * kept + k) * gridDim.y + blockIdx.y] = is_finite ? own.sum + own.error : own.sum;
    }
}

/* m*sign(x)*scale or m*h'(x)*scale. */
extern "C" __global__ void slopes(
    const X* x, const bool* mask, Index mask_period, const S* scale, double number, double delta, X* out, Index size
) {
    Index i = (Index)blockIdx.x * THREADS + threadIdx.x;
    if (i >= size) return;
    bool chosen = true;
#if MASK
    chosen = mask[IN_MASK(i)];
#endif
    double v = chosen ? to_double(x[i]) : 0.0;
#if HUBER
    scaled(out + i, slope(v, delta), scale, number, chosen);
#else
    scaled(out + i, (RESULT)sign_of(v), scale, number, chosen);
#endif
}

/* x - sign(x)*t, or +0.0 where |x| <= t, with t = step*w; x where the mask is false. */
extern "C" __global__ void soft_threshold(
    const X* x, const bool* mask, Index mask_period, const W* weights, Index weights_period, double step, X* out,
    Index size
) {
    Index i = (Index)blockIdx.x * THREADS + threadIdx.x;
    if (i >= size) return;
#if MASK
    if (!mask[IN_MASK(i)]) {
        out[i] = x[i];
        return;
    }
#endif
    RESULT v = (RESULT)to_double(x[i]), t = (RESULT)step;
#if WEIGHTS
    t = (RESULT)to_double(weights[IN_WEIGHTS(i)]) * t;
#endif
    rounded(out + i, magnitude(v) <= t ? (RESULT)0 : v - sign_of(v) * t);
}
"""


@functools.cache
def kernel(
    function: str,
    *,
    threads: int,
    x: str,
    mask: int = 0,
    weights: int = 0,
    dtype_of_weights: str = "",
    scale: str = "",
    is_huber: bool = False,
    has_signs: bool = False,
) -> Any:
    """Return a kernel for the dtypes of its arrays. CuPy compiles it at the first call, and keeps it on disk."""
    macros = {
        "X": TYPES[x],
        "W": TYPES.get(dtype_of_weights, "double"),
        "S": TYPES.get(scale, "double"),
        "RESULT": "double" if x == "float64" else "float",
        "HALF": int("float16" in (x, dtype_of_weights, scale)),
        "MASK": mask,
        "WEIGHTS": weights,
        "SCALE": 0 if not scale else 1 if scale == "number" else 2,
        "HUBER": int(is_huber),
        "SIGNS": int(has_signs),
        "CORRECTED": int(x == "float64"),
        "THREADS": threads,
    }
    options = tuple(f"-D{name}={value}" for name, value in macros.items())
    return cupy.RawKernel(CODE, function, options=options)
