"""The L1 penalty and its subgradient: signatures, documentation and checks, then one call."""

from typing import Any, Never

from ._arguments import keywords
from ._arguments.leaves import leaves, reduction
from ._arguments.pytrees import unflatten
from ._run import direct, norms
from ._run import reduce as run
from ._typing import Array, ArrayTree, Axis, Namespace, Reduction, Tree


@keywords.shown
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
    **unknown: Never,
) -> Array:
    r"""Sum or mean of the weighted magnitudes.

    .. math:: \sum_i m_i w_i |x_i| \quad\text{or}\quad \frac1n \sum_i m_i w_i |x_i|

    with the mask :math:`m`, the weights :math:`w` and the number :math:`n` of selected elements.

    Parameters
    ----------
    x : array or pytree of arrays
        Real or complex floating array of any shape, or a pytree of such arrays: a list, tuple, mapping,
        dataclass, what JAX, torch or optree know as a pytree, or another iterable. A pytree counts as one
        long vector, with one sum and one :math:`n`.
    axis : int or tuple of int, optional
        Axes to reduce; all of them by default. For a single array only.
    keepdims : bool, optional
        Keep the reduced axes with length 1. For a single array only.
    reduce : {"sum", "mean"}, optional
        A mean divides by the number of selected elements (along ``axis``): weights are multipliers,
        not averaging weights.
    where : array or pytree of bool, optional
        Boolean mask that broadcasts to the shape of ``x``. Elements where it is False contribute exactly
        nothing, even NaN and infinities. For a pytree, a pytree of masks with the same structure, in
        which None stands for no mask.
    weights : float, array or pytree, optional
        Multipliers >= 0. An array is real and broadcasts to the shape of ``x``. For a pytree, one number,
        or a pytree of numbers and arrays with the same structure.
    xp : array namespace, optional
        The namespace of ``x``; found by default.

    Returns
    -------
    array
        A 0-d array, or one of the shape that the reduction leaves, of the library and device of ``x``. Its
        dtype is float32 for float16, bfloat16, float32 and complex64, and float64 for float64 and complex128.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype, or of another array library than ``x``.
    ValueError
        An unknown ``reduce``, an axis or shape that does not fit, another device, a negative or
        non-finite number as weight, the mean of an empty array.
    numpy.exceptions.AxisError
        An axis that ``x`` does not have. This error is a ValueError and an IndexError.

    Notes
    -----
    The sum is accumulated in float64 where the library and the device have it, and rounded once. Automatic
    differentiation of the value in torch and JAX gives `subgradient`, and its second derivative is zero. The
    derivative with respect to an array of weights is :math:`m|x|`. Any NaN that the mask selects makes the
    value NaN. The mean over a mask that selects nothing is NaN.

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
    if unknown:
        keywords.refuse(value, unknown)
    if axis is where is weights is xp is None and reduce == "sum" and not keepdims:
        total = direct.value(x)
        if total is not None:
            return total
    arrays, treedef = leaves(x, where, weights, xp)
    axes, is_mean = reduction(arrays, treedef, reduce, axis, keepdims=keepdims)
    return run.value(arrays, axes=axes, keepdims=keepdims, is_mean=is_mean)


@keywords.shown
def subgradient(
    x: Tree,
    /,
    *,
    axis: Axis = None,
    reduce: Reduction = "sum",
    where: Any = None,
    weights: Any = None,
    xp: Namespace | None = None,
    **unknown: Never,
) -> Tree:
    r"""Minimum-norm subgradient of `value` with respect to ``x``.

    .. math:: s_i = m_i w_i \operatorname{sign}(x_i), \quad \operatorname{sign}(z) = z/|z|,\;
              \operatorname{sign}(0) = 0

    divided by :math:`n` for a mean.

    Parameters
    ----------
    x, axis, reduce, where, weights, xp
        As for `value`. The axes matter only for a mean, because they decide what :math:`n` counts.

    Returns
    -------
    array or pytree of arrays
        Of the shape, dtype, library and device of ``x``; for a pytree, the same pytree, in which an iterable
        that is not a list, tuple or mapping has become a list. It is never part of an autograd graph.

    Raises
    ------
    TypeError, ValueError, numpy.exceptions.AxisError
        As for `value`.

    Notes
    -----
    The subgradient is 0 at ±0 and where the mask is False, ±w at ±inf, and NaN at NaN. 0 is the element of
    least norm in the subdifferential :math:`[-1, 1]` of :math:`|x|` at 0. The identity
    :math:`\sum_i w_i|x_i| = \operatorname{Re}\langle x, s\rangle` holds.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> l1.subgradient(np.asarray([-2.0, 0.0, 5.0]), reduce="mean")
    array([-0.33333333,  0.        ,  0.33333333])
    """
    if unknown:
        keywords.refuse(subgradient, unknown)
    arrays, treedef = leaves(x, where, weights, xp)
    axes, is_mean = reduction(arrays, treedef, reduce, axis)
    s: Tree = unflatten(treedef, run.subgradient(arrays, axes=axes, is_mean=is_mean))
    return s


@keywords.shown
def value_and_subgradient(
    x: Tree,
    /,
    *,
    axis: Axis = None,
    keepdims: bool = False,
    reduce: Reduction = "sum",
    where: Any = None,
    weights: Any = None,
    xp: Namespace | None = None,
    **unknown: Never,
) -> tuple[Array, Tree]:
    """Both `value` and `subgradient`, computed in one call.

    Parameters
    ----------
    x, axis, keepdims, reduce, where, weights, xp
        As for `value`.

    Returns
    -------
    value : array
        As from `value`; differentiable.
    subgradient : array or pytree of arrays
        As from `subgradient`; a constant.

    Raises
    ------
    TypeError, ValueError, numpy.exceptions.AxisError
        As for `value`.

    Notes
    -----
    Plain arrays are read once: eager arrays in the CPU's memory that autograd does not record and no compiler
    traces. For other arrays this call evaluates both expressions, and the library decides how often it
    reads ``x``: compilers and Dask can fuse the two into one read, eager GPU and autograd operations do not.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> l1.value_and_subgradient({"a": np.asarray([1.5, -2.0])}, weights=0.1)
    (array(0.35), {'a': array([ 0.1, -0.1])})
    """
    if unknown:
        keywords.refuse(value_and_subgradient, unknown)
    arrays, treedef = leaves(x, where, weights, xp)
    axes, is_mean = reduction(arrays, treedef, reduce, axis, keepdims=keepdims)
    total, s = run.value_and_subgradient(arrays, axes=axes, keepdims=keepdims, is_mean=is_mean)
    return total, unflatten(treedef, s)


@keywords.shown
def subgradient_norm(
    x: ArrayTree,
    /,
    *,
    reduce: Reduction = "sum",
    where: Any = None,
    weights: Any = None,
    xp: Namespace | None = None,
    **unknown: Never,
) -> Array:
    r"""L2 norm of `subgradient`, from a closed form that needs no array of the size of ``x``.

    .. math:: \lVert s \rVert_2 = \Bigl(\sum_{x_i \ne 0} (m_i w_i)^2\Bigr)^{1/2}

    divided by :math:`n` for a mean.

    Parameters
    ----------
    x, reduce, where, weights, xp
        As for `value`.

    Returns
    -------
    array
        A 0-d constant with the dtype, library and device of ``value(x)``. It is NaN if the mask selects a
        NaN in ``x``.

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
    if unknown:
        keywords.refuse(subgradient_norm, unknown)
    arrays, treedef = leaves(x, where, weights, xp)
    _, is_mean = reduction(arrays, treedef, reduce)
    return norms.subgradient_norm(arrays, is_mean=is_mean)
