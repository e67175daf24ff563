"""The penalty of a structure of arrays: one sum, one n, rounded once."""

import dataclasses
import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from . import _array, _autodiff, _blocks, _formula
from ._typing import Array, Namespace

Axes = tuple[int, ...] | None


class Leaf(NamedTuple):
    """An array of the structure, with what selects and multiplies its magnitudes."""

    x: Array
    where: Array | None = None
    weights: Array | None = None
    factor: float | None = None  # a weight that is a number


class Penalty(Protocol):
    """What is summed for each element, and its derivative; hashed by value, for compilers to know it."""

    def terms(self, x: Array, where: Array | None, weights: Array | None, /, *, xp: Namespace) -> Array:
        """m·w·h(x), which automatic differentiation understands."""

    def gradient(
        self,
        x: Array,
        where: Array | None,
        weights: Array | None,
        scale: Array | float | None,
        /,
        *,
        xp: Namespace,
    ) -> Array:
        """m·w·h'(x)·scale, of the dtype of x."""


@dataclasses.dataclass(frozen=True)
class Magnitude:
    """The L1 penalty's own h(x) = |x|."""

    terms = staticmethod(_formula.magnitudes)
    gradient = staticmethod(_formula.scaled_signs)


MAGNITUDE = Magnitude()


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
    leaves = _constants(leaves)
    totals = [_leafwise(_constant_total, leaf, terms=_formula.products, xp=xp) for leaf in leaves]
    return _array.as_array(functools.reduce(operator.add, totals))


def _run(function: Callable[..., Any], leaves: Sequence[Leaf], **static: Any) -> Any:
    """Call it compiled, if the library has a compiler and there is one array.

    Ragged leaves are compiled one by one: all at once would compile anew for each set of lengths.
    """
    if len(leaves) == 1:
        function = _array.compiled(function, leaves[0].x, tuple(static))
    return function(leaves, **static)


def _constants(leaves: Sequence[Leaf]) -> list[Leaf]:
    return [leaf._replace(x=_array.detach(leaf.x), weights=_array.detach(leaf.weights)) for leaf in leaves]


def _value(
    leaves: Sequence[Leaf], *, axes: Axes, keepdims: bool, mean: bool, xp: Namespace, penalty: Penalty
) -> Array:
    options = {"axes": axes, "keepdims": keepdims, "xp": xp, "penalty": penalty}
    totals = [_leafwise(_total, leaf, **options) for leaf in leaves]
    n = _count(leaves, axes=axes, xp=xp) if mean else None
    return _finished(totals, n, leaves, axes=axes, xp=xp)


def _reductions(leaves: Sequence[Leaf], *, xp: Namespace, penalty: Penalty) -> Reductions:
    totals = [_leafwise(_total_and_magnitude, leaf, xp=xp, penalty=penalty) for leaf in leaves]
    n = _count(leaves, axes=None, xp=xp)

    def reduced(parts: Sequence[Array]) -> tuple[Array, Array]:
        total = _finished(list(parts), None, leaves, axes=None, xp=xp)
        if isinstance(n, float) and n == 0:
            return total, _array.full((), float("nan"), total.dtype, total, xp)
        return total, _finished(list(parts), n, leaves, axes=None, xp=xp)

    own, magnitudes = zip(*totals, strict=True)
    total, mean = reduced(own)
    raw, raw_mean = (total, mean) if penalty is MAGNITUDE else reduced(magnitudes)
    return Reductions(total, mean, _array.detach(raw), _array.detach(raw_mean))


def _subgradient(
    leaves: Sequence[Leaf], *, axes: Axes, mean: bool, xp: Namespace, penalty: Penalty
) -> list[Array]:
    n = _count(leaves, axes=axes, xp=xp) if mean else None
    return [_leafwise(_gradient, leaf, n, xp=xp, penalty=penalty) for leaf in leaves]


