"""The penalty of a structure of arrays: one sum, one n, rounded once."""

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from . import _array, _autodiff, _blocks, _formula, _mean
from ._penalty import MAGNITUDE, Penalty
from ._typing import Array, Axes, Leaf, Namespace


def value(
    leaves: Sequence[Leaf],
    *,
    axes: Axes,
    keepdims: bool,
    mean: bool,
    xp: Namespace,
    penalty: Penalty = MAGNITUDE,
) -> Array:
    """Σ m·w·h(x), over n for a mean; ``axes=None`` for all of every leaf."""
    return _run(_value, leaves, axes=axes, keepdims=keepdims, mean=mean, xp=xp, penalty=penalty)


class Reductions(NamedTuple):
    """All of every leaf, reduced in both ways; the mean of nothing is NaN."""

    total: Array
    mean: Array
    raw: Array
    """Σ m·w·|x|, a constant."""
    raw_mean: Array


def reductions(leaves: Sequence[Leaf], *, xp: Namespace, penalty: Penalty = MAGNITUDE) -> Reductions:
    """Σ m·w·h(x) and Σ m·w·|x|, and their means, from one reading of arrays that hold their data."""
    return _run(_reductions, leaves, xp=xp, penalty=penalty)  # type: ignore[no-any-return]


def subgradient(
    leaves: Sequence[Leaf], *, axes: Axes, mean: bool, xp: Namespace, penalty: Penalty = MAGNITUDE
) -> list[Array]:
    """m·w·h'(x) of each leaf, over n for a mean."""
    options = {"axes": axes, "mean": mean, "xp": xp, "penalty": penalty}
    return _run(_subgradient, _constants(leaves), **options)  # type: ignore[no-any-return]


def value_and_subgradient(
    leaves: Sequence[Leaf], *, axes: Axes, keepdims: bool, mean: bool, xp: Namespace
) -> tuple[Array, list[Array]]:
    """Both of them, from one reading of eager arrays."""
    options = {"axes": axes, "keepdims": keepdims, "mean": mean, "xp": xp}
    return _run(_value_and_subgradient, leaves, **options)  # type: ignore[no-any-return]


def subgradient_norm(leaves: Sequence[Leaf], *, mean: bool, xp: Namespace) -> Array:
    """√Σ (m·w)² over x ≠ 0, over n for a mean."""
    return norm(leaves, mean=mean, xp=xp, squares=_formula.squared_signs)


def norm(
    leaves: Sequence[Leaf], *, mean: bool, xp: Namespace, squares: Callable[..., Array] = _formula.squares
) -> Array:
    """√Σ (m·w·x)², over n for a mean; or of other squares of each element."""
    return _run(_norm, _constants(leaves), mean=mean, xp=xp, squares=squares)


def dot(leaves: Sequence[Leaf], *, xp: Namespace) -> Array:
    """Σ m·w·x, in the accumulator's dtype."""
    return _run(_dot, _constants(leaves), xp=xp)


def _run(function: Callable[..., Any], leaves: Sequence[Leaf], **static: Any) -> Any:
    """Call it compiled, if the library has a compiler and there is one array."""
    if len(leaves) == 1:
        function = _array.compiled(function, leaves[0].x, static)
    return function(leaves, **static)


def _of_each(function: Callable[..., Any], leaves: Sequence[Leaf], *args: Any, **static: Any) -> list[Any]:
    """Call it for each leaf.

    Several are compiled one by one: ragged ones, all at once, would compile anew for each set of lengths.
    """
    if len(leaves) == 1:
        return [function(leaves[0], *args, **static)]
    return [_array.run_compiled(function, leaf.x, leaf, *args, **static) for leaf in leaves]


def _constants(leaves: Sequence[Leaf]) -> list[Leaf]:
    return [leaf._replace(x=_array.detach(leaf.x), weights=_array.detach(leaf.weights)) for leaf in leaves]


def _value(
    leaves: Sequence[Leaf], *, axes: Axes, keepdims: bool, mean: bool, xp: Namespace, penalty: Penalty
) -> Array:
    totals = _of_each(_total, leaves, axes=axes, keepdims=keepdims, xp=xp, penalty=penalty)
    n = _mean.count(leaves, axes, xp=xp) if mean else None
    return _finished(totals, n, leaves, axes=axes, xp=xp)


