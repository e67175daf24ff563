"""What a call would do, and why."""

from collections.abc import Callable
from typing import Any

from ._arrays import decision

_NO_CHOICE = (
    "nothing was chosen: the call applies formulas directly, or runs in compiled code or on other threads"
)


def explain(function: Callable[..., object], /, *args: Any, **kwargs: Any) -> str:
    """Say in one line how a call would be computed, and why: by a kernel, by blocks, by chunks or as a whole.

    Parameters
    ----------
    function : callable
        A function of this package, such as `value` or `prox`.
    *args, **kwargs
        The arguments of the call.

    Returns
    -------
    str
        Library, dtype and state of the first array, then what would be done with it. If a pytree is
        computed in several steps, the first of them.

    Raises
    ------
    TypeError, ValueError
        As for the call itself.

    Notes
    -----
    The call is made, and ends where it would start to compute, so that the text comes from the same decision
    as a result. Only a kernel that is not compiled by numba runs to its end. A call that does more than compute,
    such as the step of an optimizer, does that too.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> l1.explain(l1.value, np.ones(3, np.float32))
    'NumPy float32, plain: the formula on the whole array; a kernel is loaded from 32768 elements on'
    """
    return decision.explained(lambda: function(*args, **kwargs)).text or _NO_CHOICE
