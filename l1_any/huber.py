"""The smooth L1 penalty and its gradient: signatures, documentation and checks, then one call."""

from typing import Any, Never

from ._arguments import keywords
from ._arguments.leaves import leaves, reduction, scalar_of_each
from ._arguments.pytrees import unflatten
from ._formulas import huber as formulas
from ._run import reduce as run
from ._typing import Array, ArrayTree, Axis, Namespace, Reduction, Tree


@keywords.shown
def huber(
    x: ArrayTree,
    /,
    delta: float | Array,
    *,
    axis: Axis = None,
    keepdims: bool = False,
    reduce: Reduction = "sum",
    where: Any = None,
    weights: Any = None,
    xp: Namespace | None = None,
    **unknown: Never,
) -> Array:
    r"""Sum or mean of the weighted Huber function, a smooth L1 penalty.

    .. math:: \sum_i m_i w_i h_\delta(x_i), \quad
              h_\delta(x) = \begin{cases} |x|^2 / (2\delta) & |x| \le \delta \\
              |x| - \delta/2 & \text{otherwise} \end{cases}

    divided by :math:`n` for a mean, as in `value`. The function lies between :math:`|x| - \delta/2` and :math:`|x|`.

    Parameters
    ----------
    x : array or pytree of arrays
        As for `value`.
    delta : float or 0-d array
        Magnitude at which the parabola meets the line, finite and >= 0. 0 gives `value`. An array may be traced,
        and automatic differentiation gives its derivative too. The value of an array is not checked.
    axis, keepdims, reduce, where, weights, xp
        As for `value`.

    Returns
    -------
    array
        As for `value`.

    Raises
    ------
    TypeError, ValueError, numpy.exceptions.AxisError
        As for `value`, or for a negative or non-finite ``delta``.

    Notes
    -----
    The function is the Moreau envelope of the magnitude,
    :math:`h_\delta(x) = \min_p |p| + |x - p|^2/(2\delta)`, attained at ``prox(x, delta)`` (Beck, "First-Order
    Methods in Optimization", 2017, example 6.54). torch's ``huber_loss`` is :math:`\delta` times
    this function. Sums are taken as in `value`, and automatic differentiation gives `huber_gradient`. At
    :math:`|x| = \delta` the second derivative is that of the parabola.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> l1.huber(np.asarray([0.5, -3.0]), 1.0)
    array(2.625)
    """
    if unknown:
        keywords.refuse(huber, unknown)
    arrays, treedef = leaves(x, where, weights, xp)
    delta, arrays = scalar_of_each(delta, arrays, "delta")
    axes, is_mean = reduction(arrays, treedef, reduce, axis, keepdims=keepdims)
    penalty = formulas.of(delta, [leaf.ops for leaf in arrays])
    return run.value(arrays, axes=axes, keepdims=keepdims, is_mean=is_mean, penalty=penalty)


@keywords.shown
def huber_gradient(
    x: Tree,
    /,
    delta: float | Array,
    *,
    axis: Axis = None,
    reduce: Reduction = "sum",
    where: Any = None,
    weights: Any = None,
    xp: Namespace | None = None,
    **unknown: Never,
) -> Tree:
    r"""Gradient of `huber` with respect to ``x``.

    .. math:: g_i = m_i w_i \frac{x_i - \operatorname{prox}_\delta(x_i)}{\delta}
                  = m_i w_i \frac{x_i}{\max(|x_i|, \delta)}

    divided by :math:`n` for a mean.

    Parameters
    ----------
    x, delta
        As for `huber`.
    axis, reduce, where, weights, xp
        As for `subgradient`.

    Returns
    -------
    array or pytree of arrays
        As for `subgradient`: like ``x``, and a constant of automatic differentiation.

    Raises
    ------
    TypeError, ValueError, numpy.exceptions.AxisError
        As for `huber`.

    Notes
    -----
    The source of the formula is Beck, "First-Order Methods in Optimization", 2017, theorem 6.60. With
    ``delta=0`` the gradient is `subgradient`.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> l1.huber_gradient(np.asarray([0.5, -3.0]), 1.0)
    array([ 0.5, -1. ])
    """
    if unknown:
        keywords.refuse(huber_gradient, unknown)
    arrays, treedef = leaves(x, where, weights, xp)
    delta, arrays = scalar_of_each(delta, arrays, "delta")
    axes, is_mean = reduction(arrays, treedef, reduce, axis)
    penalty = formulas.of(delta, [leaf.ops for leaf in arrays])
    g: Tree = unflatten(treedef, run.subgradient(arrays, axes=axes, is_mean=is_mean, penalty=penalty))
    return g
