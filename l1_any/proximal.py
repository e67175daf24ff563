"""Operators that reach exact zeros: signature, documentation and checks, then one call down."""

from typing import Any

from . import _checks, _operators, _tree
from ._typing import Array, ArrayTree, Namespace


def prox(
    x: ArrayTree,
    step: float | Array,
    /,
    *,
    weights: Any = None,  # noqa: ANN401
    where: Any = None,  # noqa: ANN401
    nonnegative: bool = False,
    xp: Namespace | None = None,
) -> ArrayTree:
    r"""Proximal operator of the L1 penalty: the soft threshold.

    .. math:: p_i = \operatorname{sign}(x_i)\max(|x_i| - t w_i, 0)
              = \arg\min_p\; t w_i |p| + \tfrac12 |p - x_i|^2

    with the step :math:`t` and the weights :math:`w`.

    Parameters
    ----------
    x : array or structure of arrays
        As for `value`.
    step : float or array
        Finite and >= 0, such as learning rate times strength. An array (0-d, traced or one step for each
        element) is real and broadcasts to the shape of ``x``; its values are not checked.
    weights : float or array, optional
        Multipliers of the step, as for `value`.
    where : boolean array, optional
        Mask as for `value`. What it leaves out comes back unchanged.
    nonnegative : bool, optional
        Add the constraint :math:`p \ge 0`, which gives :math:`\max(x_i - t w_i, 0)`. For real ``x`` only.
    xp : array namespace, optional
        The namespace of ``x``; found by default.

    Returns
    -------
    array or structure of arrays
        Of the shape, dtype, library and device of ``x``, in its structure.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype, or of another array library than ``x``; complex ``x`` with
        ``nonnegative=True``.
    ValueError
        A shape that does not fit, another device, a negative or non-finite number as step or weight.

    Notes
    -----
    Every zero that the threshold gives is exact and is +0.0, also that of -0.0 and of a step of 0, which else
    changes nothing. NaN stays NaN, and ±inf stays ±inf. A complex number keeps its phase, and its modulus
    shrinks. Half precision is worked in float32 and rounded once. Real float32 and float64 results are the
    same bits in every library that keeps subnormals.

    Under automatic differentiation in torch and JAX the derivative is that of the formula where the result is
    not zero, and 0 where it is, thus also at the kinks :math:`|x_i| = t w_i`.

    The formula is that of Parikh and Boyd, "Proximal Algorithms", 2014, section 6.5.2; Beck, "First-Order
    Methods in Optimization", 2017, chapter 6.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> l1.prox(np.asarray([-3.0, 0.5, -0.0, 1.5]), 1.0)
    array([-2. ,  0. ,  0. ,  0.5])
    >>> l1.prox(np.asarray([-3.0, 0.5, 1.5]), 1.0, nonnegative=True)
    array([0. , 0. , 0.5])
    """
    leaves, structure, xp = _checks.leaves(x, where, weights, xp)
    for leaf in leaves:
        step = _checks.step(step, leaf.x, "step", xp)
        if nonnegative:
            _checks.real(leaf.x, "x", "nonnegative=True")
    return _tree.unflatten(structure, _operators.prox(leaves, step, nonnegative=nonnegative, xp=xp))
