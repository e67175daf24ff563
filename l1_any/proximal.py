"""Operators that give exact zeros: signatures, documentation and checks, then one call."""

from typing import Any, Never

from ._arguments import axes, keywords
from ._arguments.leaves import arrays_of, leaves, real, scalar_of_each, step_of_each
from ._arguments.leaves import radius as checked_radius
from ._arguments.numbers import ratio
from ._arguments.pytrees import unflatten
from ._run import direct
from ._run import proximal as run
from ._typing import Array, Namespace, Tree


@keywords.shown
def prox(
    x: Tree,
    /,
    step: float | Array,
    *,
    weights: Any = None,
    where: Any = None,
    nonnegative: bool = False,
    xp: Namespace | None = None,
    **unknown: Never,
) -> Tree:
    r"""Proximal operator of the L1 penalty: the soft threshold.

    .. math:: p_i = \operatorname{sign}(x_i)\max(|x_i| - t w_i, 0)
              = \arg\min_p\; t w_i |p| + \tfrac12 |p - x_i|^2

    with the step :math:`t` and the weights :math:`w`.

    Parameters
    ----------
    x : array or pytree of arrays
        As for `value`.
    step : float or array
        Finite and >= 0, such as learning rate times strength. An array (0-d, traced or one step for each
        element) is real and broadcasts to the shape of ``x``. The values of an array are not checked.
    weights : float, array or pytree, optional
        Multipliers of the step, as for `value`.
    where : array or pytree of bool, optional
        Mask as for `value`. Elements where it is False come back unchanged.
    nonnegative : bool, optional
        Add the constraint :math:`p \ge 0`, which gives :math:`\max(x_i - t w_i, 0)`. For real ``x`` only.
    xp : array namespace, optional
        The namespace of ``x``; found by default.

    Returns
    -------
    array or pytree of arrays
        Of the shape, dtype, library and device of ``x``; for a pytree, the same pytree.

    Raises
    ------
    TypeError
        An argument of the wrong type, dtype or array library; complex ``x`` with ``nonnegative=True``.
    ValueError
        A shape that does not fit, another device, a negative or non-finite number as step or weight.

    Notes
    -----
    Every zero in the result is exact and is +0.0: the threshold turns -0.0 into +0.0 too. Apart from that, a
    step of 0 changes nothing. NaN stays NaN, and ±inf stays ±inf. A complex number keeps its phase, and its
    modulus shrinks. Half precision is computed in float32 and rounded once. Real float32 and float64 results
    have the same bits in every library, except for subnormals in libraries that treat them as zero.

    Under automatic differentiation in torch and JAX the derivative is that of the formula where the result is
    not zero. It is 0 where the result is zero, and therefore at the kinks :math:`|x_i| = t w_i`.

    The formula is that of Parikh and Boyd, "Proximal Algorithms", 2014, section 6.5.2.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> l1.prox(np.asarray([-3.0, 0.5, -0.0, 1.5]), 1.0)
    array([-2. ,  0. ,  0. ,  0.5])
    >>> l1.prox(np.asarray([-3.0, 0.5, 1.5]), 1.0, nonnegative=True)
    array([0. , 0. , 0.5])
    """
    if unknown:
        keywords.refuse(prox, unknown)
    if where is weights is xp is None and not nonnegative:
        quick: Tree | None = direct.prox(x, step)
        if quick is not None:
            return quick
    arrays, treedef = leaves(x, where, weights, xp)
    step, arrays = step_of_each(step, arrays, "step")
    if nonnegative:
        real(arrays, "nonnegative=True")
    p: Tree = unflatten(treedef, run.prox(arrays, step, nonnegative=nonnegative))
    return p


@keywords.shown
def prox_elastic_net(
    x: Tree,
    /,
    step: float | Array,
    *,
    l1_ratio: float | Array,
    xp: Namespace | None = None,
    **unknown: Never,
) -> Tree:
    r"""Proximal operator of the elastic net, the sum of an L1 and a squared L2 penalty.

    .. math:: p_i = \frac{\operatorname{sign}(x_i)\max(|x_i| - t\rho, 0)}{1 + t(1 - \rho)}
              = \arg\min_p\; t \Bigl(\rho |p| + \frac{1 - \rho}{2} |p|^2\Bigr) + \tfrac12 |p - x_i|^2

    with the step :math:`t` and the ratio :math:`\rho`.

    Parameters
    ----------
    x, step
        As for `prox`.
    l1_ratio : float or 0-d array
        Share of the L1 penalty, from 0 to 1, with scikit-learn's meaning. The value of an array is not checked.
    xp : array namespace, optional
        The namespace of ``x``; found by default.

    Returns
    -------
    array or pytree of arrays
        As for `prox`.

    Raises
    ------
    TypeError, ValueError
        As for `prox`, or for an ``l1_ratio`` that is not between 0 and 1.

    Notes
    -----
    Special values and derivatives are those of `prox`; ``l1_ratio=1`` is `prox`. The formula is that of
    Parikh and Boyd, "Proximal Algorithms", 2014, section 6.5.3.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> l1.prox_elastic_net(np.asarray([-3.5, 0.5, 2.0]), 1.0, l1_ratio=0.5)
    array([-2.,  0.,  1.])
    """
    if unknown:
        keywords.refuse(prox_elastic_net, unknown)
    arrays, treedef = arrays_of(x, xp)
    step, arrays = step_of_each(step, arrays, "step")
    share, arrays = scalar_of_each(l1_ratio, arrays, "l1_ratio")
    if isinstance(share, float):
        share = ratio(share, "l1_ratio")
    p: Tree = unflatten(treedef, run.prox_elastic_net(arrays, step, l1_ratio=share))
    return p


