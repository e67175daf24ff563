"""One real array in a CPU's memory with default options, without the choices that other calls need.

For a few thousand elements these choices take longer than the arithmetic. The functions return None wherever another
way may be better. The caller then goes the general way, which has the same operations and kernels.
"""

import math

from l1_any._arrays import decision
from l1_any._arrays.lookup import find
from l1_any._arrays.standard import ArrayOps
from l1_any._formulas import proximal
from l1_any._formulas.penalty import MAGNITUDE
from l1_any._kernels import options
from l1_any._typing import Array

from . import autograd, blocks, plan

_LARGEST = 3.4028234663852886e38  # of float32; a larger step would be infinite there


def value(x: Array) -> Array | None:
    """Σ|x|, or None."""
    ops = _operations(x)
    if ops is None or not x.shape:
        return None
    size = math.prod(x.shape)
    axes = tuple(range(x.ndim))
    if not ops.is_plain:
        return _recorded(x, size, axes, ops) if ops.is_recorded else None
    if size >= options.fewest:
        fused = plan.kernel(MAGNITUDE.kernels.total, ops, size, alone=True)
        total = None if fused is None else fused(x, None, None, axes=axes, keepdims=False, ops=ops)
        if total is not None:
            return ops.finished(total)
    return ops.finished(ops.sum_of_few(x, axes)) if _is_few(size, ops) else None


def prox(x: Array, step: object) -> Array | None:
    """Soft threshold by a number, or None."""
    if type(step) is not float or not 0 <= step <= _LARGEST:
        return None
    ops = _operations(x)
    if ops is None or not ops.is_plain:
        return None
    size = math.prod(x.shape)
    fused = plan.kernel("soft_threshold", ops, size, alone=True)
    if fused is not None:
        found: Array | None = fused(x, None, None, step, ops=ops)
        return found
    if size >= blocks.FEW or not ops.is_result:
        return None
    p = proximal.shrink(x, step, ops=ops)
    # NumPy's operations return the native byte order.
    return ops.as_array(p) if p.dtype == ops.dtype else None


def _recorded(x: Array, size: int, axes: tuple[int, ...], ops: ArrayOps) -> Array | None:
    """Σ|x| of a tensor that autograd records, or None."""
    if ops.is_result and _is_few(size, ops):  # the gradient of a half could overflow on the way to x
        magnitudes = ops.differentiable_abs(x)
        return ops.finished(ops.sum(magnitudes, axes, keepdims=False, dtype=ops.accumulator))
    if not autograd.is_one_function(x, ops, None, MAGNITUDE):
        return None
    terms = (MAGNITUDE.terms,)
    (total,) = autograd.tied(
        terms, MAGNITUDE, x, None, None, axes=axes, keepdims=False, ops=ops, finished=True
    )
    return total


def _operations(x: Array) -> ArrayOps | None:
    """Return the operations for a real array in a CPU's memory, or None."""
    ops = find(x)
    if ops is None or not ops.is_floating or ops.is_complex or decision.asked:
        return None
    if not ops.has_one_state:
        ops = ops.at(None, x)
    return ops if ops.place == "cpu" and not ops.refused else None


def _is_few(size: int, ops: ArrayOps) -> bool:
    """Whether the library's own sum is right, and fast enough."""
    return size < blocks.FEW and ops.summation == "library"
