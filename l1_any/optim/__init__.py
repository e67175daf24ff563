"""The proximal step inside a training loop: `ProximalL1` for torch, `proximal_l1` for optax.

Each needs its own library, which is imported when the name is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .optax import proximal_l1
    from .torch import ProximalL1

__all__ = ["ProximalL1", "proximal_l1"]

_MODULES = {"ProximalL1": ".torch", "proximal_l1": ".optax"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name], __name__), name)


def __dir__() -> list[str]:
    return __all__