@keywords.shown
def project(
    x: Tree,
    /,
    radius: float | Array,
    *,
    axis: int | None = None,
    weights: Any = None,
    nonnegative: bool = False,
    xp: Namespace | None = None,
    **unknown: Never,
) -> Tree:
    r"""Euclidean projection onto the weighted L1 ball.

    .. math:: \arg\min_p \lVert p - x \rVert_2 \quad\text{subject to}\quad \sum_i w_i |p_i| \le r

    with the radius :math:`r` and the weights :math:`w`.

    Parameters
    ----------
    x : array or pytree of arrays
        As for `value`. A pytree counts as one long vector.
    radius : float or array
        Finite and >= 0. An array (0-d, traced, or one radius for each vector) is real and broadcasts to the
        shape of ``x`` with length 1 along the reduced axes. The values of an array are not checked.
    axis : int, optional
        The axis along which each vector is projected; by default all of ``x`` is one vector. For a single
        array only.
    weights : float, array or pytree, optional
        Multipliers of the magnitudes, as for `value`. Elements of weight 0 are unchanged.
    nonnegative : bool, optional
        Add the constraint :math:`p \ge 0`. For real ``x`` only.
    xp : array namespace, optional
        The namespace of ``x``; found by default.

    Returns
    -------
    array or pytree of arrays
        Of the shape, dtype, library and device of ``x``; for a pytree, the same pytree.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype, or of another array library than ``x``; complex ``x`` with
        ``nonnegative=True``.
    ValueError
        A shape that does not fit, another device, a negative or non-finite number as radius or weight; as
        `numpy.exceptions.AxisError` an axis that ``x`` does not have.

    Notes
    -----
    A vector inside the ball comes back bit for bit, and so does a projection, or ``x`` with its own `value` as
    the radius. For any other vector the result is the soft threshold of
    ``x`` at :math:`\theta w`, where a sort finds the :math:`\theta` with :math:`\sum_i w_i |p_i| = r` (Duchi
    et al., "Efficient Projections onto the l1-Ball for Learning in High Dimensions", 2008). Zeros in the
    result are exact and +0.0. A radius of 0 gives zeros.

    :math:`\theta` is computed in float64 where the library and the device have it, and the result is rounded
    once. The sum of the result exceeds the radius by a few roundings of the radius, however small the radius is
    beside the magnitudes. No sum overflows.

    A vector with a NaN or an infinity becomes NaN, with two exceptions: -inf counts as 0 with
    ``nonnegative=True``, and elements of weight 0 may be infinite. Where all of ``x`` is one vector, Dask must
    know its lengths: call ``compute_chunk_sizes()`` first.

    The derivative in torch and JAX is that of the threshold with the set of non-zero elements held fixed. It
    is 0 at an element that is zero, and the identity inside the ball and on its surface.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> l1.project(np.asarray([[3.0, -1.0, 0.5], [0.1, 0.2, 0.3]]), 1.0, axis=1)
    array([[1. , 0. , 0. ],
           [0.1, 0.2, 0.3]])
    """
    if unknown:
        keywords.refuse(project, unknown)
    arrays, treedef = leaves(x, None, weights, xp)
    along = axes.one(axis, arrays[0].x, treedef)
    radius, arrays = checked_radius(radius, arrays, "radius", along)
    if nonnegative:
        real(arrays, "nonnegative=True")
    p: Tree = unflatten(treedef, run.project(arrays, radius, axis=along, nonnegative=nonnegative))
    return p


@keywords.shown
def prox_max(
    x: Tree,
    /,
    step: float | Array,
    *,
    axis: int | None = None,
    xp: Namespace | None = None,
    **unknown: Never,
) -> Tree:
    r"""Proximal operator of the largest magnitude, which is the dual norm of L1.

    .. math:: p = \arg\min_p\; t \max_i |p_i| + \tfrac12 \lVert p - x \rVert_2^2
              = x - \operatorname{project}(x, t)

    with the step :math:`t`. The operator cuts off the largest magnitudes at one level.

    Parameters
    ----------
    x : array or pytree of arrays
        As for `value`. A pytree counts as one long vector.
    step : float or array
        Finite and >= 0; an array as for the radius of `project`.
    axis : int, optional
        As for `project`.
    xp : array namespace, optional
        The namespace of ``x``; found by default.

    Returns
    -------
    array or pytree of arrays
        Of the shape, dtype, library and device of ``x``; for a pytree, the same pytree.

    Raises
    ------
    TypeError, ValueError, numpy.exceptions.AxisError
        As for `project`.

    Notes
    -----
    The second form follows from Moreau's decomposition (Parikh and Boyd, "Proximal Algorithms", 2014, sections
    2.5 and 6.5.1). A vector whose L1 norm is at most the step becomes +0.0. NaN, infinities and derivatives
    are those of `project`.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> l1.prox_max(np.asarray([3.0, -1.0, 2.5]), 1.5)
    array([ 2., -1.,  2.])
    """
    if unknown:
        keywords.refuse(prox_max, unknown)
    arrays, treedef = arrays_of(x, xp)
    along = axes.one(axis, arrays[0].x, treedef)
    step, arrays = checked_radius(step, arrays, "step", along)
    p: Tree = unflatten(treedef, run.prox_max(arrays, step, axis=along))
    return p
