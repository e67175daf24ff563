"""The operators on each array of a structure: in blocks where it is eager, compiled where it is JAX's."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from . import _array, _blocks, _group_formula, _threshold
from ._reduce import Leaf
from ._threshold import Threshold
from ._typing import Array, Namespace


def prox(leaves: Sequence[Leaf], step: Threshold, *, nonnegative: bool, xp: Namespace) -> list[Array]:
    """Soft threshold of each leaf."""
    return [_compiled(_prox, leaf.x, leaf, step, nonnegative=nonnegative, xp=xp) for leaf in leaves]


def prox_group(
    xs: Sequence[Array], steps: Sequence[Threshold], axes: Sequence[tuple[int, ...]], *, xp: Namespace
) -> list[Array]:
    """Shrink the norm of each group of each array."""
    return [
        _compiled(_group_formula.prox, x, x, step, axes=a, xp=xp)
        for x, step, a in zip(xs, steps, axes, strict=True)
    ]


def _compiled(function: Callable[..., Any], x: Array, *args: Any, **static: Any) -> Any:  # noqa: ANN401
    return _array.compiled(function, x, tuple(static))(*args, **static)


def _prox(leaf: Leaf, step: Threshold, *, nonnegative: bool, xp: Namespace) -> Array:
    if leaf.factor is not None:
        step = step * leaf.factor
    return _elementwise(_threshold.prox, leaf, step, nonnegative=nonnegative, xp=xp)


def _elementwise(
    kernel: Callable[..., Array], leaf: Leaf, step: Threshold, *, xp: Namespace, **options: Any
) -> Array:
    arrays = leaf.x, leaf.where, leaf.weights
    kernel = functools.partial(kernel, **options)
    if isinstance(step, float):
        return _blocks.elementwise(lambda *blocks, xp: kernel(*blocks, step, xp=xp), arrays, xp=xp)
    return _blocks.elementwise(kernel, (*arrays, step), xp=xp)
