"""The L2,1 penalty, by which whole groups become zero: signature, documentation and checks, then one call."""

from . import _checks, _operators, _tree
from ._typing import Array, ArrayTree, Axis, Namespace


def prox_group(x: ArrayTree, step: float | Array, /, *, axis: Axis, xp: Namespace | None = None) -> ArrayTree:
    r"""Proximal operator of `group_value`: shrinks the norm of each group, and small groups to zero.

    .. math:: p_g = x_g \max\bigl(1 - t / \lVert x_g \rVert_2,\, 0\bigr)

    with the step :math:`t`.

    Parameters
    ----------
    x : array or structure of arrays
        Real or complex floating array, or a structure of them.
    step : float or array
        Finite and >= 0. An array is real and broadcasts to the shape of ``x`` with the axes of a group
        reduced to length 1 (0-d, traced, or one step for each group); its values are not checked.
    axis : int or tuple of int or None
        The axes along which the L2 norm of a group is taken: ``axis=1`` makes the rows of a matrix the
        groups; None makes each array one group. In a structure it holds for every array.
    xp : array namespace, optional
        The namespace of ``x``; found by default.

    Returns
    -------
    array or structure of arrays
        Of the shape, dtype, library and device of ``x``, in its structure.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype, or of another array library than ``x``.
    ValueError
        An axis or shape that does not fit, another device, a negative or non-finite number as step.

    Notes
    -----
    A group whose norm is at most the step is exactly +0.0, -0.0 never appears, and a step of 0 else changes
    nothing. A group with a NaN becomes NaN, a group of infinite norm is unchanged. The norm is taken
    in float64 where library and device have it. The derivative in torch and JAX is 0 for a group that is zero.

    The formula is that of Yuan and Lin, "Model selection and estimation in regression with grouped
    variables", 2006; Parikh and Boyd, "Proximal Algorithms", 2014, section 6.5.4.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> l1.prox_group(np.asarray([[3.0, 4.0], [0.3, -0.4]]), 1.0, axis=1)
    array([[2.4, 3.2],
           [0. , 0. ]])
    """
    arrays, structure = _tree.flatten(x, "x")
    xp = _checks.one_namespace(arrays, "x", xp)
    axes = [_checks.axes(axis, array, _tree.LEAF) for array in arrays]
    reduced = [tuple(range(x.ndim)) if a is None else a for x, a in zip(arrays, axes, strict=True)]
    steps = [_checks.step(step, x, "step", xp, a) for x, a in zip(arrays, reduced, strict=True)]
    return _tree.unflatten(structure, _operators.prox_group(arrays, steps, reduced, xp=xp))
