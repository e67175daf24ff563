"""The mathematics: pure functions of arrays, eager or traced, with their namespace given. No checks."""

import math
from collections.abc import Callable

from . import _array
from ._typing import Array, DType, Namespace

_TREE_FAN_IN = 8  # terms added at a time, themselves in pairs: what XLA fuses well
_LIBRARY_TERMS = 256  # of contiguous terms so few, each library's own sum is right to 2 ulp


def sign(x: Array, *, xp: Namespace) -> Array:
    """Subgradient s ∈ ∂|x|: x/|x|, with 0 at ±0, ±1 at ±inf and NaN at NaN."""
    if not _array.is_complex(x):
        return _array.sign(x, xp)
    re, im = xp.real(x), xp.imag(x)
    zero, one = (_array.full((), value, re.dtype, x, xp) for value in (0, 1))

    def at_infinity(part: Array) -> Array:  # finite parts vanish beside infinite ones
        return xp.where(xp.isfinite(part), zero, _array.sign(part, xp))

    # Scaled by the larger part, neither the squares nor |x| overflow or vanish.
    larger = xp.where(xp.abs(re) > xp.abs(im), xp.abs(re), xp.abs(im))
    infinite, null = xp.isinf(larger), larger == zero
    scale = xp.where(infinite | null, one, larger)
    re = xp.where(infinite, at_infinity(re), re / scale)
    im = xp.where(infinite, at_infinity(im), im / scale)
    length = xp.where(null, one, xp.sqrt(re * re + im * im))
    return xp.astype(re / length, x.dtype) + xp.astype(im / length, x.dtype) * 1j


def differentiable_abs(x: Array, *, xp: Namespace) -> Array:
    """|x| = Re(x·conj s) with s held constant, so that every derivative of it is the one by s."""
    s = sign(_array.detach(x), xp=xp)
    if _array.is_complex(x):
        return xp.real(x) * xp.real(s) + xp.imag(x) * xp.imag(s)
    return x * s


def selected(x: Array, where: Array | None, *, xp: Namespace) -> Array:
    """X with zeros where the mask is false: what lies there takes no part in anything that follows."""
    return x if where is None else xp.where(where, x, _array.zero(x, xp))


def magnitudes(x: Array, where: Array | None, weights: Array | None, *, xp: Namespace) -> Array:
    """m·w·|x|, in x's own precision where nothing is lost by it, else in the accumulator's."""
    x = selected(x, where, xp=xp)
    terms = xp.abs(_array.widest(x, xp)) if _array.is_complex(x) else _array.magnitudes(x, xp)
    return weighted(terms, where, weights, xp=xp)


def differentiable_magnitudes(
    x: Array, where: Array | None, weights: Array | None, *, xp: Namespace
) -> Array:
    """m·w·|x|, so written that automatic differentiation finds s."""
    if not _array.is_differentiated(x):
        return magnitudes(x, where, weights, xp=xp)
    x = selected(x, where, xp=xp)
    # Half precision is widened for the gradient's sake: a loss scale beyond its range times s = 0 is NaN.
    wide = _array.widest(x, xp) if _array.is_complex(x) else _array.in_result_dtype(x, xp)
    terms = differentiable_abs(wide, xp=xp)
    return weighted(terms, where, weights, xp=xp)


def weighted(own: Array, where: Array | None, weights: Array | None, *, xp: Namespace) -> Array:
    """m·w·own, in the accumulator's precision, of terms that nobody else has."""
    if weights is None:
        return own
    return _array.times(_array.widest(own, xp), _array.widest(selected(weights, where, xp=xp), xp), xp)


def squared_signs(x: Array, where: Array | None, weights: Array | None, *, xp: Namespace) -> Array:
    """(m·w·|s|)², which is (m·w)² where x ≠ 0, in the accumulator's precision."""
    x = selected(x, where, xp=xp)
    nan = _array.full((), float("nan"), dtype := _array.accumulator_dtype(x, xp), x, xp)
    terms = xp.where(xp.isnan(x), nan, xp.astype(x != _array.zero(x, xp), dtype))
    if weights is None:
        return terms
    w = _array.widest(selected(weights, where, xp=xp), xp)
    return terms * w * w