def _value_and_subgradient(
    leaves: Sequence[Leaf], *, axes: Axes, keepdims: bool, mean: bool, xp: Namespace
) -> tuple[Array, list[Array]]:
    n = _count(leaves, axes=axes, xp=xp) if mean else None
    both = [_leafwise(_abs_sum_and_signs, leaf, n, axes=axes, keepdims=keepdims, xp=xp) for leaf in leaves]
    return _finished([total for total, _ in both], n, leaves, axes=axes, xp=xp), [s for _, s in both]


def _norm(leaves: Sequence[Leaf], *, mean: bool, xp: Namespace, squares: Callable[..., Array]) -> Array:
    n = _count(leaves, axes=None, xp=xp) if mean else None
    totals = [_leafwise(_constant_total, leaf, terms=squares, power=2, xp=xp) for leaf in leaves]
    norm = xp.sqrt(functools.reduce(operator.add, totals))
    if n is not None:  # 0 where a mask selects nothing, as the gradient is there
        norm = norm / n if isinstance(n, float) else norm / xp.where(n > 0, n, xp.ones_like(n))
    return _finished([norm], None, leaves, xp=xp)


def _leafwise(function: Callable[..., Any], leaf: Leaf, *args: Any, **static: Any) -> Any:
    return _array.compiled(function, leaf.x, tuple(static))(leaf, *args, **static)


def _all_axes(x: Array, axes: Axes) -> tuple[int, ...]:
    return tuple(range(x.ndim)) if axes is None else axes


def _sum_of(terms: Callable[..., Array]) -> _blocks.Kernel:
    """Return the block kernel that sums what a formula gives for each element."""

    def kernel(
        x: Array, *others: Array | None, axes: tuple[int, ...], keepdims: bool, xp: Namespace
    ) -> Array:
        return _formula.total(terms(x, *others, xp=xp), like=x, axes=axes, keepdims=keepdims, xp=xp)

    return kernel


_SUM_OF_MAGNITUDES = _sum_of(_formula.magnitudes)
_SUM_OF_SELECTED = _sum_of(_formula.count)


def _total(leaf: Leaf, *, axes: Axes, keepdims: bool, xp: Namespace, penalty: Penalty) -> Array:
    kernel = _SUM_OF_MAGNITUDES if penalty is MAGNITUDE else _sum_of(penalty.terms)
    total = _tied(kernel, leaf, axes=axes, keepdims=keepdims, xp=xp, penalty=penalty)
    return total if leaf.factor is None else total * leaf.factor


def _total_and_magnitude(leaf: Leaf, *, xp: Namespace, penalty: Penalty) -> tuple[Array, Array]:
    """Σ m·w·h(x), and Σ m·w·|x| as a constant."""
    options = {"axes": None, "keepdims": False, "xp": xp}
    if penalty is MAGNITUDE:
        total = _total(leaf, penalty=penalty, **options)
        return total, total
    if _array.is_lazy(leaf.x):  # whoever computes both of them reads x once
        (constant,) = _constants([leaf])
        return _total(leaf, penalty=penalty, **options), _total(constant, penalty=MAGNITUDE, **options)
    sum_of_terms = _sum_of(penalty.terms)

    def kernel(x: Array, *others: Array | None, **options: Any) -> tuple[Array, Array]:
        magnitude = _SUM_OF_MAGNITUDES(_array.detach(x), *others, **options)
        return sum_of_terms(x, *others, **options), _array.detach(magnitude)

    totals = _tied(kernel, leaf, penalty=penalty, **options)
    if leaf.factor is not None:
        totals = tuple(total * leaf.factor for total in totals)
    return totals  # type: ignore[no-any-return]


def _tied(
    kernel: _blocks.Kernel, leaf: Leaf, *, axes: Axes, keepdims: bool, xp: Namespace, penalty: Penalty
) -> Any:
    """Sum in blocks, with the penalty's gradient where torch records."""
    reduced = _all_axes(leaf.x, axes)

    def compute(*arrays: Array | None) -> Any:
        return _blocks.reduce(kernel, arrays, axes=reduced, keepdims=keepdims, xp=xp)

    def gradient(g: Array, *arrays: Array | None) -> Array:
        shape = tuple(1 if axis in reduced else n for axis, n in enumerate(leaf.x.shape))
        return _blocks.elementwise(penalty.gradient, (*arrays, xp.reshape(g, shape)), xp=xp)

    arrays = leaf.x, leaf.where, leaf.weights
    if _array.records_gradient(leaf.x) and not _array.records_gradient(leaf.weights):
        return _autodiff.tied(compute, gradient, *arrays)
    return compute(*arrays)


