"""The proximal step as the last transformation of an optax chain."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from l1_any._arguments import keywords
from l1_any._arguments.numbers import number
from l1_any._typing import Array, Axis
from l1_any.groups import prox_group
from l1_any.proximal import prox

from ._group_axis import as_ints, check_axes, check_min_ndim

Schedule = Callable[[Array], Array | float]


class ProximalL1State(NamedTuple):
    """The state of `proximal_l1`: the number of steps taken, for its schedules."""

    count: Array


@keywords.checked
def proximal_l1(
    learning_rate: float | Array | Schedule,
    strength: float | Array | Schedule,
    *,
    mask: Any = None,
    group_axis: Axis = None,
    min_ndim: int = 0,
) -> optax.GradientTransformationExtraArgs:
    r"""Soft-threshold the updated parameters, so that L1 gives exact zeros.

    .. math:: u \leftarrow \operatorname{prox}_{\eta\lambda\lVert\cdot\rVert_1}(p + u) - p

    for parameters :math:`p`, the update :math:`u` of the transformations before it, the learning rate
    :math:`\eta` and the strength :math:`\lambda`. The transformation belongs at the end of the chain.

    Parameters
    ----------
    learning_rate : float, 0-d array or callable
        The learning rate of the transformations before this one. A callable is a schedule: a function of the
        number of steps taken.
    strength : float, 0-d array or callable
        Factor of the L1 norm, >= 0. A callable is a schedule too.
    mask : pytree of bool or callable, optional
        Which parameters have an L1 norm, as for `optax.masked`: a pytree like the parameters or a
        prefix of it, or a function of the parameters that returns one. All of them by default.
    group_axis : int or tuple of int, optional
        Use the sum of the L2 norms along these axes instead of the L1 norm, so that zeros are whole slices.
    min_ndim : int, optional
        The fewest dimensions of a parameter with L1. 2 leaves out biases and the scales of norms, which would
        become 0 as readily as weights. 0, the default, leaves out nothing.

    Returns
    -------
    optax.GradientTransformationExtraArgs
        Its ``update`` needs ``params``.

    Raises
    ------
    TypeError, ValueError
        A learning rate or strength is neither a finite number >= 0 nor a 0-d array (the value of an array is
        not checked), axes or ``min_ndim`` are not ints, or ``min_ndim`` is negative. ``update`` raises if
        ``params`` is missing, if a schedule returns a number that is negative or not finite, or if a parameter
        does not have the axes.

    Notes
    -----
    The step is decoupled from the gradient, as AdamW's weight decay is: the threshold is :math:`\eta\lambda`,
    even if the optimizer scales the gradient. With plain SGD the fixed point minimises the loss plus
    :math:`\lambda\lVert p\rVert_1`. Momentum :math:`\beta` multiplies a steady gradient by
    :math:`1/(1-\beta)`, so the fixed point minimises the loss plus
    :math:`(1-\beta)\lambda\lVert p\rVert_1`. With Adam the fixed point minimises no such sum, just as the fixed
    point of AdamW minimises no sum with an L2 penalty.
    `optax.apply_updates` gives exact zeros, since :math:`p + (0 - p) = 0`.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import optax
    >>> import l1_any as l1
    >>> tx = optax.chain(optax.sgd(0.5), l1.optim.proximal_l1(0.5, strength=0.2, min_ndim=2))
    >>> params = {"bias": jnp.asarray([0.05]), "kernel": jnp.asarray([[0.05, -2.0]])}
    >>> updates, state = tx.update(optax.tree.zeros_like(params), tx.init(params), params)
    >>> optax.apply_updates(params, updates)
    {'bias': Array([0.05], dtype=float32), 'kernel': Array([[ 0. , -1.9]], dtype=float32)}
    """
    axis, least = as_ints(group_axis), check_min_ndim(min_ndim)
    rate_at = _schedule(learning_rate, "learning_rate")
    strength_at = _schedule(strength, "strength")

    def init(params: optax.Params) -> ProximalL1State:
        del params
        return ProximalL1State(jnp.zeros((), jnp.int32))

    def update(
        updates: optax.Updates, state: ProximalL1State, params: optax.Params | None = None
    ) -> tuple[optax.Updates, ProximalL1State]:
        if params is None:
            raise ValueError(
                "`params` must be given to `update`: the proximal step is one of the parameters."
            )
        step = rate_at(state.count) * strength_at(state.count)

        def towards_zeros(p: Array, u: Array | None) -> Array | None:
            if u is None or p.ndim < least:
                return u
            moved = jnp.astype(p + u, p.dtype)
            if axis is None:
                return prox(moved, step) - p
            check_axes(axis, p.shape, "one", "`mask`")
            return prox_group(moved, step, axis=axis) - p

        updates = jax.tree.map(towards_zeros, params, updates)
        return updates, ProximalL1State(optax.safe_increment(state.count))

    tx = optax.GradientTransformation(init, update)
    return optax.with_extra_args_support(tx) if mask is None else optax.masked(tx, mask)


def _schedule(value: float | Array | Schedule, name: str) -> Schedule:
    if not callable(value):
        value = _checked(value, name)
        return lambda _: value
    return lambda count: _checked(value(count), name)


def _checked(value: Any, name: str) -> float | Array:
    """Return a checked number, or a 0-d array, of which the value is not checked."""
    if not isinstance(value, jax.Array | np.ndarray):
        return number(value, name, "a number or a 0-d array")
    if value.shape:
        raise ValueError(f"`{name}` must be a number or a 0-d array, got shape {value.shape}.")
    return jnp.asarray(value)
