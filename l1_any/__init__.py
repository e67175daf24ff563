"""The L1 penalty for every array: the same value, subgradient and proximal step in every array library."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from . import schedules
from .explanation import explain
from .groups import group_subgradient, group_value, prox_group
from .huber import huber, huber_gradient
from .optimality import strength_max, subdiff_distance
from .penalty import subgradient, subgradient_norm, value, value_and_subgradient
from .proximal import project, prox, prox_elastic_net, prox_max
from .regularization.exchange import to_floats
from .regularization.pipeline import Pipeline
from .regularization.regularizers import L1Regularizer, Regularizer, SoftL1Regularizer
from .regularization.report import Report, TermReport
from .regularization.targets import Delta, Field, Logprobs, Probs, Uniform
from .regularization.terms import Term

if TYPE_CHECKING:
    from . import optim as optim

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
    "explain",
    "group_subgradient",
    "group_value",
    "huber",
    "huber_gradient",
    "optim",
    "project",
    "prox",
    "prox_elastic_net",
    "prox_group",
    "prox_max",
    "schedules",
    "strength_max",
    "subdiff_distance",
    "subgradient",
    "subgradient_norm",
    "to_floats",
    "value",
    "value_and_subgradient",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> ModuleType:
    if name == "optim":
        return importlib.import_module(".optim", __name__)
    from ._arguments.names import advice  # for errors only

    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{advice(name, __all__)}")


def __dir__() -> list[str]:
    return __all__
