"""Operators that reach exact zeros: signature, documentation and checks, then one call down."""

from typing import Any

from ._arguments import axes
from ._arguments.leaves import arrays_of, leaves, real, step_of_each
from ._arguments.leaves import radius as checked_radius
from ._arguments.numbers import ratio
from ._arguments.pytrees import unflatten
from ._run import elementwise as run
from ._typing import Array, ArrayTree, Namespace


def prox(
    x: ArrayTree,
    step: float | Array,
    /,
    *,
    weights: Any = None,
    where: Any = None,
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
    same bits in every library, but for subnormals where it takes them for zero.

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
    arrays, treedef = leaves(x, where, weights, xp)
    step, arrays = step_of_each(step, arrays, "step")
    if nonnegative:
        real(arrays, "nonnegative=True")
    return unflatten(treedef, run.prox(arrays, step, nonnegative=nonnegative))


def prox_elastic_net(
    x: ArrayTree, step: float | Array, /, *, l1_ratio: float, xp: Namespace | None = None
) -> ArrayTree:
    r"""Proximal operator of the elastic net, the sum of an L1 and a squared L2 penalty.

    .. math:: p_i = \frac{\operatorname{sign}(x_i)\max(|x_i| - t\rho, 0)}{1 + t(1 - \rho)}
              = \arg\min_p\; t \Bigl(\rho |p| + \frac{1 - \rho}{2} |p|^2\Bigr) + \tfrac12 |p - x_i|^2

    with the step :math:`t` and the ratio :math:`\rho`.

    Parameters
    ----------
    x, step
        As for `prox`.
    l1_ratio : float
        Share of the L1 penalty, from 0 to 1, with scikit-learn's meaning.
    xp : array namespace, optional
        The namespace of ``x``; found by default.

    Returns
    -------
    array or structure of arrays
        As for `prox`.

    Raises
    ------
    TypeError, ValueError
        As for `prox`; an ``l1_ratio`` that is not between 0 and 1.

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
    arrays, treedef = arrays_of(x, xp)
    step, arrays = step_of_each(step, arrays, "step")
    share = ratio(l1_ratio, "l1_ratio")
    return unflatten(treedef, run.prox_elastic_net(arrays, step, l1_ratio=share))


def project(
    x: ArrayTree,
    radius: float | Array,
    /,
    *,
    axis: int | None = None,
    weights: Any = None,
    nonnegative: bool = False,
    xp: Namespace | None = None,
) -> ArrayTree:
    r"""Euclidean projection onto the weighted L1 ball.

    .. math:: \arg\min_p \lVert p - x \rVert_2 \quad\text{subject to}\quad \sum_i w_i |p_i| \le r

    with the radius :math:`r` and the weights :math:`w`.

    Parameters
    ----------
    x : array or structure of arrays
        As for `value`. A structure is one long vector.
    radius : float or array
        Finite and >= 0. An array is real and broadcasts to the shape of ``x`` with the reduced axes kept with
        length 1 (0-d, traced, or one radius for each vector); its values are not checked.
    axis : int, optional
        The axis along which each vector is projected; by default all of ``x`` is one vector. For a single
        array only.
    weights : float or array, optional
        Multipliers of the magnitudes, as for `value`. What has weight 0 is unchanged.
    nonnegative : bool, optional
        Add the constraint :math:`p \ge 0`. For real ``x`` only.
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
        An axis or shape that does not fit, another device, a negative or non-finite number as radius or
        weight.

    Notes
    -----
    A vector inside the ball comes back as it is, bit for bit. Else the result is the soft threshold of ``x``
    at :math:`\theta w`, where a sort finds the :math:`\theta` with :math:`\sum_i w_i |p_i| = r` (Duchi et
    al., "Efficient Projections onto the l1-Ball for Learning in High Dimensions", 2008). Its zeros are exact
    and +0.0. A radius of 0 gives zeros.

    :math:`\theta` is worked in float64 where library and device have it, and the result is rounded once: a
    float32 result then has a sum that exceeds the radius by at most 1e-7 of it, if that is not below 1e-7 of
    the largest magnitude. Below that, in float64, and where nothing wider is at hand, it is a few roundings of
    the largest magnitude for each element that is not zero. A vector with a NaN or an infinity becomes NaN;
    but -inf counts as 0 with ``nonnegative``, and what has weight 0 may be infinite. Lengths that Dask does
    not know must be computed first (``compute_chunk_sizes()``) where all of ``x`` is one vector.

    The derivative in torch and JAX is that of the threshold with the set of non-zero elements held fixed:
    0 at an element that is zero, the identity inside the ball and on its surface.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> l1.project(np.asarray([[3.0, -1.0, 0.5], [0.1, 0.2, 0.3]]), 1.0, axis=1)
    array([[1. , 0. , 0. ],
           [0.1, 0.2, 0.3]])
    """
    arrays, treedef = leaves(x, None, weights, xp)
    along = axes.one(axis, arrays[0].x, treedef)
    radius, arrays = checked_radius(radius, arrays, "radius", along)
    if nonnegative:
        real(arrays, "nonnegative=True")
    return unflatten(treedef, run.project(arrays, radius, axis=along, nonnegative=nonnegative))


def prox_max(
    x: ArrayTree, step: float | Array, /, *, axis: int | None = None, xp: Namespace | None = None
) -> ArrayTree:
    r"""Proximal operator of the largest magnitude, which is the dual norm of L1.

    .. math:: p = \arg\min_p\; t \max_i |p_i| + \tfrac12 \lVert p - x \rVert_2^2
              = x - \operatorname{project}(x, t)

    with the step :math:`t`: the largest magnitudes are cut off at one level.

    Parameters
    ----------
    x : array or structure of arrays
        As for `value`. A structure is one long vector.
    step : float or array
        Finite and >= 0; an array as for the radius of `project`.
    axis : int, optional
        As for `project`.
    xp : array namespace, optional
        The namespace of ``x``; found by default.

    Returns
    -------
    array or structure of arrays
        Of the shape, dtype, library and device of ``x``, in its structure.

    Raises
    ------
    TypeError, ValueError
        As for `project`.

    Notes
    -----
    By Moreau's decomposition (Parikh and Boyd, "Proximal Algorithms", 2014, sections 2.5 and 6.5.1). A vector
    whose L1 norm is at most the step becomes +0.0. NaN, infinities and derivatives are those of `project`.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> l1.prox_max(np.asarray([3.0, -1.0, 2.5]), 1.5)
    array([ 2., -1.,  2.])
    """
    arrays, treedef = arrays_of(x, xp)
    along = axes.one(axis, arrays[0].x, treedef)
    step, arrays = checked_radius(step, arrays, "step", along)
    return unflatten(treedef, run.prox_max(arrays, step, axis=along))
