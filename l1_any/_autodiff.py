"""Ties a value to the gradient that we give for it, where the library would not find it by itself.

Under a transformation (JAX, torch.func, torch.compile) `_formula.differentiable_abs` does this. Left is torch's
eager autograd, for which a graph of elementwise nodes would keep temporaries of the array's size.
"""

import functools
import sys
from collections.abc import Callable
from typing import Any

from ._typing import Array


def tied(
    value: Callable[..., Array], gradient: Callable[..., Array], x: Array, *constants: Array | None
) -> Array:
    """Return ``value(x, *constants)``, whose gradient with respect to x is ``gradient(g, x, *constants)``."""
    return _torch_function().apply(value, gradient, x, *constants)


@functools.cache
def _torch_function() -> Any:  # noqa: ANN401 - torch is not imported, so its types are not known
    torch = sys.modules["torch"]

    class Tied(torch.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(
            ctx: Any,  # noqa: ANN401
            value: Callable[..., Array],
            gradient: Callable[..., Array],
            x: Array,
            *constants: Array | None,
        ) -> Array:
            ctx.gradient = gradient
            ctx.save_for_backward(x, *constants)
            return value(x, *constants)

        @staticmethod
        def backward(ctx: Any, g: Array) -> tuple[Array | None, ...]:  # noqa: ANN401
            x, *constants = ctx.saved_tensors
            return (None, None, ctx.gradient(g, x, *constants), *(None for _ in constants))

    return Tied
