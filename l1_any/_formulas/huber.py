"""The Huber function, a Moreau envelope of the magnitude."""

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array

from . import penalty
from .proximal import SMALLEST_NORMAL, Threshold
from .sums import Terms, total_of


class _WithDelta(NamedTuple):
    delta: Any
    """A float, or a 0-d array, whose value is not looked at. JAX makes an array of the float of a compiled function."""


class Huber(_WithDelta):
    """h(x) = |x|²/(2δ) where |x| <= δ, else |x| - δ/2; in the accumulator's precision."""

    __slots__ = ()
    kernels = penalty.Kernels("sum_of_huber", "sums_of_huber", "huber_gradient")
    arrays: tuple[Array, ...] = ()

    def terms(self, x: Array, where: Array | None, weights: Array | None, /, *, ops: ArrayOps) -> Array:
        """m·w·h(x)."""
        xp = ops.xp
        x = ops.wide(ops.selected(x, where))
        delta, divisor = self._delta(ops)
        inside = xp.abs(x) <= delta
        # The branch of h that is not used gets a finite argument, because its derivative is multiplied by 0.
        near, far = xp.where(inside, x, xp.zeros_like(x)), xp.where(inside, xp.ones_like(x), x)
        parts = [xp.real(near), xp.imag(near)] if ops.is_complex else [near]
        quadratic = sum(part * (part / divisor * 0.5) for part in parts)
        linear = penalty.differentiable_abs(far, ops=ops) - delta / 2
        return penalty.weighted(xp.where(inside, quadratic, linear), where, weights, ops=ops)

    def scaled(self, scale: float) -> penalty.Penalty:
        """Return the Huber function with a scaled half-width."""
        return of(self.delta * scale)

    @property
    def total(self) -> Callable[..., Array]:
        """Σ m·w·h(x)."""
        return functools.partial(total_of, self.terms)

    @property
    def summands(self) -> tuple[Terms, ...]:
        """m·w·h(x), and m·w·|x|."""
        return self.terms, penalty.terms

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
        """m·w·h'(x)·scale/n, where h'(x) is x/δ inside and x/|x| outside."""
        wide = ops.wide(ops.selected(x, where))
        delta, divisor = self._delta(ops)
        inside = ops.xp.abs(wide) <= delta
        # NumPy warns of complex quotients of NaN.
        near = ops.selected(wide, inside) if ops.is_complex else wide
        slope = ops.xp.where(inside, near / divisor, penalty.sign(wide, ops=ops))
        # If x is zero or x/δ underflows, the slope is a zero with the sign of x.
        d = ops.positive_zeros(penalty.scaled(slope, x, where, weights, scale, n, ops=ops))
        return penalty.unmasked(d, where, scale, ops=ops)

    def _delta(self, ops: ArrayOps) -> tuple[Threshold, Threshold]:
        """Return δ, and what to divide by: δ, but 1 for an array that is 0, where only x = 0 is divided."""
        if isinstance(self.delta, float):
            return self.delta, self.delta
        delta = ops.accumulated(self.delta)
        return delta, ops.where(delta > 0, delta, ops.xp.ones_like(delta))


class HuberOfArray(Huber):
    """The Huber function whose half-width is an array: automatic differentiation may find its derivative."""

    __slots__ = ()
    kernels = penalty.NO_KERNELS

    @property
    def arrays(self) -> tuple[Array, ...]:  # type: ignore[override]
        """The half-width."""
        return (self.delta,)


def of(delta: Threshold, kinds: Iterable[ArrayOps] = ()) -> penalty.Penalty:
    """Return the Huber function with a half-width; for a half-width that is 0 in the accumulator, the magnitude.

    XLA on a CPU takes a subnormal number for 0.
    """
    if not isinstance(delta, float):
        return HuberOfArray(delta)
    least = max([0.0, *[SMALLEST_NORMAL[ops.accumulator_name] for ops in kinds]])
    is_zero = delta == 0 or delta < min(least, SMALLEST_NORMAL["float32"])
    return penalty.MAGNITUDE if is_zero else Huber(delta)