def _reductions(leaves: Sequence[Leaf], *, xp: Namespace, penalty: Penalty) -> Reductions:
    totals = _of_each(_total_and_magnitude, leaves, xp=xp, penalty=penalty)
    n = _mean.count(leaves, None, xp=xp)

    def reduced(parts: Sequence[Array]) -> tuple[Array, Array]:
        total = _finished(parts, None, leaves, axes=None, xp=xp)
        return total, _finished(parts, n, leaves, axes=None, xp=xp)

    own, magnitudes = zip(*totals, strict=True)
    total, mean = reduced(own)
    raw, raw_mean = (total, mean) if penalty is MAGNITUDE else reduced(magnitudes)
    return Reductions(total, mean, _array.detach(raw), _array.detach(raw_mean))


def _subgradient(
    leaves: Sequence[Leaf], *, axes: Axes, mean: bool, xp: Namespace, penalty: Penalty
) -> list[Array]:
    n = _mean.count(leaves, axes, xp=xp) if mean else None
    return _of_each(_gradient, leaves, n, xp=xp, penalty=penalty)


def _value_and_subgradient(
    leaves: Sequence[Leaf], *, axes: Axes, keepdims: bool, mean: bool, xp: Namespace
) -> tuple[Array, list[Array]]:
    n = _mean.count(leaves, axes, xp=xp) if mean else None
    both = _of_each(_abs_sum_and_signs, leaves, n, axes=axes, keepdims=keepdims, xp=xp)
    totals, signs = zip(*both, strict=True)
    return _finished(totals, n, leaves, axes=axes, xp=xp), list(signs)


def _norm(leaves: Sequence[Leaf], *, mean: bool, xp: Namespace, squares: Callable[..., Array]) -> Array:
    n = _mean.count(leaves, None, xp=xp) if mean else None
    totals = _of_each(_constant_total, leaves, terms=squares, power=2, xp=xp)
    norm = xp.sqrt(functools.reduce(operator.add, totals))
    if n is not None:  # 0 where a mask selects nothing, as the gradient is there
        norm = norm / _mean.divisor(n, xp=xp)
    return _finished([norm], None, leaves, axes=None, xp=xp)


def _dot(leaves: Sequence[Leaf], *, xp: Namespace) -> Array:
    totals = _of_each(_constant_total, leaves, terms=_formula.products, power=1, xp=xp)
    return _array.as_array(functools.reduce(operator.add, totals))


def _finished(
    totals: Sequence[Array],
    n: Array | float | None,
    leaves: Sequence[Leaf],
    *,
    axes: Axes,
    xp: Namespace,
) -> Array:
    """Add up what the leaves give, over n for a mean, rounded once."""
    total = totals[0] if len(totals) == 1 else functools.reduce(operator.add, totals)
    if n is not None:
        total = _mean.divided(total, n, axes, xp=xp)
    dtype = _array.result_dtype(leaves[0].x, xp)
    if len(leaves) > 1:
        dtype = xp.result_type(dtype, *(_array.result_dtype(leaf.x, xp) for leaf in leaves))
    return _array.as_array(total if total.dtype == dtype else xp.astype(total, dtype))


_SUM_OF_MAGNITUDES = _formula.sum_of(_formula.magnitudes)


def _total(leaf: Leaf, *, axes: Axes, keepdims: bool, xp: Namespace, penalty: Penalty) -> Array:
    kernel = _formula.sum_of_magnitudes if penalty is MAGNITUDE else _formula.sum_of(penalty.terms)
    total = _tied(kernel, leaf, axes=axes, keepdims=keepdims, xp=xp, penalty=penalty)
    return total if leaf.factor is None else total * leaf.factor


def _total_and_magnitude(leaf: Leaf, *, xp: Namespace, penalty: Penalty) -> tuple[Array, Array]:
    """Σ m·w·h(x), and Σ m·w·|x| as a constant."""
    options = {"axes": None, "keepdims": False, "xp": xp}
    if penalty is MAGNITUDE:
        total = _total(leaf, penalty=penalty, **options)
        return total, total
    # Whoever computes both of them reads x once.
    if _array.is_lazy(leaf.x) or _autodiff.is_transformed(leaf.x):
        (constant,) = _constants([leaf])
        return _total(leaf, penalty=penalty, **options), _total(constant, penalty=MAGNITUDE, **options)
    sum_of_terms = _formula.sum_of(penalty.terms)

    def kernel(x: Array, *others: Array | None, **options: Any) -> tuple[Array, Array]:
        magnitude = _formula.sum_of_magnitudes(_array.detach(x), *others, **options)
        return sum_of_terms(x, *others, **options), _array.detach(magnitude)

    totals = _tied(kernel, leaf, penalty=penalty, **options)
    if leaf.factor is not None:
        totals = tuple(total * leaf.factor for total in totals)
    return totals  # type: ignore[no-any-return]


