"""The arrays of a pytree of one type and dtype together: one kernel for all, and one autograd function."""

from collections.abc import Sequence

from l1_any._formulas.penalty import Penalty
from l1_any._typing import Array, Leaf

from . import autograd, mean, plan, signs
from .leaves import by_operations, size


def totals(leaves: Sequence[Leaf], penalty: Penalty) -> tuple[list[Array], list[Leaf]]:
    """Return Σ m·w·h(x) for each group of arrays that have one kernel, and the other leaves."""
    sums, others = [], []
    for group in by_operations(leaves):
        ops, total = group[0].ops, None
        if ops.is_plain and len(group) > 1:
            fused = plan.kernel(penalty.kernels.totals, ops, size(group))
            total = None if fused is None else fused(group, *penalty, ops=ops)
        elif ops.is_recorded and len(group) > 1:
            total = autograd.tied_together(group, penalty)
        if total is None:
            others += group
        else:
            sums.append(total)
    return sums, others


def derivatives(leaves: Sequence[Leaf], n: Array | float | None, penalty: Penalty) -> list[Array] | None:
    """m·w·h'(x)/n of all leaves by one kernel, or None."""
    ops, operation = leaves[0].ops, penalty.kernels.derivatives
    if not (operation and ops.is_plain) or any(
        leaf.ops is not ops or leaf.weights is not None for leaf in leaves
    ):
        return None
    fused = plan.kernel(operation, ops, size(leaves))
    if fused is None:
        return None
    divisor = None if n is None else mean.divisor(n, ops=ops)
    scales = [signs.scale_of(leaf.factor, divisor, ops) for leaf in leaves]
    if not scales[0][1]:
        return None
    s: list[Array] | None = fused(leaves, [scale for scale, _ in scales], ops=ops)
    return s
