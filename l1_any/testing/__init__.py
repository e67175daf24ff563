"""Test an array library against the contract: a table of libraries, an exact oracle, and a measure of error.

`BACKENDS` is the table of libraries that the tests run with and that the documentation lists as supported.
`check_contract` runs the contract's table of special values on any namespace. `kernels` turns the fused kernels on or
off.
"""

from l1_any._kernels.options import kernels

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
    "kernels",
    "result_dtype",
    "to_numpy",
    "ulps",
]


def __dir__() -> list[str]:
    return __all__
