"""Optimality conditions of a loss with an L1 penalty: signatures, documentation and checks, then one call."""

from typing import Any, Never

from ._arguments import keywords
from ._arguments.leaves import alike, leaves, met_by, step_of_each
from ._arguments.pytrees import unflatten
from ._run import optimality as run
from ._typing import Array, ArrayTree, Namespace, Tree


@keywords.shown
def subdiff_distance(
    x: Tree,
    gradient: ArrayTree,
    /,
    strength: float | Array,
    *,
    weights: Any = None,
    where: Any = None,
    xp: Namespace | None = None,
    **unknown: Never,
) -> Tree:
    r"""Distance of -gradient to the subdifferential of the penalty, for each element.

    .. math:: d_i = \begin{cases} |g_i + \lambda w_i \operatorname{sign}(x_i)| & x_i \ne 0 \\
              \max(|g_i| - \lambda w_i, 0) & x_i = 0 \end{cases}

    with the gradient :math:`g` of a smooth loss at :math:`x` and the strength :math:`\lambda`. If every
    distance is 0 and the loss is convex, :math:`x` minimises the loss plus
    :math:`\lambda \sum_i w_i |x_i|`.

    Parameters
    ----------
    x : array or pytree of arrays
        As for `value`.
    gradient : array or pytree of arrays
        The gradient of the loss at ``x``, with the structure, shapes and dtypes of ``x``.
    strength : float or array
        Finite and >= 0; an array as for the step of `prox`.
    weights, where
        As for `value`. The distance is 0 where the mask is False.
    xp : array namespace, optional
        The namespace of ``x``; found by default.

    Returns
    -------
    array or pytree of arrays
        Real, of the shape, library and device of ``x``, float32 for half precision; for a pytree, the same
        pytree.

    Raises
    ------
    TypeError, ValueError
        As for `prox`, or for a gradient that does not match ``x``.

    Notes
    -----
    NaN in ``x`` or in the gradient gives NaN. The derivative with respect to the gradient is that of the
    formula, and 0 where the distance is 0; the sign counts as a constant.

    The condition is that of Beck, "First-Order Methods in Optimization", 2017, section 3.7.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> l1.subdiff_distance(np.asarray([2.0, 0.0, 0.0]), np.asarray([-1.0, 0.5, -3.0]), 1.0)
    array([0., 0., 2.])
    """
    if unknown:
        keywords.refuse(subdiff_distance, unknown)
    arrays, treedef = leaves(x, where, weights, xp)
    gradients = alike(gradient, arrays, treedef, "gradient")
    strength, _ = step_of_each(strength, arrays, "strength")
    names = ("gradient", "strength")
    arrays = [met_by(leaf, g, strength, names=names) for leaf, g in zip(arrays, gradients, strict=True)]
    d: Tree = unflatten(treedef, run.subdiff_distance(arrays, gradients, strength))
    return d


@keywords.shown
def strength_max(
    gradient_at_zero: ArrayTree,
    /,
    *,
    weights: Any = None,
    xp: Namespace | None = None,
    **unknown: Never,
) -> Array:
    r"""Strength from which zero is the solution.

    .. math:: \lambda_{\max} = \max_{w_i > 0} |g_i| / w_i

    with the gradient :math:`g` of the smooth loss at :math:`x = 0`.

    Parameters
    ----------
    gradient_at_zero : array or pytree of arrays
        Real or complex floating array, or a pytree of such arrays.
    weights : float, array or pytree, optional
        As for `value`. Elements of weight 0 are not penalised, and do not count.
    xp : array namespace, optional
        The namespace of the gradient; found by default.

    Returns
    -------
    array
        A 0-d array of the library and device of the gradient; float32 for half precision. It is 0 if no
        element counts.

    Raises
    ------
    TypeError, ValueError
        As for `value`.

    Notes
    -----
    The formula is the optimality condition of `subdiff_distance` at zero. NaN in the gradient gives NaN.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> l1.strength_max(np.asarray([0.5, -3.0]), weights=2.0)
    array(1.5)
    """
    if unknown:
        keywords.refuse(strength_max, unknown)
    arrays, _ = leaves(gradient_at_zero, None, weights, xp, name="gradient_at_zero")
    return run.strength_max(arrays)