def products(x: Array, where: Array | None, weights: Array | None, *, xp: Namespace) -> Array:
    """m·w·x, in the accumulator's precision."""
    terms = _array.widest(selected(x, where, xp=xp), xp)
    if weights is None:
        return terms
    return terms * _array.widest(selected(weights, where, xp=xp), xp)


def squares(x: Array, where: Array | None, weights: Array | None, *, xp: Namespace) -> Array:
    """(m·w·x)² of a real x, in the accumulator's precision."""
    terms = products(x, where, weights, xp=xp)
    return terms * terms


def scaled_signs(
    x: Array, where: Array | None, weights: Array | None, scale: Array | float | None, *, xp: Namespace
) -> Array:
    """m·w·s·scale, rounded once for real x (s is 0 or ±1)."""
    return scaled(sign(selected(x, where, xp=xp), xp=xp), x, where, weights, scale, xp=xp)


def scaled(
    s: Array,
    x: Array,
    where: Array | None,
    weights: Array | None,
    scale: Array | float | None,
    *,
    xp: Namespace,
) -> Array:
    """m·w·s·scale in the dtype of x, for an s that is 0 where the mask is false."""
    factor = scale
    if weights is not None:
        w = _array.widest(selected(weights, where, xp=xp), xp)
        factor = w if scale is None else w * scale
    if factor is None:
        return xp.astype(s, x.dtype, copy=False)
    # Not in half precision, where a loss scale of 65536 is infinite and its multiple of 0 is NaN.
    dtype = _array.result_dtype(x, xp)
    if not _array.is_complex(x):
        s = xp.astype(s, dtype, copy=False)
    if not isinstance(factor, float):
        factor = xp.astype(factor, dtype, copy=False)
    return xp.astype(_array.times(s, factor, xp), x.dtype, copy=False)


def count(x: Array, where: Array | None, *, xp: Namespace) -> Array:
    """One for each element that the mask selects, in the accumulator's dtype."""
    dtype = _array.accumulator_dtype(x, xp)
    if where is None:
        return xp.ones_like(x, dtype=dtype)
    return xp.astype(xp.broadcast_to(where, x.shape), dtype)


def sum_of(terms: Callable[..., Array]) -> Callable[..., Array]:
    """Return the function that sums along some axes what a formula gives for each element."""

    def kernel(
        x: Array, *others: Array | None, axes: tuple[int, ...], keepdims: bool, xp: Namespace
    ) -> Array:
        dtype = _array.accumulator_dtype(x, xp)
        way = _array.summation(x, axes, dtype, xp)

        def added(terms: Array) -> Array:
            return _added(terms, way, axes=axes, keepdims=keepdims, dtype=dtype, xp=xp)

        if way != "tree":
            return added(terms(x, *others, xp=xp))
        # The first step of the tree. Terms of each cut by themselves: so XLA reads x once, and keeps no terms.
        axis = max(axes, key=lambda axis: x.shape[axis])
        left = x.shape[axis] % _TREE_FAN_IN
        end = x.shape[axis] - left
        totals = []
        if end:  # neighbours are added, which are on one device
            cuts = [_cut((x, *others), axis, slice(i, end, _TREE_FAN_IN)) for i in range(_TREE_FAN_IN)]
            totals.append(added(_in_pairs([_array.widest(terms(*cut, xp=xp), xp) for cut in cuts])))
        if left or not end:
            rest = _cut((x, *others), axis, slice(end, x.shape[axis]))
            totals.append(added(terms(*rest, xp=xp)))
        return _in_pairs(totals)

    return kernel


_sum_of_differentiable_magnitudes = sum_of(differentiable_magnitudes)


def sum_of_magnitudes(
    x: Array,
    where: Array | None,
    weights: Array | None,
    *,
    axes: tuple[int, ...],
    keepdims: bool,
    xp: Namespace,
) -> Array:
    """Σ m·w·|x|, in the accumulator's dtype."""
    if weights is None and _array.has_abs_sum(x, axes):
        x = selected(x, where, xp=xp)
        return _array.abs_sum(x, axes, keepdims=keepdims, dtype=_array.accumulator_dtype(x, xp))
    return _sum_of_differentiable_magnitudes(x, where, weights, axes=axes, keepdims=keepdims, xp=xp)


