"""The proximal step around any torch optimizer."""

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer

from l1_any._arguments import keywords
from l1_any._arguments.numbers import number
from l1_any._typing import Axis

from ._exclusion import Exclusion, check_patterns
from ._group_axis import check_min_ndim
from ._param_groups import AdmittedGroup, Schedule, admitted
from ._tensors import whole
from ._thresholds import threshold_all

_STATE_DICT_HOOKS = (
    "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks",
    "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)


@keywords.checked_class
class ProximalL1(Optimizer):  # type: ignore[misc]
    r"""Soft-threshold the parameters after each step of another optimizer, so that L1 gives exact zeros.

    .. math:: p \leftarrow \operatorname{prox}_{\eta\lambda\lVert\cdot\rVert_1}(\text{inner step}(p))

    with the learning rate :math:`\eta` of a parameter's group and its strength :math:`\lambda`.

    Parameters
    ----------
    inner_optimizer : torch.optim.Optimizer
        Any optimizer; its parameter groups, state and defaults are shared, not copied.
    strength : float or callable
        Factor of the L1 norm, >= 0, for the groups that hold no ``"strength"`` of their own. A group with
        strength 0 has no L1. A callable is a schedule: it gets the number of steps taken so far, and sets the
        group's ``"strength"`` before each threshold. A number may be changed in ``param_groups`` while
        training. A group's own strength may also come from a loaded state, or from an earlier `ProximalL1` of
        the same inner optimizer.
    group_axis : int or tuple of int, optional
        Use the sum of the L2 norms along these axes instead of the L1 norm, so that zeros are whole slices: 1
        for the rows of a linear layer, ``(1, 2, 3)`` for the output channels of a 2-D convolution. It applies
        to the groups that hold no ``"group_axis"`` of their own.
    min_ndim : int, optional
        The fewest dimensions of a parameter with L1. 2 leaves out biases and the scales of norms, which would
        become 0 as readily as weights. 0, the default, leaves out nothing.
    exclude : str, sequence of str or callable, optional
        Parameters without L1: shell-style patterns of their names (``"*.bias"``), for which the inner
        optimizer must have been given ``model.named_parameters()``; or a function of name (None without
        names) and parameter that returns whether to leave it out.

    Raises
    ------
    TypeError
        ``inner_optimizer`` is not a torch optimizer, or is a `ProximalL1` itself; a strength is neither a
        number nor callable; axes or ``min_ndim`` are not ints; ``exclude`` is of another type.
    ValueError
        A strength is negative or not finite; ``min_ndim`` is negative; a pattern is given where parameters have
        no names, or matches none of the names; a parameter does not have the axes of ``group_axis``; a group has
        no learning rate.

    Notes
    -----
    The step is decoupled from the gradient, as AdamW's weight decay is: the threshold is :math:`\eta\lambda`,
    even if the optimizer scales the gradient. With plain SGD the fixed point minimises the loss plus
    :math:`\lambda\lVert p\rVert_1`. Momentum :math:`\beta` multiplies a steady gradient by
    :math:`1/(1-\beta)`, so the fixed point minimises the loss plus
    :math:`(1-\beta)\lambda\lVert p\rVert_1`. With Adam the fixed point minimises no such sum, just as the fixed
    point of AdamW minimises no sum with an L2 penalty.

    A parameter without gradient is left alone, as by the inner optimizer. Parameters that share all of their
    memory, even transposed or reshaped, are thresholded once; parameters that share only a part are each
    thresholded. Thresholds work in place, with one temporary of a parameter's size at a time (a few where one
    group is the whole parameter), and a ``DTensor`` stays sharded. In half precision a threshold below half a
    unit in the last place of an element does not change that element: keep float32 parameters there, as for
    any small learning rate.

    The class is a `torch.optim.Optimizer`, so schedulers, closures, hooks and ``torch.amp.GradScaler`` work with
    it; a step that the scaler skips has no threshold. ``state_dict`` is that of the inner optimizer, with
    strengths and steps in its groups, and each of the two optimizers loads what the other saved. Schedules
    themselves are not saved. Groups and parameters may be added, removed, reordered or replaced in the inner
    optimizer: before each step, new ones get the strength, axes and exclusion that are given here. Hooks for
    all optimizers (`torch.optim.optimizer.register_optimizer_step_post_hook`) see both optimizers.

    Examples
    --------
    >>> import torch
    >>> import l1_any as l1
    >>> model = torch.nn.Linear(20, 1)
    >>> inner = torch.optim.SGD(model.parameters(), lr=0.5)
    >>> opt = l1.optim.ProximalL1(inner, strength=0.02, min_ndim=2)
    >>> x = torch.eye(20)
    >>> for _ in range(100):
    ...     opt.zero_grad()
    ...     torch.nn.functional.mse_loss(model(x), x[:, :1]).backward()
    ...     opt.step()
    >>> opt.sparsity()
    [0.95]

    A function or patterns of names leave out more, here the embeddings:

    >>> inner = torch.optim.SGD(model.named_parameters(), lr=0.5)
    >>> opt = l1.optim.ProximalL1(inner, strength=0.02, min_ndim=2, exclude=lambda name, p: "embed" in name)
    """

    _admitted: list[AdmittedGroup]

    def __init__(
        self,
        inner_optimizer: Optimizer,
        strength: float | Schedule,
        *,
        group_axis: Axis = None,
        min_ndim: int = 0,
        exclude: Exclusion | None = None,
    ) -> None:
        if isinstance(inner_optimizer, ProximalL1):
            raise TypeError(
                "`inner_optimizer` must be no ProximalL1; change the strengths in `param_groups`."
            )
        if not isinstance(inner_optimizer, Optimizer):
            got = type(inner_optimizer).__name__
            raise TypeError(f"`inner_optimizer` must be a torch.optim.Optimizer, got {got}.")
        if not callable(strength):
            strength = number(strength, "strength")
        self.__setstate__(
            {
                "inner_optimizer": inner_optimizer,
                "_group_defaults": {"strength": strength, "group_axis": group_axis},
                "_exclude": exclude,
                "_min_ndim": check_min_ndim(min_ndim),
                "_admitted": [],
            }
        )
        names = [name for group in self.param_groups for name in group.get("param_names", ())]
        check_patterns(exclude, names)
        self._groups()

    def __getstate__(self) -> dict[str, Any]:
        names = ("inner_optimizer", "_group_defaults", "_exclude", "_min_ndim", "_admitted")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name in _STATE_DICT_HOOKS:
            setattr(self, name, getattr(self.inner_optimizer, name))
        super().__setstate__({})

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The inner optimizer's groups, with ``"strength"``, ``"strength_step"`` and ``"group_axis"``."""
        return self.inner_optimizer.param_groups  # type: ignore[no-any-return]

    @property
    def state(self) -> Any:
        """The inner optimizer's state."""
        return self.inner_optimizer.state

    @property
    def defaults(self) -> dict[str, Any]:
        """The inner optimizer's defaults."""
        return self.inner_optimizer.defaults  # type: ignore[no-any-return]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step of the inner optimizer, then threshold.

        Parameters
        ----------
        closure : callable, optional
            Evaluates the model again and returns the loss, as for the inner optimizer.

        Returns
        -------
        Tensor, float or None
            What the inner optimizer returns.

        Raises
        ------
        TypeError, ValueError
            A group's ``"strength"`` is not a finite number >= 0, or `ProximalL1` would refuse a group that was
            added to the inner optimizer directly. No step is taken then.
        """
        # GradScaler calls an optimizer that has `_step_supports_amp_scaling` even for a step that it skips. This
        # class never has the attribute, even if the inner optimizer has it, so that a skipped step has no threshold.
        groups = self._groups()
        strengths = [
            group.strength(index) for index, group in enumerate(groups)
        ]  # an error must come before the step
        loss = self.inner_optimizer.step() if closure is None else self.inner_optimizer.step(closure)
        with torch.no_grad():
            threshold_all(groups, strengths)
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:  # noqa: FBT001, FBT002 - torch's own signature
        """Reset the gradients, as the inner optimizer does.

        Parameters
        ----------
        set_to_none : bool, optional
            As for the inner optimizer.
        """
        self.inner_optimizer.zero_grad(set_to_none)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group to the inner optimizer.

        Parameters
        ----------
        param_group : dict
            As for the inner optimizer. It keeps a ``"strength"`` and a ``"group_axis"`` of its own.
        """
        self._groups()
        self.inner_optimizer.add_param_group(param_group)
        try:
            self._groups()
        except BaseException:
            self.param_groups.pop()
            raise

    def state_dict(self) -> dict[str, Any]:
        """Return the inner optimizer's state, with strengths and steps in its groups.

        Returns
        -------
        dict
            What `load_state_dict` loads, here or in the inner optimizer.
        """
        self._groups()
        return self.inner_optimizer.state_dict()  # type: ignore[no-any-return]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state into the inner optimizer.

        Parameters
        ----------
        state_dict : dict
            What `state_dict` returned, or a state of the inner optimizer, which changes no strength.
        """
        self._groups()
        inner = self.inner_optimizer
        before = inner.state, inner.param_groups
        inner.load_state_dict(state_dict)
        try:
            self._groups()
        except BaseException:
            inner.state, inner.param_groups = before
            raise

    def sparsity(self) -> list[float]:
        """Return the share of exact zeros in each group, among the parameters that are thresholded.

        Returns
        -------
        list of float
            One for each of ``param_groups``; NaN where nothing is thresholded.

        Notes
        -----
        The call waits for the device. With a ``DTensor`` it waits for the other processes, which must all make
        the same call.
        """
        return [_share_of_zeros(group) for group in self._groups()]

    def _groups(self) -> list[AdmittedGroup]:
        """Return the current groups; groups that were added to the inner optimizer directly are admitted."""
        self._admitted = admitted(
            self.param_groups, self._admitted, self._group_defaults, self._exclude, self._min_ndim
        )
        return self._admitted


def _share_of_zeros(group: AdmittedGroup) -> float:
    parameters = [p.detach() for p in group.params if p in group.thresholded]
    total = sum(p.numel() for p in parameters)
    zeros = sum(int(whole((p == 0).sum())) for p in parameters)
    return zeros / total if total else float("nan")
