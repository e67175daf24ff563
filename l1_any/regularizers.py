"""Regularizers: functions of training data and log-probabilities that return a penalty and metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from . import _array, _checks, _reduce, _tree, targets
from ._reduce import Leaf
from ._typing import Array, ArrayTree, Namespace, Reduction
from .data import Batch


@runtime_checkable
class Regularizer(Protocol):
    """What joins a pipeline as a term, beside plain functions of the form of `compute`.

    It may also have ``subgradient(data, logprobs)``, the gradient of its penalty in the structure of ``logprobs``,
    and ``subgradient_norm(data, logprobs)``, the L2 norm of that. A pipeline takes these where they exist, and
    needs the first in libraries without automatic differentiation.
    """

    name: str

    def compute(self, data: Any, logprobs: ArrayTree) -> tuple[Array, Mapping[str, Any]]:  # noqa: ANN401
        """Return the penalty, a 0-d array, and metrics by name."""


class _Selection(NamedTuple):
    """The batch, with x for each of its source arrays."""

    batch: Batch
    leaves: list[Leaf]
    xp: Namespace


@dataclass(frozen=True, eq=False)
class L1Regularizer:
    r"""L1 penalty on a target made of log-probabilities and data.

    .. math:: \sum_i m_i w_i |x_i| \quad\text{or}\quad \frac1n \sum_i m_i w_i |x_i|

    with the mask :math:`m`, the weights :math:`w` and the number :math:`n` of selected elements, of all examples
    together.

    Parameters
    ----------
    target : str, tuple or target object, optional
        What :math:`x` is.

        - ``"logprobs"``: the log-probabilities. For chosen tokens this *is* the negative log-likelihood.
        - ``"probs"``: their exponentials. Over a full vocabulary these sum to the number of rows, a constant.
        - ``("field", key)``: a field of every example, of any shape.
        - ``("delta", reference)``: the log-probabilities minus a reference: a field key, an array (or structure)
          that broadcasts to the log-probabilities, or ``Uniform(vocabulary_size)``.
    reduce : {"sum", "mean"}, optional
        A mean is over all selected elements of the batch, not a mean of means.
    where : str, boolean array or structure, optional
        What counts. A string names a field whose non-zero entries select.
    weights : str, float, array or structure, optional
        Multipliers >= 0. A string names a field.
    name : str, optional
        Name of the term in reports.

    Raises
    ------
    TypeError, ValueError
        An unknown target or reduction, a negative weight.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> data = [{"reference": [-1.0, -2.0]}, {"reference": [-0.5]}]
    >>> logprobs = [np.asarray([-1.5, -2.0]), np.asarray([-0.25])]
    >>> reg = l1.L1Regularizer(target=("delta", "reference"), reduce="mean")
    >>> penalty, metrics = reg.compute(data, logprobs)
    >>> penalty, metrics["l1_raw"]
    (array(0.25), array(0.75))
    >>> reg.subgradient(data, logprobs)
    [array([-0.33333333,  0.        ]), array([0.33333333])]
    """

    target: targets.TargetLike = "logprobs"
    reduce: Reduction = "sum"
    where: Any = None
    weights: Any = None
    name: str = "l1_sparsity"

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", targets.parse(self.target))
        _checks.is_mean(self.reduce)
        if not isinstance(self.name, str) or not self.name:
            raise TypeError(f"`name` must be a non-empty string, got {self.name!r}.")
        if isinstance(self.weights, int | float):
            _checks.number(self.weights, "weights")

    def compute(self, data: Any, logprobs: ArrayTree) -> tuple[Array, dict[str, Array]]:  # noqa: ANN401
        r"""Return the penalty and its metrics.

        Parameters
        ----------
        data : None, mapping or sequence of examples
            A mapping of fields of the whole batch; or one example per array (per row of a single array) of
            ``logprobs``: mappings, or objects with ``loss_fn_inputs``. Field values are arrays, lists of numbers, or
            objects with ``to_torch()`` or ``to_numpy()``; they are brought to the library and device of ``logprobs``.
        logprobs : array or list of arrays
            Log-probabilities of any shape, in a list one array per example.

        Returns
        -------
        penalty : array
            0-d, differentiable, of the library and device of ``logprobs``.
        metrics : dict
            ``"l1_raw"``, :math:`\sum m w |x|`, and ``"l1_mean"``, that over :math:`n`, whatever ``reduce``: constant
            0-d arrays, from the pass that made the penalty. The mean of nothing is NaN.

        Raises
        ------
        KeyError
            An example without the field.
        TypeError, ValueError
            Fields, masks or weights that do not fit, named with the index of their example.

        Notes
        -----
        Log-probabilities of -inf are legal: +inf for ``"logprobs"``, 0 for ``"probs"``. For ``"delta"``, -inf against a
        finite reference is +inf, and -inf against -inf is NaN unless masked out.
        """
        selection = self._select(data, logprobs)
        return self._penalty(selection)

    def subgradient(self, data: Any, logprobs: ArrayTree) -> ArrayTree:  # noqa: ANN401
        r"""Return the derivative of the penalty with respect to ``logprobs``.

        :math:`m w s(x)\,\partial x/\partial\text{lp}`, over :math:`n` for a mean: the slope of :math:`x` is 1 for
        ``"logprobs"`` and ``"delta"``, :math:`e^{\text{lp}}` for ``"probs"``, and 0 for a field, which is data.

        Parameters
        ----------
        data, logprobs
            As for `compute`.

        Returns
        -------
        array or list of arrays
            In the structure, shapes and dtypes of ``logprobs``; a constant.

        Raises
        ------
        KeyError, TypeError, ValueError
            As for `compute`.
        """
        batch, leaves, xp = self._select(data, logprobs)
        gradients = self._derivative(leaves, xp)
        target: Any = self.target
        return _tree.unflatten(batch.structure, target.pull_back(gradients, leaves, batch))

    def subgradient_norm(self, data: Any, logprobs: ArrayTree) -> Array:  # noqa: ANN401
        r"""Return the L2 norm of `subgradient` without making that array.

        :math:`\bigl(\sum_{x \ne 0} (m w)^2\bigr)^{1/2}`, for ``"probs"``
        :math:`\bigl(\sum (m w e^{\text{lp}})^2\bigr)^{1/2}`, over :math:`n` for a mean; 0 for a field.

        Parameters
        ----------
        data, logprobs
            As for `compute`.

        Returns
        -------
        array
            0-d, a constant, of the library and device of ``logprobs``.

        Raises
        ------
        KeyError, TypeError, ValueError
            As for `compute`.
        """
        batch, leaves, xp = self._select(data, logprobs)
        if isinstance(self.target, targets.Field):
            first = batch.arrays[0]
            return _array.full((), 0, _array.result_dtype(first, xp), first, xp)
        return self._norm(leaves, xp)

    @property
    def _mean(self) -> bool:
        return self.reduce == "mean"

    def _select(self, data: Any, logprobs: ArrayTree) -> _Selection:  # noqa: ANN401
        batch = Batch.of(data, logprobs)
        target: Any = self.target
        source = target.source(batch)
        arrays, structure = _tree.flatten(source, "x")
        single = structure is _tree.LEAF
        where, weights = self.where, self.weights
        if isinstance(where, str):
            masks = batch.mask(where, arrays, single=single)
            where = _tree.unflatten(structure, masks)
        if isinstance(weights, str):
            weights = _tree.unflatten(structure, batch.numbers(weights, arrays, single=single))
        leaves, _, xp = _checks.leaves(source, where, weights, batch.xp)
        if self._mean:
            _checks.not_empty(leaves, None)
        return _Selection(batch, target.apply(leaves, batch), xp)

    def _penalty(self, selection: _Selection) -> tuple[Array, dict[str, Array]]:
        total, mean = _reduce.sum_and_mean(selection.leaves, xp=selection.xp)
        metrics = {"l1_raw": _array.detach(total), "l1_mean": _array.detach(mean)}
        return mean if self._mean else total, metrics

    def _derivative(self, leaves: Sequence[Leaf], xp: Namespace) -> list[Array]:
        return _reduce.subgradient(leaves, axes=None, mean=self._mean, xp=xp)

    def _norm(self, leaves: Sequence[Leaf], xp: Namespace) -> Array:
        if isinstance(self.target, targets.Probs):  # s = 1 where the slope, x itself, is not 0
            return _reduce.norm(leaves, mean=self._mean, xp=xp)
        return _reduce.subgradient_norm(leaves, mean=self._mean, xp=xp)
