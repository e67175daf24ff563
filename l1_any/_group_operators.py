"""The operators on groups of each array of a structure: in blocks, in chunks, compiled where it is JAX's."""

import functools
import operator
from collections.abc import Callable, Sequence

from . import _array, _chunks, _formula, _group_formula, _mean
from ._steps import along, blocked
from ._threshold import Threshold
from ._typing import Array, Leaf, Namespace


def prox_group(
    xs: Sequence[Array], steps: Sequence[Threshold], axes: Sequence[tuple[int, ...]], *, xp: Namespace
) -> list[Array]:
    """Shrink the norm of each group of each array."""
    return [
        _array.run_compiled(_prox_group, x, x, step, axes=a, xp=xp)
        for x, step, a in zip(xs, steps, axes, strict=True)
    ]


def group_value(
    xs: Sequence[Array],
    weights: Sequence[Threshold | None],
    axes: Sequence[tuple[int, ...]],
    *,
    mean: bool,
    xp: Namespace,
) -> Array:
    """Σ w·‖x‖₂ over the groups of all arrays, over their number for a mean."""
    totals = [
        _array.run_compiled(_group_total, x, x, w, axes=a, xp=xp)
        for x, w, a in zip(xs, weights, axes, strict=True)
    ]
    total = functools.reduce(operator.add, totals)
    if mean:
        total = _mean.divided(total, _groups(xs, axes, xp=xp), None, xp=xp)
    dtype = functools.reduce(xp.result_type, [_array.result_dtype(x, xp) for x in xs])
    return _array.as_array(xp.astype(total, dtype, copy=False))


def group_subgradient(
    xs: Sequence[Array],
    weights: Sequence[Threshold | None],
    axes: Sequence[tuple[int, ...]],
    *,
    mean: bool,
    xp: Namespace,
) -> list[Array]:
    """w·x/‖x‖₂ of each group of each array, over the number of groups for a mean."""
    over = 1 / _mean.divisor(_groups(xs, axes, xp=xp), xp=xp) if mean else 1.0
    out = []
    for x, w, a in zip(xs, weights, axes, strict=True):
        scale = (1.0 if w is None else w) * over
        constant = _array.detach(x)
        out.append(_array.run_compiled(_group_subgradient, x, constant, _array.detach(scale), axes=a, xp=xp))
    return out


def _prox_group(x: Array, step: Threshold, *, axes: tuple[int, ...], xp: Namespace) -> Array:
    return _on_groups(functools.partial(_group_formula.prox, axes=axes), x, step, axes=axes, xp=xp)


def _on_groups(
    kernel: Callable[..., Array], x: Array, step: Threshold, *, axes: tuple[int, ...], xp: Namespace
) -> Array:
    if _by_formula(x, axes):
        return blocked(kernel, (x,), step, whole=axes, xp=xp)
    return along(kernel, (x,), step, axes=axes, xp=xp)


def _groups(xs: Sequence[Array], axes: Sequence[tuple[int, ...]], *, xp: Namespace) -> Array | float:
    """Count the groups: a number where no lazy shape hides it."""
    counts: list[Array | float] = []
    for x, own in zip(xs, axes, strict=True):
        n = _array.extent(x, tuple([axis for axis in range(x.ndim) if axis not in own]))
        if n is None:
            one_of_each = x[tuple([slice(1) if axis in own else slice(None) for axis in range(x.ndim)])]
            counts.append(_mean.count([Leaf(one_of_each)], None, xp=xp))
        else:
            counts.append(float(n))
    return functools.reduce(operator.add, counts)


def _group_total(x: Array, weights: Threshold | None, *, axes: tuple[int, ...], xp: Namespace) -> Array:
    every = tuple(range(x.ndim))
    if _by_formula(x, axes):
        return _weighted_norms(x, weights, groups=axes, axes=every, keepdims=False, xp=xp)
    number = isinstance(weights, float)
    kernel = functools.partial(_weighted_norms, groups=axes)
    arrays = _chunks.merged(x, axes), None if number else weights
    total = _chunks.reduce(kernel, arrays, every, keepdims=False)
    return total * weights if number else total


def _by_formula(x: Array, axes: tuple[int, ...]) -> bool:
    """Whether to leave it to the library where groups lie: to Dask if they lie in many chunks, none of them empty."""
    if not _array.is_chunked(x):
        return True
    return _chunks.is_cut(x, axes) and (_array.extent(x, axes) is None or not _chunks.may_be_empty(x))


def _weighted_norms(
    x: Array,
    weights: Threshold | None,
    *,
    groups: tuple[int, ...],
    axes: tuple[int, ...],
    keepdims: bool,
    xp: Namespace,
) -> Array:
    """Σ w·‖x‖₂, in the accumulator's dtype."""
    norms = _group_formula.norms(x, axes=groups, xp=xp)
    if weights is not None:
        norms = norms * (weights if isinstance(weights, float) else _array.widest(weights, xp))
    return _formula.total(norms, axes=axes, keepdims=keepdims, xp=xp)


def _group_subgradient(x: Array, scale: Threshold, *, axes: tuple[int, ...], xp: Namespace) -> Array:
    kernel = functools.partial(_group_formula.subgradient, axes=axes)
    return _on_groups(kernel, x, scale, axes=axes, xp=xp)
