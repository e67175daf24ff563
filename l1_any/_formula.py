"""The mathematics: pure functions of arrays, eager or traced, with their namespace given. No checks."""

from . import _array
from ._typing import Array, DType, Namespace

TREE_FAN_IN = 8
"""Terms added at a time by `sum_by_tree`, itself in pairs; compilers fuse these into one pass."""


def sign(x: Array, *, xp: Namespace) -> Array:
    """S in ∂|x|: x/|x|, with 0 at ±0, ±1 at ±inf and NaN at NaN."""
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
    s = _array.detach(sign(x, xp=xp))
    if _array.is_complex(x):
        return xp.real(x) * xp.real(s) + xp.imag(x) * xp.imag(s)
    return x * s


def selected(x: Array, where: Array | None, *, xp: Namespace) -> Array:
    """X with zeros where the mask is false: what lies there takes no part in anything that follows."""
    return x if where is None else xp.where(where, x, _array.zero(x, xp))


def magnitudes(x: Array, where: Array | None, weights: Array | None, *, xp: Namespace) -> Array:
    """m·w·|x|, in x's own precision where nothing is lost by it, else in the accumulator's."""
    x = selected(x, where, xp=xp)
    if _array.is_differentiated(x):
        terms = differentiable_abs(_array.widest(x, xp), xp=xp)
    else:
        terms = xp.abs(_array.widest(x, xp) if _array.is_complex(x) else x)
    if weights is None:
        return terms
    return _array.widest(terms, xp) * _array.widest(selected(weights, where, xp=xp), xp)


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
        s = xp.astype(s, dtype)
    if not isinstance(factor, float):
        factor = xp.astype(factor, dtype)
    return xp.astype(s * factor, x.dtype)


def count(x: Array, where: Array | None, *, xp: Namespace) -> Array:
    """One for each element that the mask selects, in the accumulator's dtype."""
    dtype = _array.accumulator_dtype(x, xp)
    if where is None:
        return xp.ones_like(x, dtype=dtype)
    return xp.astype(xp.broadcast_to(where, x.shape), dtype)


def total(terms: Array, *, like: Array, axes: tuple[int, ...], keepdims: bool, xp: Namespace) -> Array:
    """Sum along some axes, in the accumulator's dtype."""
    dtype: DType = _array.accumulator_dtype(like, xp)
    if _array.sums_by_tree(like, axes, xp):
        return sum_by_tree(_array.widest(terms, xp), axes=axes, keepdims=keepdims, xp=xp)
    axis = None if len(axes) == terms.ndim else axes
    return xp.sum(terms, axis=axis, dtype=dtype, keepdims=keepdims)


def sum_by_tree(terms: Array, *, axes: tuple[int, ...], keepdims: bool, xp: Namespace) -> Array:
    """Sum in pairs: an error of at most log2(n) roundings, and none for equal terms but at ragged ends."""
    kept = tuple(axis for axis in range(terms.ndim) if axis not in axes)
    lengths = tuple(terms.shape[axis] for axis in kept)
    out = tuple(1 if axis in axes else n for axis, n in enumerate(terms.shape)) if keepdims else lengths
    n = 1
    for axis in axes:
        n *= terms.shape[axis]
    if n == 0:
        return _array.full(out, 0, terms.dtype, terms, xp)
    terms = xp.reshape(xp.permute_dims(terms, (*kept, *axes)), (*lengths, n))
    while n > 1:
        fan_in = min(n, TREE_FAN_IN)
        missing = -n % fan_in
        if missing:
            zeros = _array.full((*lengths, missing), 0, terms.dtype, terms, xp)
            terms = xp.concat([terms, zeros], axis=-1)
        n = (n + missing) // fan_in
        terms = xp.reshape(terms, (*lengths, n, fan_in))
        terms = _in_pairs([terms[..., i] for i in range(fan_in)])
    return xp.reshape(terms, out)


def _in_pairs(terms: list[Array]) -> Array:
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return _in_pairs(terms[:half]) + _in_pairs(terms[half:])
