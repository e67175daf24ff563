"""The L1 penalty for every array: one value, one subgradient, one proximal step, whatever the library."""

from . import schedules
from ._exchange import to_floats
from .envelope import huber, huber_gradient
from .functional import subgradient, subgradient_norm, value, value_and_subgradient
from .groups import prox_group
from .pipeline import Pipeline
from .proximal import prox
from .regularizers import L1Regularizer, Regularizer, SoftL1Regularizer
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
    "SoftL1Regularizer",
    "Term",
    "TermReport",
    "Uniform",
    "huber",
    "huber_gradient",
    "prox",
    "prox_group",
    "schedules",
    "subgradient",
    "subgradient_norm",
    "to_floats",
    "value",
    "value_and_subgradient",
]
__version__ = "0.1.0"
