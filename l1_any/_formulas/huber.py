"""The Huber function, a Moreau envelope of the magnitude."""

import functools
from collections.abc import Callable
from typing import NamedTuple

from l1_any._arrays.standard import ArrayOps
from l1_any._typing import Array

from . import penalty
from .sums import Terms, total_of


class _WithDelta(NamedTuple):
    delta: float


class Huber(_WithDelta):
    """h(x) = |x|²/(2δ) where |x| <= δ, else |x| - δ/2; in the accumulator's precision."""

    __slots__ = ()
    kernels = penalty.Kernels("sum_of_huber", "sums_of_huber", "huber_gradient")

    def terms(self, x: Array, where: Array | None, weights: Array | None, /, *, ops: ArrayOps) -> Array:
        """m·w·h(x)."""
        xp = ops.xp
        x = ops.wide(ops.selected(x, where))
        inside = xp.abs(x) <= self.delta
        # The branch of h that is not used gets a finite argument, because its derivative is multiplied by 0.
        near, far = xp.where(inside, x, xp.zeros_like(x)), xp.where(inside, xp.ones_like(x), x)
        parts = [xp.real(near), xp.imag(near)] if ops.is_complex else [near]
        quadratic = sum(part * (part / self.delta * 0.5) for part in parts)
        linear = penalty.differentiable_abs(far, ops=ops) - self.delta / 2
        return penalty.weighted(xp.where(inside, quadratic, linear), where, weights, ops=ops)

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
        inside = ops.xp.abs(wide) <= self.delta
        near = (
            ops.selected(wide, inside) if ops.is_complex else wide
        )  # NumPy warns of complex quotients of NaN
        slope = ops.xp.where(inside, near / self.delta, penalty.sign(wide, ops=ops))
        # If x is zero or x/δ underflows, the slope is a zero with the sign of x.
        d = ops.positive_zeros(penalty.scaled(slope, x, where, weights, scale, n, ops=ops))
        return penalty.unmasked(d, where, scale, ops=ops)


def of(delta: float) -> penalty.Penalty:
    """Return the Huber function with a half-width, or the magnitude for a half-width of 0."""
    return Huber(delta) if delta else penalty.MAGNITUDE
