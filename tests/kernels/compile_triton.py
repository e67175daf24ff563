"""Compile the Triton kernels for GPUs, with or without one: `python tests/kernels/compile_triton.py`.

The kernels get the arguments that they get in calls. Their code must read several elements at once, flush no
subnormal numbers, fuse no products and sums, and use no atomic operations.
"""

import re

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, make_backend
from triton.runtime.jit import create_function_from_signature

from l1_any._arrays.lookup import known
from l1_any._kernels import cuda_triton

TARGETS = [
    (torch.float32, 80),
    *((d, 90) for d in (torch.float16, torch.bfloat16, torch.float32, torch.float64)),
]


def compiled(kernel, capability, args):
    """Return the PTX of a kernel for arguments, as `JITFunction.run` makes it."""
    target = GPUTarget("cuda", capability, 32)
    backend = make_backend(target)
    bind = create_function_from_signature(kernel.signature, kernel.params, backend)
    given, specialization, _ = bind(*args, debug=False)
    signature = {name: kind for name, (kind, _) in zip(given, specialization, strict=True)}
    constants = {
        (i,): value
        for i, (kind, value) in enumerate(zip(signature.values(), given.values(), strict=True))
        if kind == "constexpr"
    }
    attributes = {
        (i,): backend.parse_attr(s) for i, (_, s) in enumerate(specialization) if isinstance(s, str)
    }
    source = ASTSource(kernel, signature, constants, attributes)
    return triton.compile(source, target=target, options={"enable_fp_fusion": False}).asm["ptx"]


def check(ptx, *, is_large, divides):
    loads = set(re.findall(r"ld\.global\.[\w.]*", ptx))
    assert not is_large or any(".v" in load for load in loads), loads
    found = set(re.findall(r"\w+\.ftz|\batom|\bred\.|\bfma\.\w+\.\w+", ptx))
    assert found <= ({"fma.rn.f64"} if divides else set()), found


def calls(x):
    """Calls of all kernels, with and without masks, weights and scales, along all kinds of axes."""
    where, last, w = torch.ones_like(x, dtype=torch.bool), torch.ones(x.shape[1], dtype=torch.bool), x.clone()
    half, g, ops = x[0].to(torch.float16), torch.ones((), dtype=torch.float64), known(x)
    for axes in ((0, 1), (1,), (0,)):
        options = {"axes": axes, "keepdims": False, "ops": ops}
        cuda_triton.sum_of_magnitudes(x, None, None, **options)
        cuda_triton.sum_of_magnitudes(x, where, w, **options)
        cuda_triton.sum_of_magnitudes(x, last, half, **options)
    cuda_triton.sum_of_huber(x, where, None, 0.3, **options)
    cuda_triton.magnitudes_and_signs(x, last, g, **options)
    cuda_triton.magnitudes_and_signs(x, None, 0.3, **options)
    for scale in (None, 0.0, 0.3, g):
        cuda_triton.signs(x, None, scale, ops=ops)
    cuda_triton.signs(x, where, g, ops=ops)
    cuda_triton.huber_gradient(x, last, 0.3, 0.7, ops=ops)
    for mask, weights in ((None, None), (where, w), (last, half)):
        cuda_triton.soft_threshold(x, mask, weights, 0.3, out=None, ops=ops)


def main():
    launches = []
    cuda_triton._launch = lambda kernel, grid, *args: launches.append((kernel, args))
    for dtype, capability in TARGETS:
        launches.clear()
        x = torch.ones(640, 4096, dtype=dtype)
        calls(x)
        for kernel, args in launches:
            delta = kernel.arg_names.index("delta") if "delta" in kernel.arg_names else None
            divides = delta is not None and args[delta] is not None
            check(compiled(kernel, capability, args), is_large=args[0] is x, divides=divides)
    print(f"compiled with Triton {triton.__version__}")


if __name__ == "__main__":
    main()
