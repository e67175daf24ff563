"""One real array in a CPU's memory, with default options: the way of most calls, without the choices of other calls.

For a few thousand elements these choices take longer than the arithmetic. The functions return None wherever another
way may be better; the caller then goes the general way, which uses the same operations and kernels.
"""

import math

from l1_any._arrays import decision
from l1_any._arrays.lookup import find
from l1_any._arrays.standard import ArrayOps
from l1_any._formulas import proximal
from l1_any._formulas.penalty import MAGNITUDE
from l1_any._kernels import options, table
from l1_any._typing import Array

from . import autograd, blocks

_FLOAT32_MAX = 3.4028234663852886e38


def value(x: object) -> Array | None:
    """Σ|x|, or None."""
    ops = _operations(x)
    if ops is None:
        return None
    shape: tuple[int, ...] = x.shape  # type: ignore[attr-defined]
    size = shape[0] if len(shape) == 1 else math.prod(shape)
    axes = (0,) if len(shape) == 1 else tuple(range(len(shape)))
    is_simple = ops.summation == "library" and axes != ()
    if ops.is_plain:
        if size >= options.fewest and axes:
            fused = table.find("sum_of_magnitudes", ops, size, alone=True)
            total = None if fused is None else fused(x, None, None, axes=axes, keepdims=False, ops=ops)
            if total is not None:
                return ops.finished(total)
        return ops.finished(ops.sum_of_few(x, axes)) if is_simple and size < blocks.FEW else None
    if not ops.is_recorded:
        return None
    if is_simple and size < blocks.FEW:
        magnitudes = ops.differentiable_abs(x)
        return ops.finished(ops.sum(magnitudes, axes, keepdims=False, dtype=ops.accumulator))
    if axes and autograd.is_one_function(x, ops, None, MAGNITUDE):
        (total,) = autograd.tied(
            (MAGNITUDE.terms,), MAGNITUDE, x, None, None, axes=axes, keepdims=False, ops=ops, finished=True
        )
        return total
    return None


def prox(x: object, step: object) -> Array | None:
    """Soft threshold by a number, or None."""
    if type(step) is not float or not 0 <= step <= _FLOAT32_MAX:
        return None
    ops = _operations(x)
    if ops is None or not ops.is_plain:
        return None
    shape: tuple[int, ...] = x.shape  # type: ignore[attr-defined]
    size = shape[0] if len(shape) == 1 else math.prod(shape)
    fused = table.find("soft_threshold", ops, size, alone=True)
    if fused is not None:
        found: Array | None = fused(x, None, None, step, ops=ops)
        return found
    if size > blocks.FEW or not ops.is_result:
        return None
    p = proximal.shrink(x, step, ops=ops)
    return ops.as_array(p) if p.dtype == ops.dtype else None  # NumPy's operations return the native byte order


def _operations(x: object) -> ArrayOps | None:
    """Return the operations for a real array in a CPU's memory, or None."""
    ops = find(x)
    if ops is None or not ops.is_floating or ops.is_complex or decision.asked:
        return None
    if not ops.has_one_state:
        ops = ops.at(None, x)
    return ops if ops.place == "cpu" and not ops.refused else None
