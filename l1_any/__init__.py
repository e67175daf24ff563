"""The L1 penalty for every array: one value, one subgradient, one proximal step, whatever the library."""

from . import schedules
from ._exchange import to_floats
from .functional import subgradient, subgradient_norm, value, value_and_subgradient
from .pipeline import Pipeline
from .regularizers import L1Regularizer, Regularizer
from .report import Report, TermReport
from .targets import Delta, Field, Logprobs, Probs, Uniform
from .terms import Term

__all__ = [
    "Delta",
    "Field",
    "L1Regularizer",
    "Logprobs",
    "Pipeline",
    "Probs",
    "Regularizer",
    "Report",
    "Term",
    "TermReport",
    "Uniform",
    "schedules",
    "subgradient",
    "subgradient_norm",
    "to_floats",
    "value",
    "value_and_subgradient",
]
__version__ = "0.1.0"
