"""The L2,1 penalty, which makes whole groups zero: signatures, documentation and checks, then one call."""

from typing import Any, Never

from ._arguments import axes as named_axes
from ._arguments import keywords, pytrees
from ._arguments.leaves import arrays_of, is_mean, some_groups
from ._arguments.leaves import step as checked_step
from ._arguments.numbers import is_number
from ._run import groups as run
from ._typing import Array, ArrayTree, Axis, Leaf, Namespace, Reduction, Tree


@keywords.shown
def group_value(
    x: ArrayTree,
    /,
    *,
    axis: Axis,
    reduce: Reduction = "sum",
    weights: Any = None,
    xp: Namespace | None = None,
    **unknown: Never,
) -> Array:
    r"""Sum or mean of the L2 norms of groups: the L2,1 norm, or group Lasso penalty.

    .. math:: \sum_g w_g \lVert x_g \rVert_2

    divided by the number of groups for a mean.

    Parameters
    ----------
    x : array or pytree of arrays
        Real or complex floating array, or a pytree of such arrays.
    axis : int or tuple of int or None
        The axes along which the L2 norm of a group is taken: ``axis=1`` makes the rows of a matrix the
        groups; None makes each array one group. The axes hold for every array of a pytree.
    reduce : {"sum", "mean"}, optional
        A mean divides by the number of groups of all arrays.
    weights : float, array or pytree, optional
        Multipliers >= 0, such as the square root of a group's size. An array is real and broadcasts to the
        shape of ``x`` with the axes of a group reduced to length 1. For a pytree, one number, or a pytree of
        numbers and arrays with the same structure.
    xp : array namespace, optional
        The namespace of ``x``; found by default.

    Returns
    -------
    array
        A 0-d array with the dtype of `value`, of the library and device of ``x``.

    Raises
    ------
    TypeError, ValueError, numpy.exceptions.AxisError
        As for `value`.

    Notes
    -----
    Norms and sums are taken in float64 where the library and the device have it, and squares neither overflow
    nor vanish. The derivative in torch and JAX is `group_subgradient`, but 0 for a group with infinite elements.
    The penalty is that of Yuan and Lin,
    "Model selection and estimation in regression with grouped variables", 2006.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> l1.group_value(np.asarray([[3.0, 4.0], [0.0, 0.0]]), axis=1)
    array(5.)
    """
    if unknown:
        keywords.refuse(group_value, unknown)
    arrays, _, axes, factors = _grouped(x, axis, weights, xp)
    mean = is_mean(reduce)
    if mean:
        some_groups(arrays, axes)
    return run.group_value(arrays, factors, axes, is_mean=mean)


@keywords.shown
def group_subgradient(
    x: Tree,
    /,
    *,
    axis: Axis,
    reduce: Reduction = "sum",
    weights: Any = None,
    xp: Namespace | None = None,
    **unknown: Never,
) -> Tree:
    r"""Minimum-norm subgradient of `group_value` with respect to ``x``.

    .. math:: s_g = w_g x_g / \lVert x_g \rVert_2, \quad s_g = 0 \text{ for } x_g = 0

    divided by the number of groups for a mean.

    Parameters
    ----------
    x, axis, reduce, weights, xp
        As for `group_value`.

    Returns
    -------
    array or pytree of arrays
        Of the shape, dtype, library and device of ``x``; for a pytree, the same pytree. It is never part of
        an autograd graph.

    Raises
    ------
    TypeError, ValueError, numpy.exceptions.AxisError
        As for `group_value`.

    Notes
    -----
    The subdifferential at a zero group is the unit ball, and 0 is its element of least norm. A group with a
    NaN gives NaN. In a group with infinities only the infinite elements have a subgradient that is not 0.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> l1.group_subgradient(np.asarray([[3.0, 4.0], [0.0, 0.0]]), axis=1)
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    if unknown:
        keywords.refuse(group_subgradient, unknown)
    arrays, treedef, axes, factors = _grouped(x, axis, weights, xp)
    mean = is_mean(reduce)
    if mean:
        some_groups(arrays, axes)
    s: Tree = pytrees.unflatten(treedef, run.group_subgradient(arrays, factors, axes, is_mean=mean))
    return s


@keywords.shown
def prox_group(
    x: Tree,
    /,
    step: float | Array,
    *,
    axis: Axis,
    xp: Namespace | None = None,
    **unknown: Never,
) -> Tree:
    r"""Proximal operator of `group_value`: shrinks the norm of each group, and small groups to zero.

    .. math:: p_g = x_g \max\bigl(1 - t / \lVert x_g \rVert_2,\, 0\bigr)

    with the step :math:`t`.

    Parameters
    ----------
    x : array or pytree of arrays
        Real or complex floating array, or a pytree of such arrays.
    step : float or array
        Finite and >= 0. An array (0-d, traced, or one step for each group) is real and broadcasts to the
        shape of ``x`` with the axes of a group reduced to length 1. The values of an array are not checked.
    axis : int or tuple of int or None
        The axes along which the L2 norm of a group is taken: ``axis=1`` makes the rows of a matrix the
        groups; None makes each array one group. The axes hold for every array of a pytree.
    xp : array namespace, optional
        The namespace of ``x``; found by default.

    Returns
    -------
    array or pytree of arrays
        Of the shape, dtype, library and device of ``x``; for a pytree, the same pytree.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype, or of another array library than ``x``.
    ValueError
        An axis or shape that does not fit, another device, a negative or non-finite number as step.
    numpy.exceptions.AxisError
        An axis that ``x`` does not have. This error is a ValueError and an IndexError.

    Notes
    -----
    A group whose norm is at most the step becomes exactly +0.0. The result never holds -0.0; apart from that, a
    step of 0 changes nothing. A group with a NaN becomes NaN, and a group of infinite norm is unchanged. The
    norm is taken in float64 where the library and the device have it. The derivative in torch and JAX is 0 for
    a group that is zero.

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
    if unknown:
        keywords.refuse(prox_group, unknown)
    arrays, treedef, axes, _ = _grouped(x, axis, None, xp)
    pairs = [checked_step(step, leaf, "step", a) for leaf, a in zip(arrays, axes, strict=True)]
    steps, arrays = [t for t, _ in pairs], [leaf for _, leaf in pairs]
    p: Tree = pytrees.unflatten(treedef, run.prox_group(arrays, steps, axes))
    return p


def _grouped(
    x: ArrayTree, axis: Axis, weights: Any, xp: Namespace | None
) -> tuple[list[Leaf], pytrees.Treedef, list[tuple[int, ...]], list[Array | float | None]]:
    """Return the arrays, the structure of the pytree, and the axes and weights of the groups of each array."""
    arrays, treedef = arrays_of(x, xp)
    axes = [named_axes.of_group(axis, leaf.x) for leaf in arrays]
    alike = treedef is pytrees.LEAF or weights is None or is_number(weights)
    factors = [weights] * len(arrays) if alike else pytrees.match(weights, treedef, "weights", "x")
    checked: list[Array | float | None] = []
    for i, (a, w) in enumerate(zip(axes, factors, strict=True)):
        if w is None:
            checked.append(None)
        else:
            factor, arrays[i] = checked_step(w, arrays[i], "weights", a)
            checked.append(factor)
    return arrays, treedef, axes, checked
