"""The L1 penalty for every array: one value, one subgradient, one proximal step, whatever the library."""

from .envelope import huber, huber_gradient
from .functional import subgradient, subgradient_norm, value, value_and_subgradient
from .groups import prox_group
from .proximal import prox

__all__ = [
    "huber",
    "huber_gradient",
    "prox",
    "prox_group",
    "subgradient",
    "subgradient_norm",
    "value",
    "value_and_subgradient",
]
__version__ = "0.1.0"
