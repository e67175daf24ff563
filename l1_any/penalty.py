"""The L1 penalty and its subgradient: signature, documentation and checks, then one call down."""

from typing import Any

from ._arguments.leaves import leaves, reduction
from ._arguments.pytrees import unflatten
from ._run import norms
from ._run import reduce as run
from ._typing import Array, ArrayTree, Axis, Namespace, Reduction


def value(
    x: ArrayTree,
    /,
    *,
    axis: Axis = None,
    keepdims: bool = False,
    reduce: Reduction = "sum",
    where: Any = None,
    weights: Any = None,
    xp: Namespace | None = None,
) -> Array:
    r"""Sum or mean of the weighted magnitudes.

    .. math:: \sum_i m_i w_i |x_i| \quad\text{or}\quad \frac1n \sum_i m_i w_i |x_i|

    with the mask :math:`m`, the weights :math:`w` and the number :math:`n` of selected elements.

    Parameters
    ----------
    x : array or structure of arrays
        Real or complex floating array of any shape, or a list, tuple, mapping or other iterable of
        such arrays, nested too. A structure is one long vector: one sum, one :math:`n`.
    axis : int or tuple of int, optional
        Axes to reduce; all of them by default. For a single array only.
    keepdims : bool, optional
        Keep the reduced axes with length 1. For a single array only.
    reduce : {"sum", "mean"}, optional
        A mean divides by the number of selected elements (along ``axis``): weights are multipliers,
        not averaging weights.
    where : boolean array, optional
        Mask that broadcasts to the shape of ``x``. What it leaves out contributes exactly nothing, NaN
        and infinities included. For a structure: the same structure of masks, None for no mask.
    weights : float or array, optional
        Multipliers >= 0; an array is real and broadcasts to the shape of ``x``. For a structure: one
        number, or the same structure of numbers and arrays.
    xp : array namespace, optional
        The namespace of ``x``; found by default.

    Returns
    -------
    array
        0-d, or of the shape that the reduction leaves; of the library and device of ``x``. float32 for
        float16, bfloat16, float32 and complex64, float64 for float64 and complex128.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype, or of another array library than ``x``.
    ValueError
        An unknown ``reduce``, an axis or shape that does not fit, another device, a negative or
        non-finite number as weight, the mean of an empty array.

    Notes
    -----
    The sum is accumulated in float64 where library and device have it, and rounded once. Automatic
    differentiation of the value in torch and JAX gives `subgradient`, and a second derivative of zero; that
    with respect to an array of weights is :math:`m|x|`. Any NaN that the mask selects makes the value NaN; the
    mean over a mask that selects nothing is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> x = np.asarray([[3.0, -1.0], [0.0, -np.inf]])
    >>> l1.value(x, where=np.isfinite(x))
    array(4.)
    >>> l1.value(x, axis=0, reduce="mean", where=np.isfinite(x))
    array([1.5, 1. ])
    """
    arrays, treedef = leaves(x, where, weights, xp)
    axes, is_mean = reduction(arrays, treedef, reduce, axis, keepdims=keepdims)
    return run.value(arrays, axes=axes, keepdims=keepdims, is_mean=is_mean)


def subgradient(
    x: ArrayTree,
    /,
    *,
    axis: Axis = None,
    reduce: Reduction = "sum",
    where: Any = None,
    weights: Any = None,
    xp: Namespace | None = None,
) -> ArrayTree:
    r"""Minimum-norm subgradient of `value` with respect to ``x``.

    .. math:: s_i = m_i w_i \operatorname{sign}(x_i), \quad \operatorname{sign}(z) = z/|z|,\;
              \operatorname{sign}(0) = 0

    divided by :math:`n` for a mean.

    Parameters
    ----------
    x, axis, reduce, where, weights, xp
        As for `value`. The axes matter for a mean, where they decide what :math:`n` counts.

    Returns
    -------
    array or structure of arrays
        Of the shape, dtype, library and device of ``x``, in its structure (an iterable that is not a
        list, tuple or mapping comes back as a list). Never part of an autograd graph.

    Raises
    ------
    TypeError, ValueError
        As for `value`.

    Notes
    -----
    0 at ±0 and where masked out, ±w at ±inf, NaN at NaN. 0 is the element of least norm in the
    subdifferential :math:`[-1, 1]` of :math:`|x|` at 0. The identity
    :math:`\sum_i w_i|x_i| = \operatorname{Re}\langle x, s\rangle` holds.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> l1.subgradient(np.asarray([-2.0, 0.0, 5.0]), reduce="mean")
    array([-0.33333333,  0.        ,  0.33333333])
    """
    arrays, treedef = leaves(x, where, weights, xp)
    axes, is_mean = reduction(arrays, treedef, reduce, axis)
    return unflatten(treedef, run.subgradient(arrays, axes=axes, is_mean=is_mean))


def value_and_subgradient(
    x: ArrayTree,
    /,
    *,
    axis: Axis = None,
    keepdims: bool = False,
    reduce: Reduction = "sum",
    where: Any = None,
    weights: Any = None,
    xp: Namespace | None = None,
) -> tuple[Array, ArrayTree]:
    """Both `value` and `subgradient`, from one pass over the data.

    Parameters
    ----------
    x, axis, keepdims, reduce, where, weights, xp
        As for `value`.

    Returns
    -------
    value : array
        As from `value`; differentiable.
    subgradient : array or structure of arrays
        As from `subgradient`; a constant.

    Raises
    ------
    TypeError, ValueError
        As for `value`.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> l1.value_and_subgradient({"a": np.asarray([1.5, -2.0])}, weights=0.1)
    (array(0.35), {'a': array([ 0.1, -0.1])})
    """
    arrays, treedef = leaves(x, where, weights, xp)
    axes, is_mean = reduction(arrays, treedef, reduce, axis, keepdims=keepdims)
    total, s = run.value_and_subgradient(arrays, axes=axes, keepdims=keepdims, is_mean=is_mean)
    return total, unflatten(treedef, s)


def subgradient_norm(
    x: ArrayTree,
    /,
    *,
    reduce: Reduction = "sum",
    where: Any = None,
    weights: Any = None,
    xp: Namespace | None = None,
) -> Array:
    r"""L2 norm of `subgradient`, in closed form: no array of the size of ``x`` is made.

    .. math:: \lVert s \rVert_2 = \Bigl(\sum_{x_i \ne 0} (m_i w_i)^2\Bigr)^{1/2}

    divided by :math:`n` for a mean.

    Parameters
    ----------
    x, reduce, where, weights, xp
        As for `value`.

    Returns
    -------
    array
        0-d, in the dtype, library and on the device of ``value(x)``; a constant. NaN if ``x`` holds a NaN
        that the mask selects.

    Raises
    ------
    TypeError, ValueError
        As for `value`.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> l1.subgradient_norm([np.asarray([-2.0, 0.0]), np.asarray([1.0, 7.0, 9.0])], weights=0.5)
    array(1.)
    """
    arrays, treedef = leaves(x, where, weights, xp)
    _, is_mean = reduction(arrays, treedef, reduce)
    return norms.subgradient_norm(arrays, is_mean=is_mean)
