"""The operators on each array of a structure: in blocks where it is eager, compiled where it is JAX's."""

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from . import _array, _ball, _blocks, _chunks, _formula, _group_formula, _mean, _threshold
from ._threshold import Threshold
from ._typing import Array, DType, Leaf, Namespace


_LARGEST_FLOAT32 = 3.4028234663852886e38


def prox(leaves: Sequence[Leaf], step: Threshold, *, nonnegative: bool, xp: Namespace) -> list[Array]:
    """Soft threshold of each leaf."""
    return [
        _array.run_compiled(_prox, leaf.x, *_times_factor(leaf, step, xp), nonnegative=nonnegative, xp=xp)
        for leaf in leaves
    ]


def prox_elastic_net(
    leaves: Sequence[Leaf], step: Threshold, *, l1_ratio: float, xp: Namespace
) -> list[Array]:
    """Soft threshold and shrinkage of each leaf."""
    kernel = _threshold.prox_elastic_net
    return [
        _array.run_compiled(
            _elementwise, leaf.x, *_times_factor(leaf, step, xp), kernel=kernel, l1_ratio=l1_ratio, xp=xp
        )
        for leaf in leaves
    ]


def subdiff_distance(
    leaves: Sequence[Leaf], gradients: Sequence[Array], strength: Threshold, *, xp: Namespace
) -> list[Array]:
    """Distance of -gradient to strength·w·∂|x| for each element of each leaf."""
    return [
        _array.run_compiled(_subdiff_distance, leaf.x, *_times_factor(leaf, strength, xp), gradient, xp=xp)
        for leaf, gradient in zip(leaves, gradients, strict=True)
    ]


def strength_max(leaves: Sequence[Leaf], *, xp: Namespace) -> Array:
    """Largest |g|/w of all leaves."""
    largest = [_array.run_compiled(_strength_max, leaf.x, leaf, xp=xp) for leaf in leaves]
    out = functools.reduce(lambda a, b: xp.max(xp.stack([a, b])), largest)
    return _array.as_array(out)


def project(
    leaves: Sequence[Leaf], radius: Threshold, *, axis: int | None, nonnegative: bool, xp: Namespace
) -> list[Array]:
    """Project onto the L1 ball: along an axis of one leaf, or all leaves as one vector."""
    options = {"nonnegative": nonnegative, "xp": xp}
    factor = leaves[0].factor
    if factor is not None and all(leaf.factor == factor for leaf in leaves):
        leaves = [leaf._replace(factor=None) for leaf in leaves]
        if factor:
            radius = radius / factor
        else:  # which bounds nothing, and changes nothing
            zeros = [_array.full((), 0, _array.result_dtype(leaf.x, xp), leaf.x, xp) for leaf in leaves]
            leaves = [leaf._replace(weights=zero) for leaf, zero in zip(leaves, zeros, strict=True)]
    if axis is not None:
        return [
            _array.run_compiled(_project, leaves[0].x, leaves[0], radius, axis=axis, **options)
            for leaf in leaves
        ]
    whole = _joined(leaves, xp)
    return _split(_array.run_compiled(_project, whole.x, whole, radius, axis=0, **options), leaves, xp)


def prox_max(xs: Sequence[Array], step: Threshold, *, axis: int | None, xp: Namespace) -> list[Array]:
    """Proximal operator of the largest magnitude: along an axis of one array, or of all arrays."""
    if axis is not None:
        return [_array.run_compiled(_prox_max, x, x, step, axis=axis, xp=xp) for x in xs]
    leaves = [Leaf(x) for x in xs]
    x = _joined(leaves, xp).x
    return _split(_array.run_compiled(_prox_max, x, x, step, axis=0, xp=xp), leaves, xp)


def prox_group(
    xs: Sequence[Array], steps: Sequence[Threshold], axes: Sequence[tuple[int, ...]], *, xp: Namespace
) -> list[Array]:
    """Shrink the norm of each group of each array."""
    return [
        _array.run_compiled(_prox_group, x, x, step, axes=a, xp=xp)
        for x, step, a in zip(xs, steps, axes, strict=True)
    ]


def _blocked(
    kernel: Callable[..., Array],
    arrays: tuple[Array | None, ...],
    step: Threshold,
    *,
    whole: tuple[int, ...] = (),
    dtype: DType | None = None,
    xp: Namespace,
) -> Array:
    """Run ``kernel(*arrays, step, xp=)`` in blocks, whether the step is a number or has its own elements."""
    if not isinstance(step, float):

        def with_array(*blocks: Array, xp: Namespace) -> Array:
            *others, own = blocks
            axes = range(others[0].ndim - own.ndim, others[0].ndim)
            if own.ndim:  # blocks are broadcast, also along what is whole
                own = own[tuple(slice(1) if axis in whole else slice(None) for axis in axes)]
            return kernel(*others, own, xp=xp)

        return _blocks.elementwise(with_array, (*arrays, step), xp=xp, whole=whole, dtype=dtype)

    def with_number(*blocks: Array | None, xp: Namespace) -> Array:
        return kernel(*blocks, step, xp=xp)

    return _blocks.elementwise(with_number, arrays, xp=xp, whole=whole, dtype=dtype)


def _times_factor(leaf: Leaf, step: Threshold, xp: Namespace) -> tuple[Leaf, Threshold]:
    """Multiply the step by the number among the weights: in Python's floats, before JAX compiles it."""
    if leaf.factor is not None:
        step, leaf = step * leaf.factor, leaf._replace(factor=None)
    if isinstance(step, float) and step > _LARGEST_FLOAT32:  # it may be infinite in its dtype
        step = min(step, float(xp.finfo(_array.result_dtype(leaf.x, xp)).max))
    return leaf, step


