"""The operators on each array of a structure: in blocks where it is eager, compiled where it is JAX's."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from . import _array, _ball, _blocks, _chunks, _threshold
from ._steps import along, blocked
from ._threshold import Threshold
from ._typing import Array, Leaf, Namespace

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
    return blocked(functools.partial(kernel, **options), (leaf.x, leaf.where, leaf.weights), step, xp=xp)


def _subdiff_distance(leaf: Leaf, strength: Threshold, gradient: Array, *, xp: Namespace) -> Array:
    arrays = leaf.x, gradient, leaf.where, leaf.weights
    dtype = _array.result_dtype(leaf.x, xp)
    return blocked(_threshold.subdiff_distance, arrays, strength, dtype=dtype, xp=xp)


def _strength_max(leaf: Leaf, *, xp: Namespace) -> Array:
    if _array.extent(leaf.x) == 0:
        return _array.full((), 0, _array.result_dtype(leaf.x, xp), leaf.x, xp)

    factor = leaf.factor

    def kernel(x: Array, weights: Array | None, *, xp: Namespace) -> Array:
        return _array.largest(_threshold.strengths(x, weights, factor, xp=xp), xp)

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
    empty = _array.extent(x) == 0  # which Dask cannot reshape
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
    return along(kernel, (leaf.x, leaf.weights), radius, axes=(axis,), xp=xp)


def _prox_max(x: Array, step: Threshold, *, axis: int, xp: Namespace) -> Array:
    return along(functools.partial(_ball.residual, axis=axis), (x,), step, axes=(axis,), xp=xp)
