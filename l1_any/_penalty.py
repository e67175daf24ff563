"""Penalties of an element, h(x), beside their derivatives: the magnitude and its Moreau envelope."""

import dataclasses
from typing import Protocol

from . import _array, _formula
from ._typing import Array, Namespace


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

    terms = staticmethod(_formula.differentiable_magnitudes)
    gradient = staticmethod(_formula.scaled_signs)


@dataclasses.dataclass(frozen=True)
class Huber:
    """The Huber function: h(x) = |x|²/(2δ) where |x| <= δ, else |x| - δ/2; in the accumulator's precision."""

    delta: float

    def terms(self, x: Array, where: Array | None, weights: Array | None, /, *, xp: Namespace) -> Array:
        """m·w·h(x)."""
        x = _array.widest(_formula.selected(x, where, xp=xp), xp)
        inside = xp.abs(x) <= self.delta
        # The half of h that is not taken gets a harmless argument: its derivative is multiplied by 0.
        near, far = xp.where(inside, x, xp.zeros_like(x)), xp.where(inside, xp.ones_like(x), x)
        parts = [xp.real(near), xp.imag(near)] if _array.is_complex(x) else [near]
        quadratic = sum(part * (part / self.delta * 0.5) for part in parts)
        linear = _formula.differentiable_abs(far, xp=xp) - self.delta / 2
        terms = xp.where(inside, quadratic, linear)
        return _formula.weighted(terms, where, weights, xp=xp)

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
        """m·w·h'(x)·scale, where h'(x) is x/δ inside and x/|x| outside."""
        wide = _array.widest(_formula.selected(x, where, xp=xp), xp)
        inside = xp.abs(wide) <= self.delta
        slope = xp.where(inside, wide / self.delta, _formula.sign(wide, xp=xp))
        return _formula.scaled(slope, x, where, weights, scale, xp=xp)


MAGNITUDE = Magnitude()