def _gradient(leaf: Leaf, n: Array | float | None, *, xp: Namespace, penalty: Penalty) -> Array:
    scale = _scale(leaf, n, xp=xp)
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
    scale = _scale(leaf, n, xp=xp)

    def kernel(
        x: Array,
        out: Array,
        where: Array | None,
        weights: Array | None,
        scale_: Array | None,
        **options: Any,
    ) -> Array:
        out[...] = _formula.scaled_signs(x, where, weights, scale if scale_ is None else scale_, xp=xp)
        return _SUM_OF_MAGNITUDES(x, where, weights, **options)

    s = _array.empty_like(leaf.x, xp)
    array_scale = None if scale is None or isinstance(scale, float) else scale
    arrays = leaf.x, s, leaf.where, leaf.weights, array_scale
    total = _blocks.reduce(kernel, arrays, axes=_all_axes(leaf.x, axes), keepdims=keepdims, xp=xp)
    return total if leaf.factor is None else total * leaf.factor, s


def _constant_total(leaf: Leaf, *, terms: Callable[..., Array], power: int = 1, xp: Namespace) -> Array:
    arrays = leaf.x, leaf.where, leaf.weights
    axes = _all_axes(leaf.x, None)
    total = _blocks.reduce(_sum_of(terms), arrays, axes=axes, keepdims=False, xp=xp)
    return total if leaf.factor is None else total * leaf.factor**power


def _selected(leaf: Leaf, *, axes: Axes, xp: Namespace) -> Array:
    arrays = leaf.x, leaf.where
    axes = _all_axes(leaf.x, axes)
    return _blocks.reduce(_SUM_OF_SELECTED, arrays, axes=axes, keepdims=True, xp=xp)


def _count(leaves: Sequence[Leaf], *, axes: Axes, xp: Namespace) -> Array | float:
    """n: a number where no mask and no lazy shape hides it, else an array with the reduced axes kept.

    A float, which JAX takes also beyond the integers of 32 bits.
    """
    counts = []
    for leaf in leaves:
        n = None if leaf.where is not None else _array.extent(leaf.x, _all_axes(leaf.x, axes))
        counts.append(float(n) if n is not None else _leafwise(_selected, leaf, axes=axes, xp=xp))
    if axes is None:
        counts = [n if isinstance(n, float) else xp.reshape(n, ()) for n in counts]
    return _array.as_array(functools.reduce(operator.add, counts))  # as NumPy's scalars are floats too


def _scale(leaf: Leaf, n: Array | float | None, *, xp: Namespace) -> Array | float | None:
    """Return what multiplies the signs: the number among the weights, over n."""
    if n is None:
        return leaf.factor
    over = 1 / n if isinstance(n, float) else 1 / xp.where(n > 0, n, xp.ones_like(n))
    return over if leaf.factor is None else over * leaf.factor


def _finished(
    totals: list[Array],
    n: Array | float | None,
    leaves: Sequence[Leaf],
    *,
    axes: Axes = None,
    xp: Namespace,
) -> Array:
    total = totals[0] if len(totals) == 1 else functools.reduce(operator.add, totals)
    if isinstance(n, float):
        total = total / n if n else total * float("nan")  # of what is known to be empty, without a warning
    elif n is not None:  # NaN where a mask selects nothing, with a gradient of 0
        n = xp.squeeze(n, axis=axes) if n.ndim > total.ndim else n
        some = n > 0
        nan = _array.full((), float("nan"), total.dtype, total, xp)
        total = xp.where(some, total / xp.where(some, n, xp.ones_like(n)), nan)
    dtypes = [_array.result_dtype(leaf.x, xp) for leaf in leaves]
    dtype = dtypes[0] if len(dtypes) == 1 else xp.result_type(*dtypes)
    return _array.as_array(total if total.dtype == dtype else xp.astype(total, dtype))
