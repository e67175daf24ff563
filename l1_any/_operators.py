"""The operators on each array of a structure: in blocks where it is eager, compiled where it is JAX's."""

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from . import _array, _ball, _blocks, _chunks, _formula, _group_formula, _threshold
from ._threshold import Threshold
from ._typing import Array, DType, Leaf, Namespace


def prox(leaves: Sequence[Leaf], step: Threshold, *, nonnegative: bool, xp: Namespace) -> list[Array]:
    """Soft threshold of each leaf."""
    return [_array.run_compiled(_prox, leaf.x, leaf, step, nonnegative=nonnegative, xp=xp) for leaf in leaves]


def prox_elastic_net(
    leaves: Sequence[Leaf], step: Threshold, *, l1_ratio: float, xp: Namespace
) -> list[Array]:
    """Soft threshold and shrinkage of each leaf."""
    kernel = _threshold.prox_elastic_net
    return [
        _array.run_compiled(_elementwise, leaf.x, leaf, step, kernel=kernel, l1_ratio=l1_ratio, xp=xp)
        for leaf in leaves
    ]


def subdiff_distance(
    leaves: Sequence[Leaf], gradients: Sequence[Array], strength: Threshold, *, xp: Namespace
) -> list[Array]:
    """Distance of -gradient to strength·w·∂|x| for each element of each leaf."""
    return [
        _array.run_compiled(_subdiff_distance, leaf.x, leaf, gradient, strength, xp=xp)
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
        # A weight of 0 bounds nothing.
        radius = radius / factor if factor else math.inf
        leaves = [leaf._replace(factor=None) for leaf in leaves]
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


def _prox(leaf: Leaf, step: Threshold, *, nonnegative: bool, xp: Namespace) -> Array:
    if isinstance(step, float) and leaf.where is None and leaf.weights is None and not nonnegative:
        t = step if leaf.factor is None else step * leaf.factor
        p = _array.soft_threshold(leaf.x, t, xp)
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
    if leaf.factor is not None:
        step = step * leaf.factor
    return _blocked(functools.partial(kernel, **options), (leaf.x, leaf.where, leaf.weights), step, xp=xp)


def _subdiff_distance(leaf: Leaf, gradient: Array, strength: Threshold, *, xp: Namespace) -> Array:
    if leaf.factor is not None:
        strength = strength * leaf.factor
    arrays = leaf.x, gradient, leaf.where, leaf.weights
    dtype = _array.result_dtype(leaf.x, xp)
    return _blocked(_threshold.subdiff_distance, arrays, strength, dtype=dtype, xp=xp)


def _strength_max(leaf: Leaf, *, xp: Namespace) -> Array:
    every = tuple(range(leaf.x.ndim))
    if _array.extent(leaf.x, every) == 0:
        return _array.full((), 0, _array.result_dtype(leaf.x, xp), leaf.x, xp)

    def kernel(x: Array, weights: Array | None, *, xp: Namespace) -> Array:
        return _array.largest(_threshold.strengths(x, weights, leaf.factor, xp=xp), xp)

    return _blocks.largest(kernel, (leaf.x, leaf.weights), xp=xp)


def _joined(leaves: Sequence[Leaf], xp: Namespace) -> Leaf:
    """All leaves as one vector, with their weights."""
    dtype = functools.reduce(xp.result_type, [leaf.x.dtype for leaf in leaves])
    x = xp.concat([xp.reshape(xp.astype(leaf.x, dtype, copy=False), (-1,)) for leaf in leaves])
    if all(leaf.weights is None and leaf.factor is None for leaf in leaves):
        return Leaf(x)
    real = _array.result_dtype(x, xp)
    weights = [_weights(leaf, real, xp) for leaf in leaves]
    return Leaf(x, weights=xp.concat([xp.reshape(w, (-1,)) for w in weights]))


def _weights(leaf: Leaf, dtype: Any, xp: Namespace) -> Array:
    if leaf.weights is None:
        return _array.full(leaf.x.shape, 1.0 if leaf.factor is None else leaf.factor, dtype, leaf.x, xp)
    return xp.broadcast_to(xp.astype(leaf.weights, dtype, copy=False), leaf.x.shape)


def _split(vector: Array, leaves: Sequence[Leaf], xp: Namespace) -> list[Array]:
    out, start = [], 0
    for leaf in leaves:
        stop = start + math.prod(leaf.x.shape)
        part = xp.reshape(vector[start:stop], leaf.x.shape)
        out.append(xp.astype(part, leaf.x.dtype, copy=False))
        start = stop
    return out


def _project(leaf: Leaf, radius: Threshold, *, axis: int, nonnegative: bool, xp: Namespace) -> Array:
    weights = None if leaf.weights is None else xp.broadcast_to(leaf.weights, leaf.x.shape)
    kernel = functools.partial(_ball.project, axis=axis, nonnegative=nonnegative)
    return _along(kernel, (leaf.x, weights), radius, axis=axis, xp=xp)


def _prox_max(x: Array, step: Threshold, *, axis: int, xp: Namespace) -> Array:
    return _along(functools.partial(_ball.residual, axis=axis), (x,), step, axis=axis, xp=xp)


def _along(
    kernel: Callable[..., Array],
    arrays: tuple[Array | None, ...],
    step: Threshold,
    *,
    axis: int,
    xp: Namespace,
) -> Array:
    x = arrays[0]
    if _array.extent(x, (axis,)) == 0:
        return x
    if not _array.is_chunked(x):
        return _blocked(kernel, arrays, step, whole=(axis,), xp=xp)
    if isinstance(step, float):
        arrays = *arrays, _array.full((), step, _array.accumulator_dtype(x, xp), x, xp)
    else:
        arrays = *arrays, step

    def on_chunk(*chunks: Array, xp: Namespace) -> Array:
        return _blocked(kernel, chunks[:-1], chunks[-1], whole=(axis,), xp=xp)

    return _chunks.elementwise(on_chunk, arrays, (axis,), xp)


def _prox_group(x: Array, step: Threshold, *, axes: tuple[int, ...], xp: Namespace) -> Array:
    kernel = functools.partial(_group_formula.prox, axes=axes)
    return _blocked(kernel, (x,), step, whole=axes, xp=xp)


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
        total = total / _groups(xs, axes)
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
    over = 1 / _groups(xs, axes) if mean else None
    out = []
    for x, w, a in zip(xs, weights, axes, strict=True):
        scale = w if over is None else over if w is None else w * over
        constant = _array.detach(x)
        out.append(_array.run_compiled(_group_subgradient, x, constant, _array.detach(scale), axes=a, xp=xp))
    return out


def _groups(xs: Sequence[Array], axes: Sequence[tuple[int, ...]]) -> int:
    return sum(
        math.prod(n for axis, n in enumerate(x.shape) if axis not in a) for x, a in zip(xs, axes, strict=True)
    )


def _group_total(x: Array, weights: Threshold | None, *, axes: tuple[int, ...], xp: Namespace) -> Array:
    norms = _group_formula.norms(x, axes=axes, xp=xp)
    if weights is not None:
        norms = norms * (weights if isinstance(weights, float) else _array.widest(weights, xp))
    every = tuple(range(norms.ndim))
    return _formula.total(norms, axes=every, keepdims=False, xp=xp)


def _group_subgradient(x: Array, scale: Threshold | None, *, axes: tuple[int, ...], xp: Namespace) -> Array:
    kernel = functools.partial(_group_formula.subgradient, axes=axes)
    if scale is None:
        return _blocks.elementwise(lambda x, xp: kernel(x, None, xp=xp), (x,), xp=xp, whole=axes)
    return _blocked(kernel, (x,), scale, whole=axes, xp=xp)
