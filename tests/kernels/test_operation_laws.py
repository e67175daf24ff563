"""The laws of the fused operations hold for the formulas, and find wrong kernels."""

import numpy as np
import pytest
from kernel_laws import Place
from operation_laws import LAWS
from operation_plants import FORMULAS, PLANTS

from l1_any.testing import BACKENDS

pytestmark = pytest.mark.only("numpy", "torch")
REAL = ("sum_of_huber", "soft_threshold", "huber_gradient")
"""Operations whose kernels take real arrays alone."""


def place_of(library, dtype):
    backend = next(backend for backend in BACKENDS if backend.name == library.name)
    return Place(backend.namespace(), library.device or "cpu", dtype)


@pytest.mark.parametrize("operation", LAWS)
def test_the_formulas_keep_the_laws(library, operation):
    for dtype in library.dtypes:
        if not (dtype.startswith("complex") and operation in REAL):
            with np.errstate(all="ignore"):
                LAWS[operation](FORMULAS[operation], place_of(library, dtype), 600)


@pytest.mark.only("numpy")
@pytest.mark.parametrize(("operation", "wrong"), PLANTS)
def test_wrong_kernels_are_found(library, operation, wrong):
    rounds = wrong.__name__ in ("scales_twice_rounded", "adds_in_its_own_dtype", "rounds_the_total")
    dtype = "float16" if rounds else "float32"
    with pytest.raises(AssertionError), np.errstate(all="ignore"):
        LAWS[operation](wrong, place_of(library, dtype), 2000)
