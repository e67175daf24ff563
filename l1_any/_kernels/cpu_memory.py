"""The memory of arrays as the loops see it, and the parts of it that threads take one by one."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from l1_any._arrays import decision
from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array

from . import layout, threads

PART = 1 << 17
"""Elements of the part of an array that a thread takes at a time."""

THREADED = 1 << 21
"""The number of elements from which several threads work. For fewer they start too late to help."""

RUN = {"float64": 64, "complex128": 16}
"""How many terms are added in any order, where the accumulator is no wider than they are.

The sums of these runs are added with their rounding errors. A run of float64 terms is added as a vector, in which few
additions follow one another; a run of complex terms is added one by one. For other dtypes a run is a part.
"""

NO_SUM = np.zeros((1, 2))
"""Where a loop writes a sum that its caller takes from the result."""

FLOATS = {"float32": np.float32, "float64": np.float64}

_SHORT = 1 << 12

Memory = np.ndarray[Any, Any]


def memory(x: Array, where: Array | None, weights: Array | None, ops: ArrayOps) -> list[Any] | None:
    """Return the memory of x, of its mask and of its weights, or None if the loops cannot take them."""
    out = [ops.memory(x), None, None]
    if out[0] is None:
        return None
    for i, a in ((1, where), (2, weights)):
        if a is not None:
            out[i] = _repeated(ops.memory(a), a, x)
            if out[i] is None:
                return None
    return out


def run(
    loop: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], size: int, ops: ArrayOps, operation: str
) -> None:
    """Call a loop with each of several tuples of arguments for `size` elements together, on several threads."""
    count = min(ops.threads(), len(tasks)) if size >= THREADED else 1
    if decision.asked:
        tell(ops, operation, len(tasks), count)
    if count > 1:
        threads.run(lambda i: call(loop, *tasks[i]), len(tasks), count)
    else:
        for task in tasks:
            call(loop, *task)


def call(loop: Callable[..., Any], *arguments: Any) -> Any:
    """Call a loop. If numba cannot store what it has just compiled, as on a full disk, it still has it in memory."""
    try:
        return loop(*arguments)
    except OSError:
        return loop(*arguments)


def tell(ops: ArrayOps, operation: str, blocks: int, count: int) -> None:
    """Tell `explain` about a kernel."""

    def way() -> str:
        parts = "one block" if blocks == 1 else f"{blocks} blocks on {count} thread{'s' * (count > 1)}"
        return f"kernel {operation} (numba), {parts}"

    decision.tell(ops, "kernel", way)


def parts(size: int) -> list[tuple[int, int]]:
    """Return the starts and ends of the parts of an array. They do not depend on the number of threads."""
    return [(start, min(start + PART, size)) for start in range(0, size, PART)]


def numbers(scale: Array | float | None, ops: ArrayOps) -> Memory:
    """Return five numbers, for elements that are positive, negative, zero, NaN or masked out: signs times a scale.

    The scale is a number, an array of one element, or None for 1. The products are computed in the dtype of results
    and rounded once. Zeros are +0.0, but NaN for an infinite array, except where an element is masked out.
    """
    if scale is None or isinstance(scale, float):
        g = 1.0 if scale is None else scale
    else:
        own = ops.memory(scale)
        g = _number(ops.memory(scale * 1) if own is None else own)  # torch may hold its negative
    if g == 1:
        return _signs(ops.dtype_name, ops.result_name)
    return _products(g, ops.dtype_name, ops.result_name)


@functools.cache
def _signs(dtype: str, result: str) -> Memory:
    """Return the numbers for a scale of 1, the usual one."""
    return _products(1.0, dtype, result)


def _products(g: float, dtype: str, result: str) -> Memory:
    zero = 0.0 * g + 0.0
    with np.errstate(over="ignore", under="ignore"):
        out = np.asarray([g, -g, zero, math.nan, 0.0], result)
        if dtype == "bfloat16":
            out = _bfloat16(out)
        elif dtype == "float16":
            out = out.astype(np.float16).view(np.uint16)
        elif dtype.startswith("complex"):
            out = out.astype(dtype)
            out[3] = complex(math.nan, math.nan)
    if out[0] == 0:
        out[1] = out[2]  # a product that underflows is +0.0
    out.flags.writeable = False
    return out


def _number(x: Memory) -> float:
    """Return the only element of an array, which may be given by its bits."""
    if x.dtype == np.int16:
        return float((x.view(np.uint16).astype(np.uint32) << 16).view(np.float32)[0])
    return float((x.view(np.float16) if x.dtype == np.uint16 else x)[0])


def _bfloat16(x: Memory) -> Memory:
    """Round float32 numbers to the bits of bfloat16: to nearest, ties to even."""
    bits = x.view(np.uint32)
    out = ((bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    out[np.isnan(x)] = 0x7FC0
    return out.view(np.int16)


def _repeated(own: Memory | None, a: Array, x: Array) -> Memory | None:
    """Return a mask or weights that are as long as x or repeat along x; None if they do neither.

    Short ones are repeated here, because the loops run from one end of them to the other.
    """
    if own is None or not layout.repeats(tuple(a.shape), tuple(x.shape)):
        return None
    if 0 < own.size < min(_SHORT, math.prod(x.shape)):
        return np.tile(own, -(-_SHORT // own.size))
    return own
