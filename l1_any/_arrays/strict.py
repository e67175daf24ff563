"""array-api-strict: its devices are simulated, and all of its arrays are in the CPU's memory."""

import contextlib
from typing import Any, Self

import array_api_compat as compat
import numpy as np

from l1_any._typing import Array

from .standard import ArrayOps
from .state import State


class StrictOps(ArrayOps):
    """Operations for the arrays of array-api-strict."""

    sums_in_halves = True

    def at(self, around: State | None, x: Array, *others: Array | None) -> Self:
        """Return the operations for the device of x."""
        del around, others
        return self.sibling(State.PLAIN, self.accumulator_of(x), "cpu")

    def quiet(self) -> contextlib.AbstractContextManager[Any]:
        """Return a context without NumPy's warnings."""
        return np.errstate(over="ignore", invalid="ignore")

    def to_host(self, x: Array) -> np.ndarray[Any, Any]:
        """Return the values in NumPy. Only one of the devices allows that, so the array is moved there."""
        xp = compat.array_namespace(x)
        return np.asarray(x.to_device(xp.Device("CPU_DEVICE")))
