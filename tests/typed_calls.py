"""Calls whose static types the lint session checks: mypy reads this file, and nothing runs it."""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import l1_any as l1

Vector = NDArray[np.float64]


def functions(x: Vector) -> None:
    """An array comes back as an array of the same class."""
    assert_type(l1.subgradient(x), Vector)
    assert_type(l1.huber_gradient(x, 1.0), Vector)
    assert_type(l1.group_subgradient(x, axis=None), Vector)
    assert_type(l1.prox(x, 1.0), Vector)
    assert_type(l1.prox(x, step=1.0), Vector)
    l1.value(x, keepdim=True)  # type: ignore[arg-type]
    assert_type(l1.prox_elastic_net(x, 1.0, l1_ratio=0.5), Vector)
    assert_type(l1.prox_group(x, 1.0, axis=None), Vector)
    assert_type(l1.prox_max(x, 1.0), Vector)
    assert_type(l1.project(x, 1.0), Vector)
    assert_type(l1.subdiff_distance(x, x, 1.0), Vector)
    assert_type(l1.value_and_subgradient(x)[1], Vector)


def pytrees(x: list[Vector], y: dict[str, tuple[Vector, Vector]]) -> None:
    """A pytree comes back as a pytree of the same containers."""
    assert_type(l1.prox(x, 1.0), list[Vector])
    assert_type(l1.subgradient(y), dict[str, tuple[Vector, Vector]])


def regularizers(data: Any, logprobs: list[Vector]) -> None:
    """A gradient has the type of the log-probabilities."""
    assert_type(l1.L1Regularizer().subgradient(data, logprobs), list[Vector])
    assert_type(l1.Pipeline(l1.L1Regularizer()).value_and_gradient(data, logprobs)[1], list[Vector])


def submodules(optimizer: l1.optim.ProximalL1) -> None:
    """Type checkers see the submodule that is imported when it is first used."""
    assert_type(optimizer.sparsity(), list[float])
