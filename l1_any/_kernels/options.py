"""Whether kernels are used: the environment variable L1_ANY_KERNELS, and a context manager for tests."""

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass

FEWEST = 512
"""No kernel is used for fewer elements."""


_OFF = ("0", "false", "no", "off")


@dataclass(frozen=True)
class Options:
    """The options for all calls of the process."""

    enabled: bool
    smallest: int | None = None
    """The number of elements from which kernels are used, in the place of each row's own number."""

    @property
    def fewest(self) -> float:
        """The number of elements below which there is no kernel to look for."""
        if not self.enabled:
            return math.inf
        return FEWEST if self.smallest is None else self.smallest


now = Options(enabled=os.environ.get("L1_ANY_KERNELS", "1").strip().lower() not in _OFF)
fewest = now.fewest


@contextlib.contextmanager
def kernels(*, enabled: bool = True, smallest: int | None = None) -> Iterator[None]:
    """Use kernels, or formulas alone, for all calls of the process in this context.

    Parameters
    ----------
    enabled
        Whether to use kernels.
    smallest
        The number of elements from which kernels are used; None for the number of each kernel.

    Yields
    ------
    None
        The options hold until the context ends.
    """
    global now, fewest  # noqa: PLW0603
    before, now = now, Options(enabled=enabled, smallest=smallest)
    fewest = now.fewest
    try:
        yield
    finally:
        now, fewest = before, before.fewest