def _prox(leaf: Leaf, step: Threshold, *, nonnegative: bool, xp: Namespace) -> Array:
    if isinstance(step, float) and leaf.where is None and leaf.weights is None and not nonnegative:
        p = _array.soft_threshold(leaf.x, step, xp)
        if p is not None:
            return p
    return _elementwise(leaf, step, kernel=_threshold.prox, nonnegative=nonnegative, xp=xp)


def _elementwise(
    leaf: Leaf,
    step: Threshold,
    *,
    kernel: Callable[..., Array],
    xp: Namespace,
    **options: Any,
) -> Array:
    return _blocked(functools.partial(kernel, **options), (leaf.x, leaf.where, leaf.weights), step, xp=xp)


def _subdiff_distance(leaf: Leaf, strength: Threshold, gradient: Array, *, xp: Namespace) -> Array:
    arrays = leaf.x, gradient, leaf.where, leaf.weights
    dtype = _array.result_dtype(leaf.x, xp)
    return _blocked(_threshold.subdiff_distance, arrays, strength, dtype=dtype, xp=xp)


def _strength_max(leaf: Leaf, *, xp: Namespace) -> Array:
    if _array.extent(leaf.x, _every(leaf.x)) == 0:
        return _array.full((), 0, _array.result_dtype(leaf.x, xp), leaf.x, xp)

    def kernel(x: Array, weights: Array | None, *, xp: Namespace) -> Array:
        return _array.largest(_threshold.strengths(x, weights, leaf.factor, xp=xp), xp)

    if _array.is_chunked(leaf.x):
        return _chunks.largest(kernel, (leaf.x, leaf.weights), _array.result_dtype(leaf.x, xp))
    return _blocks.largest(kernel, (leaf.x, leaf.weights), xp=xp)


def _joined(leaves: Sequence[Leaf], xp: Namespace) -> Leaf:
    """All leaves as one vector, with their weights."""
    dtype = functools.reduce(xp.result_type, [leaf.x.dtype for leaf in leaves])
    x = xp.concat([_flat(xp.astype(leaf.x, dtype, copy=False), xp) for leaf in leaves])
    if all(leaf.weights is None and leaf.factor is None for leaf in leaves):
        return Leaf(x)
    real = _array.result_dtype(x, xp)
    weights = [_weights(leaf, real, xp) for leaf in leaves]
    return Leaf(x, weights=xp.concat([_flat(w, xp) for w in weights]))


def _flat(x: Array, xp: Namespace) -> Array:
    empty = _array.extent(x, _every(x)) == 0  # which Dask cannot reshape
    return _array.full((0,), 0, x.dtype, x, xp) if empty else xp.reshape(x, (-1,))


def _weights(leaf: Leaf, dtype: Any, xp: Namespace) -> Array:
    if leaf.weights is None:
        return _array.full(leaf.x.shape, 1.0 if leaf.factor is None else leaf.factor, dtype, leaf.x, xp)
    return xp.broadcast_to(xp.astype(leaf.weights, dtype, copy=False), leaf.x.shape)


def _split(vector: Array, leaves: Sequence[Leaf], xp: Namespace) -> list[Array]:
    out, start = [], 0
    for leaf in leaves:
        stop = start + math.prod(leaf.x.shape)
        part = xp.reshape(vector[start:stop], leaf.x.shape)
        if _array.is_complex(part) and not _array.is_complex(leaf.x):
            part = xp.real(part)
        out.append(xp.astype(part, leaf.x.dtype, copy=False))
        start = stop
    return out


def _project(leaf: Leaf, radius: Threshold, *, axis: int, nonnegative: bool, xp: Namespace) -> Array:
    kernel = functools.partial(_ball.project, axis=axis, nonnegative=nonnegative)
    return _along(kernel, (leaf.x, leaf.weights), radius, axes=(axis,), xp=xp)


def _prox_max(x: Array, step: Threshold, *, axis: int, xp: Namespace) -> Array:
    return _along(functools.partial(_ball.residual, axis=axis), (x,), step, axes=(axis,), xp=xp)


def _along(
    kernel: Callable[..., Array],
    arrays: tuple[Array, ...],
    step: Threshold,
    *,
    axes: tuple[int, ...],
    xp: Namespace,
) -> Array:
    """Run ``kernel(*arrays, step, xp=)`` on blocks or chunks that are not cut along some axes."""
    x = arrays[0]
    if _array.extent(x, axes) == 0:
        return x
    if not _array.is_chunked(x):
        return _blocked(kernel, arrays, step, whole=axes, xp=xp)
    if isinstance(step, float):
        step = _array.full((), step, _array.accumulator_dtype(x, xp), x, xp)

    def on_chunk(*chunks: Array, xp: Namespace) -> Array:
        return _blocked(kernel, chunks[:-1], chunks[-1], whole=axes, xp=xp)

    return _chunks.elementwise(on_chunk, (*arrays, step), axes)


def _prox_group(x: Array, step: Threshold, *, axes: tuple[int, ...], xp: Namespace) -> Array:
    return _on_groups(functools.partial(_group_formula.prox, axes=axes), x, step, axes=axes, xp=xp)


def _on_groups(
    kernel: Callable[..., Array], x: Array, step: Threshold, *, axes: tuple[int, ...], xp: Namespace
) -> Array:
    if _by_formula(x, axes):
        return _blocked(kernel, (x,), step, whole=axes, xp=xp)
    return _along(kernel, (x,), step, axes=axes, xp=xp)


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
    every = _every(x)
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


def _every(x: Array) -> tuple[int, ...]:
    return tuple(range(x.ndim))


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
