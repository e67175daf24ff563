"""The L1 penalty for every array: one value, one subgradient, one proximal step, whatever the library."""

from ._exchange import to_floats
from .functional import subgradient, subgradient_norm, value, value_and_subgradient
from .regularizers import L1Regularizer, Regularizer

__all__ = [
    "L1Regularizer",
    "Regularizer",
    "subgradient",
    "subgradient_norm",
    "to_floats",
    "value",
    "value_and_subgradient",
]
__version__ = "0.1.0"