def _tied(
    kernel: _blocks.Kernel, leaf: Leaf, *, axes: Axes, keepdims: bool, xp: Namespace, penalty: Penalty
) -> Any:
    """Sum in blocks, with the penalty's gradient where torch records or JAX may ask for it."""
    arrays = leaf.x, leaf.where, leaf.weights
    reduced = _blocks.named_axes(leaf.x, axes)

    def compute(*arrays: Array | None) -> Any:
        return _blocks.reduce(kernel, arrays, axes=reduced, keepdims=keepdims, xp=xp)

    if _autodiff.is_transformed(leaf.x):
        if penalty is MAGNITUDE:
            kernel = _SUM_OF_MAGNITUDES  # of which no derivative is taken: that is the one of `simple`

        def simple(*arrays: Array | None) -> Array:
            terms, dtype = penalty.terms(*arrays, xp=xp), _array.accumulator_dtype(arrays[0], xp)
            return _formula.library_sum(terms, axes=reduced, keepdims=keepdims, dtype=dtype, xp=xp)

        return _autodiff.tied_to_sum(compute, simple, *arrays)
    if not _array.records_gradient(leaf.x) or _array.records_gradient(leaf.weights):
        return compute(*arrays)
    # Signs need few temporaries, so that a block may be large.
    light = penalty is MAGNITUDE and leaf.weights is None and not _array.is_complex(leaf.x)
    block = _blocks.SIGNS_ELEMENTS if light else _blocks.WRITTEN_ELEMENTS

    def gradient(g: Array, *arrays: Array | None) -> Array:
        shape = tuple(1 if axis in reduced else n for axis, n in enumerate(leaf.x.shape))
        return _blocks.elementwise(penalty.gradient, (*arrays, xp.reshape(g, shape)), xp=xp, block=block)

    return _autodiff.tied(compute, gradient, *arrays)


def _gradient(leaf: Leaf, n: Array | float | None, *, xp: Namespace, penalty: Penalty) -> Array:
    scale = _mean.scale(leaf, n, xp=xp)
    arrays = leaf.x, leaf.where, leaf.weights
    if scale is None or isinstance(scale, float):

        def kernel(x: Array, where: Array | None, weights: Array | None, *, xp: Namespace) -> Array:
            return penalty.gradient(x, where, weights, scale, xp=xp)

        s = _blocks.elementwise(kernel, arrays, xp=xp)
    else:
        s = _blocks.elementwise(penalty.gradient, (*arrays, scale), xp=xp)
    return _array.as_array(_array.detach(s))


def _abs_sum_and_signs(
    leaf: Leaf, n: Array | float | None, *, axes: Axes, keepdims: bool, xp: Namespace
) -> tuple[Array, Array]:
    if not _blocks.are_plain((leaf.x, leaf.weights), xp):
        total = _total(leaf, axes=axes, keepdims=keepdims, xp=xp, penalty=MAGNITUDE)
        (constant,) = _constants([leaf])
        return total, _gradient(constant, n, xp=xp, penalty=MAGNITUDE)
    scale = _mean.scale(leaf, n, xp=xp)

    def kernel(
        x: Array,
        out: Array,
        where: Array | None,
        weights: Array | None,
        scale_: Array | None,
        *,
        xp: Namespace,
        **options: Any,
    ) -> Array:
        out[...] = _formula.scaled_signs(x, where, weights, scale if scale_ is None else scale_, xp=xp)
        return _SUM_OF_MAGNITUDES(x, where, weights, xp=xp, **options)

    s = _array.empty_like(leaf.x, xp)
    array_scale = None if scale is None or isinstance(scale, float) else scale
    arrays = leaf.x, s, leaf.where, leaf.weights, array_scale
    total = _blocks.reduce(kernel, arrays, axes=_blocks.named_axes(leaf.x, axes), keepdims=keepdims, xp=xp)
    return total if leaf.factor is None else total * leaf.factor, s


def _constant_total(leaf: Leaf, *, terms: Callable[..., Array], power: int, xp: Namespace) -> Array:
    arrays = leaf.x, leaf.where, leaf.weights
    axes = _blocks.named_axes(leaf.x, None)
    total = _blocks.reduce(_formula.sum_of(terms), arrays, axes=axes, keepdims=False, xp=xp)
    return total if leaf.factor is None else total * leaf.factor**power
