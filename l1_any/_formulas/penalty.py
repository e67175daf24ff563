"""The L1 penalty: magnitudes, signs, and the terms of the sums of a pytree."""

import functools
import math
import operator
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array

from .sums import Terms, total_of


class Kernels(NamedTuple):
    """The names of a penalty's formulas in the table of kernels; an empty string for a formula without kernels."""

    total: str
    """Σ m·w·h(x)."""
    totals: str
    """Σ m·w·h(x) of several arrays together."""
    derivative: str
    """m·h'(x)·scale."""
    derivatives: str = ""
    """m·h'(x)·scale of several arrays."""
    both: str = ""
    """The sum and the derivative, from one read."""


NO_KERNELS = Kernels("", "", "")


class Penalty(Protocol):
    """A function h of each element, with its derivative. It is a named tuple, so that JAX can trace its numbers."""

    @property
    def kernels(self) -> Kernels:
        """The names of the formulas in the table of kernels."""

    @property
    def arrays(self) -> tuple[Array, ...]:
        """The numbers of h, if they are arrays."""

    def scaled(self, scale: float) -> "Penalty":
        """Return the function for which h(scale·x) is scale·h(x)."""

    def __iter__(self) -> Iterator[float]:
        """Yield the numbers of h, which its kernels get too."""

    @property
    def total(self) -> Callable[..., Array]:
        """The sum of `terms` along some axes, as a formula of `sums`."""

    def terms(self, x: Array, where: Array | None, weights: Array | None, /, *, ops: ArrayOps) -> Array:
        """m·w·h(x), in a form from which automatic differentiation gets `derivative`."""

    @property
    def summands(self) -> tuple[Terms, ...]:
        """The formulas of m·w·h(x) and m·w·|x|, or only the first if both are the same."""

    def derivative(
        self,
        x: Array,
        where: Array | None,
        weights: Array | None,
        scale: Array | float | None = None,
        n: Array | float | None = None,
        /,
        *,
        ops: ArrayOps,
    ) -> Array:
        """m·w·h'(x)·scale/n, of the dtype of x."""


def terms_of(penalty: Penalty) -> Terms:
    """Return m·w·h(x) as a formula of x, mask, weights and `penalty.arrays`.

    Chunks and derivatives need these arrays as arguments.
    """
    kind: Any = type(penalty)

    def own(x: Array, where: Array | None, weights: Array | None, *numbers: Array, ops: ArrayOps) -> Array:
        found: Array = kind(*numbers).terms(x, where, weights, ops=ops)
        return found

    return own if penalty.arrays else penalty.terms


def of_numbers(penalty: Penalty, numbers: tuple[Array, ...]) -> Penalty:
    """Return the penalty with other arrays as its numbers, those of a chunk; unchanged if there are none."""
    if not numbers:
        return penalty
    kind: Any = type(penalty)
    found: Penalty = kind(*numbers)
    return found


def constant(penalty: Penalty, ops: ArrayOps) -> Penalty:
    """Return the penalty with its arrays as constants of automatic differentiation."""
    if not penalty.arrays:
        return penalty
    kind: Any = type(penalty)
    found: Penalty = kind(*[ops.constant_number(ops.detach(number)) for number in penalty.arrays])
    return found


def sign(x: Array, *, ops: ArrayOps) -> Array:
    """Subgradient s ∈ ∂|x|: x/|x|, with 0 at ±0, ±1 at ±inf and NaN at NaN."""
    if not ops.is_complex:
        return ops.sign(x)
    xp = ops.xp
    re, im = xp.real(x), xp.imag(x)
    zero, one = ops.full((), 0, re.dtype, x), ops.full((), 1, re.dtype, x)

    def at_infinity(part: Array) -> Array:  # a finite part is 0 if the other part is infinite
        return xp.where(xp.isfinite(part), zero, ops.sign(part))

    # After division by the larger part, neither the squares nor |x| overflow or vanish.
    larger = xp.where(xp.abs(re) > xp.abs(im), xp.abs(re), xp.abs(im))
    infinite, null = xp.isinf(larger), larger == zero
    scale = xp.where(infinite | null, one, larger)
    re = xp.where(infinite, at_infinity(re), xp.where(re == 0, zero, re / scale))
    im = xp.where(infinite, at_infinity(im), xp.where(im == 0, zero, im / scale))
    length = xp.where(null, one, xp.sqrt(re * re + im * im))
    # A part that underflowed may be -0.0.
    return xp.astype(re / length + zero, x.dtype) + xp.astype(im / length + zero, x.dtype) * 1j


def quarter(x: Array, axis: int | None = None, *, ops: ArrayOps) -> Array:
    """Return 1/4 where a part of finite complex numbers is so large that their modulus may overflow, else 1.

    With an axis, one such number counts for all numbers along it.
    """
    xp = ops.xp
    parts = [xp.abs(part(ops.detach(x))) for part in (xp.real, xp.imag)]
    most = _LARGE_PART[ops.dtype_name]
    large = functools.reduce(operator.or_, [(part > most) & xp.isfinite(part) for part in parts])
    if axis is not None:
        large = xp.any(large, axis=axis, keepdims=True)
    one, fourth = (ops.full((), number, parts[0].dtype, x) for number in (1, 0.25))
    return xp.where(large, fourth, one)


