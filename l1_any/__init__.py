"""The L1 penalty for every array: one value, one subgradient, one proximal step, whatever the library."""

import importlib
from types import ModuleType

from .functional import subgradient, subgradient_norm, value, value_and_subgradient
from .groups import prox_group
from .proximal import prox

__all__ = ["optim", "prox", "prox_group", "subgradient", "subgradient_norm", "value", "value_and_subgradient"]
__version__ = "0.1.0"


def __getattr__(name: str) -> ModuleType:
    if name == "optim":
        return importlib.import_module(".optim", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
