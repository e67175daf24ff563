"""Test an array library against the contract: the libraries we know, an exact oracle, a measure of error.

`BACKENDS` is the one table from which the tests take what to run and the documentation what is supported.
`check_contract` runs the contract's table of special values on any namespace.
"""

from .backends import BACKENDS, DOUBLE, HALF, SINGLE, Backend, Variant, result_dtype, to_numpy
from .contract import check_contract
from .oracle import exact_subgradient, exact_subgradient_norm, exact_value, ulps

__all__ = [
    "BACKENDS",
    "DOUBLE",
    "HALF",
    "SINGLE",
    "Backend",
    "Variant",
    "check_contract",
    "exact_subgradient",
    "exact_subgradient_norm",
    "exact_value",
    "result_dtype",
    "to_numpy",
    "ulps",
]


def __dir__() -> list[str]:
    return __all__