def differentiable_abs(x: Array, *, ops: ArrayOps) -> Array:
    """|x| = Re(x·conj s) with a constant s, so that automatic differentiation gives s as its derivative."""
    if not ops.is_complex:
        return ops.differentiable_abs(x)
    xp, s = ops.xp, sign(ops.detach(x), ops=ops)
    return xp.real(x) * xp.real(s) + xp.imag(x) * xp.imag(s)


def magnitude(x: Array, *, ops: ArrayOps) -> Array:
    """|x|, with a derivative of 0 at 0 in every library. Libraries ignore a NaN beside an infinite part."""
    if ops.is_differentiated:
        return differentiable_abs(x, ops=ops)
    a = ops.abs(x)
    return ops.where(ops.xp.isnan(x), ops.full((), math.nan, a.dtype, x), a) if ops.is_complex else a


def terms(x: Array, where: Array | None, weights: Array | None, *, ops: ArrayOps) -> Array:
    """m·w·|x|, in x's own precision if that loses nothing, else in the accumulator's."""
    if where is not None:
        x = ops.selected(x, where)
    if ops.is_complex:
        a = magnitude(ops.wide(x), ops=ops)
    elif ops.is_differentiated:
        # Half precision is widened for the gradient: a loss scale can be infinite in float16, and infinity · 0 is NaN.
        a = ops.differentiable_abs(x if ops.dtype is ops.result_dtype else ops.result(x))
    else:
        a = ops.abs_to_sum(x)
    return a if weights is None else weighted(a, where, weights, ops=ops)


def weighted(own: Array, where: Array | None, weights: Array | None, *, ops: ArrayOps) -> Array:
    """m·w·own, in the accumulator's precision, for real terms that may be overwritten."""
    if weights is None:
        return own
    return ops.times(ops.accumulated(own), ops.accumulated(ops.selected(weights, where)))


def scaled(
    s: Array,
    x: Array,
    where: Array | None,
    weights: Array | None,
    scale: Array | float | None,
    n: Array | float | None,
    *,
    ops: ArrayOps,
) -> Array:
    """m·w·s·scale/n in the dtype of x. s must be 0 where the mask is false."""
    factor: Any = scale
    if weights is not None:
        w = ops.accumulated(ops.selected(weights, where))
        factor = w if scale is None else w * scale
    if n is not None:  # n divides last: 49 times the rounded 1/49 would not be 1
        factor = ops.quotient(1.0 if factor is None else factor, n)
    if factor is None:
        return ops.cast(s, x.dtype)
    # A product that underflows, or has a weight of 0, is a zero with the sign of x, which must become +0.0. Zeros for
    # torch's autograd may have either sign; only torch's autograd passes an array as the scale.
    differentiated = ops.differentiates == "by graph" and scale is not None and not isinstance(scale, float)
    has_zeros = not differentiated and not (isinstance(factor, float) and factor >= _NEVER_TOO_SMALL)
    # Do not multiply in half precision: a loss scale of 65536 is infinite in float16, and infinity · 0 is NaN.
    if not ops.is_complex:
        s = ops.result(s)
    if not isinstance(factor, float):
        factor = ops.result(factor)
    out = ops.cast(ops.times(s, factor), x.dtype)
    return ops.positive_zeros(out) if has_zeros else out


def unmasked(s: Array, where: Array | None, scale: Array | float | None, *, ops: ArrayOps) -> Array:
    """Return s with 0 where the mask is false, if the scale is an array, which may be infinite."""
    return s if where is None or scale is None or isinstance(scale, float) else ops.selected(s, where)


def ones(x: Array, where: Array | None, *, ops: ArrayOps) -> Array:
    """1 for each element that the mask selects, in the accumulator's dtype."""
    if where is None:
        return ops.xp.ones_like(x, dtype=ops.accumulator)
    return ops.xp.astype(ops.xp.broadcast_to(where, x.shape), ops.accumulator)


class _WithoutNumbers(NamedTuple):
    pass


class Magnitude(_WithoutNumbers):
    """The L1 penalty's own h(x) = |x|."""

    __slots__ = ()

    arrays: tuple[Array, ...] = ()
    kernels = Kernels(
        "sum_of_magnitudes", "sums_of_magnitudes", "signs", "signs_of_each", "magnitudes_and_signs"
    )
    summands = (terms,)
    total = staticmethod(functools.partial(total_of, terms))
    terms = staticmethod(terms)

    def scaled(self, scale: float) -> "Magnitude":
        """Return the magnitude itself."""
        del scale
        return self

    def derivative(
        self,
        x: Array,
        where: Array | None,
        weights: Array | None,
        scale: Array | float | None = None,
        n: Array | float | None = None,
        /,
        *,
        ops: ArrayOps,
    ) -> Array:
        """m·w·s·scale/n."""
        s = sign(x if where is None else ops.selected(x, where), ops=ops)
        if weights is None and scale is None and n is None:
            return s
        return unmasked(scaled(s, x, where, weights, scale, n, ops=ops), where, scale, ops=ops)


MAGNITUDE = Magnitude()
_LARGE_PART = {"complex64": 2.0**126, "complex128": 2.0**1022}
_NEVER_TOO_SMALL = 2.0**-14  # the smallest normal number of float16
