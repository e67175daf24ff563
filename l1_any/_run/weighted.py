"""Sums times a number, which may overflow though the product does not, where no one may wait for a look at the sum."""

from collections.abc import Callable, Sequence
from typing import Any

from l1_any._arrays.standard import ArrayOps
from l1_any._formulas import sums
from l1_any._formulas.penalty import Penalty
from l1_any._typing import Array, Leaf

from . import chunks, mean


def may_overflow(ops: ArrayOps) -> bool:
    """Whether a sum may overflow, and cannot be looked at: see `mean.in_range` for those that can."""
    is_wide = ops.result_name == ops.accumulator_name and ops.dtype_name != "float16"
    return is_wide and not mean.may_be_seen(ops)


def may_shrink(leaves: Sequence[Leaf]) -> bool:
    """Whether weights may make a result finite though a sum, or the modulus of a complex number, is not."""
    first = leaves[0]
    return first.factor is not None or len(leaves) > 1 or (first.ops.is_complex and first.weights is not None)


def total(
    leaf: Leaf,
    penalty: Penalty,
    weighted_total: Callable[..., Array],
    value: Callable[..., Array],
    *,
    axes: tuple[int, ...],
    keepdims: bool,
) -> Array:
    """Σ m·h(x) · factor.

    Each of Dask's chunks is looked at when it is computed, and has a ``value`` that is the product already. In other
    libraries the terms of a sum with large numbers are multiplied by a power of two, which changes no bit of it.
    """
    x, ops, where, _, factor = leaf
    if ops.is_lazy:
        kind: Any = type(penalty)
        bare = None if penalty.arrays else penalty  # the function must hold no array

        def on_chunk(x: Array, where: Array | None, *numbers: Array, ops: ArrayOps, **options: Any) -> Array:
            own = kind(*numbers) if bare is None else bare
            return value([Leaf(x, ops, where, None, factor)], is_mean=False, penalty=own, **options)

        return chunks.reduce(on_chunk, (x, where, *penalty.arrays), axes, keepdims=keepdims, ops=ops)
    scale = sums.scale_of(x, where, axes=axes, ops=ops)
    found = weighted_total(x, ops, where, scale, None, penalty, axes=axes, keepdims=keepdims)
    return found * factor / (scale if keepdims else ops.xp.squeeze(scale, axis=axes))
