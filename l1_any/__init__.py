"""The L1 penalty for every array: one value, one subgradient, one proximal step, whatever the library."""

from .functional import subgradient, subgradient_norm, value, value_and_subgradient

__all__ = ["subgradient", "subgradient_norm", "value", "value_and_subgradient"]
__version__ = "0.1.0"