def _cut(arrays: tuple[Array, ...], axis: int, part: slice) -> list[Array]:
    """Cut arrays that broadcast along an axis of the first; None among them stays."""
    out = []
    for a in arrays:
        own = -1 if a is None else axis + a.ndim - arrays[0].ndim
        broadcast = own < 0 or a.shape[own] == 1
        out.append(a if broadcast else a[(*(slice(None),) * own, part, ...)])
    return out


def total(terms: Array, *, axes: tuple[int, ...], keepdims: bool, xp: Namespace) -> Array:
    """Sum along some axes, in the accumulator's dtype."""
    dtype = _array.accumulator_dtype(terms, xp)
    way = _array.summation(terms, axes, dtype, xp)
    return _added(terms, way, axes=axes, keepdims=keepdims, dtype=dtype, xp=xp)


def _added(
    terms: Array,
    way: _array.Summation,
    *,
    axes: tuple[int, ...],
    keepdims: bool,
    dtype: DType,
    xp: Namespace,
) -> Array:
    if way == "library":
        return library_sum(terms, axes=axes, keepdims=keepdims, dtype=dtype, xp=xp)
    kept = tuple(axis for axis in range(terms.ndim) if axis not in axes)
    lengths = tuple(terms.shape[axis] for axis in kept)
    n = math.prod(terms.shape[axis] for axis in axes)
    row = xp.reshape(xp.permute_dims(_array.widest(terms, xp), (*kept, *axes)), (*lengths, n))
    if n == 0:
        row = xp.sum(row, axis=-1, dtype=row.dtype)  # no constant, which JAX would put on its default device
    elif way == "tree":
        row = _sum_by_tree(row, lengths, n, xp=xp)
    else:
        row = _sum_by_halves(row, n, few=_TREE_FAN_IN if kept else _LIBRARY_TERMS, xp=xp)
    return (
        xp.reshape(row, tuple(1 if i in axes else m for i, m in enumerate(terms.shape))) if keepdims else row
    )


def library_sum(terms: Array, *, axes: tuple[int, ...], keepdims: bool, dtype: DType, xp: Namespace) -> Array:
    """Sum along some axes in a dtype, as the library does."""
    axis = None if len(axes) == terms.ndim else axes
    return xp.sum(terms, axis=axis, dtype=dtype, keepdims=keepdims)


def _sum_by_tree(row: Array, lengths: tuple[int, ...], n: int, *, xp: Namespace) -> Array:
    """Sum neighbours along the last axis in pairs, which compilers fuse into few passes.

    An error of at most log2(n) roundings, and none for equal terms but at ragged ends.
    """
    while n > 1:
        fan_in = min(n, _TREE_FAN_IN)
        missing = -n % fan_in
        if missing:
            row = xp.concat([row, _array.full((*lengths, missing), 0, row.dtype, row, xp)], axis=-1)
        n = (n + missing) // fan_in
        row = xp.reshape(row, (*lengths, n, fan_in))
        row = _in_pairs([row[..., i] for i in range(fan_in)])
    return xp.reshape(row, lengths)


def _sum_by_halves(row: Array, n: int, *, few: int, xp: Namespace) -> Array:
    """Add the second half of the last axis to the first, until the library's own sum does for the few left."""
    while n > few:
        half, odd = divmod(n, 2)
        folded = xp.add(row[..., :half], row[..., half : 2 * half])
        row = xp.concat([folded, row[..., 2 * half :]], axis=-1) if odd else folded
        n = half + odd
    by_rows = xp.reshape(xp.reshape(row, (math.prod(row.shape),)), row.shape)  # neighbours in memory
    return xp.sum(by_rows, axis=-1, dtype=row.dtype)


def _in_pairs(terms: list[Array]) -> Array:
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return _in_pairs(terms[:half]) + _in_pairs(terms[half:])
