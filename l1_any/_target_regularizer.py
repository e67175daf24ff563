"""The penalty of a target: what the regularizers have in common, whatever they sum."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from . import _array, _checks, _formula, _reduce, _tree, targets
from ._penalty import Penalty
from ._typing import Array, ArrayTree, Leaf, Namespace, Reduction
from .data import Batch


class _Selection(NamedTuple):
    """The batch, with x for each of its source arrays."""

    batch: Batch
    leaves: list[Leaf]
    xp: Namespace


@dataclass(frozen=True)
class _SquaredGradient:
    """(m·w·h'(x)·∂x/∂lp)², with a slope of 1 or, for probabilities, of x itself."""

    penalty: Penalty
    times_x: bool

    def terms(self, x: Array, where: Array | None, weights: Array | None, /, *, xp: Namespace) -> Array:
        x = _array.widest(_formula.selected(x, where, xp=xp), xp)
        gradient = self.penalty.gradient(x, where, weights, None, xp=xp)
        if self.times_x:
            gradient = gradient * x
        return gradient * gradient


class TargetRegularizer:
    """A penalty on a target, summed or averaged over what is selected of all examples."""

    target: targets.TargetLike
    reduce: Reduction
    where: Any
    weights: Any
    name: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", targets.parse(self.target))
        _checks.is_mean(self.reduce)
        if not isinstance(self.name, str) or not self.name:
            raise TypeError(f"`name` must be a non-empty string, got {self.name!r}.")
        if _checks.is_number(self.weights):
            object.__setattr__(self, "weights", _checks.number(self.weights, "weights"))

    def compute(self, data: Any, logprobs: ArrayTree) -> tuple[Array, dict[str, Array]]:
        r"""Return the penalty and its metrics.

        Parameters
        ----------
        data : None, mapping or sequence of examples
            A mapping of fields of the whole batch; or one example per array (per row of a single array) of
            ``logprobs``: mappings, or objects with ``loss_fn_inputs``. Field values are arrays, lists of
            numbers, or objects with ``to_torch()`` or ``to_numpy()``; they are brought to the library and
            device of ``logprobs``.
        logprobs : array or list of arrays
            Log-probabilities of any shape, in a list one array per example.

        Returns
        -------
        penalty : array
            0-d, differentiable, of the library and device of ``logprobs``.
        metrics : dict
            ``"l1_raw"``, :math:`\sum m w |x|`, and ``"l1_mean"``, that over :math:`n`, whatever ``reduce``:
            constant 0-d arrays, from the pass that made the penalty. The mean of nothing is NaN.

        Raises
        ------
        KeyError
            An example without the field.
        TypeError, ValueError
            Fields, masks or weights that do not fit, named with the index of their example.

        Notes
        -----
        Log-probabilities of -inf are legal: +inf for ``"logprobs"``, 0 for ``"probs"``. For ``"delta"``,
        -inf against a finite reference is +inf, and -inf against -inf is NaN unless masked out.
        """
        _, leaves, xp = self._select(data, logprobs)
        found = _reduce.reductions(leaves, xp=xp, penalty=self._penalty())
        return found.mean if self._mean else found.total, {"l1_raw": found.raw, "l1_mean": found.raw_mean}

    def subgradient(self, data: Any, logprobs: ArrayTree) -> ArrayTree:
        r"""Return the derivative of the penalty with respect to ``logprobs``.

        :math:`m w s(x)\,\partial x/\partial\text{lp}`, over :math:`n` for a mean: the slope of :math:`x` is 1
        for ``"logprobs"`` and ``"delta"``, :math:`e^{\text{lp}}` for ``"probs"``, and 0 for a field, which is
        data.

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
        gradients = _reduce.subgradient(leaves, axes=None, mean=self._mean, xp=xp, penalty=self._penalty())
        target: Any = self.target
        return _tree.unflatten(batch.structure, target.pull_back(gradients, leaves, batch))

    def subgradient_norm(self, data: Any, logprobs: ArrayTree) -> Array:
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
        squares = _SquaredGradient(self._penalty(), times_x=isinstance(self.target, targets.Probs))
        return _reduce.norm(leaves, mean=self._mean, xp=xp, squares=squares.terms)

    @property
    def _mean(self) -> bool:
        return self.reduce == "mean"

    def _select(self, data: Any, logprobs: ArrayTree) -> _Selection:
        batch = Batch.of(data, logprobs)
        target: Any = self.target
        source = target.source(batch)
        name = f"data[{target.key!r}]" if isinstance(target, targets.Field) else "logprobs"
        arrays, structure = _tree.flatten(source, name)
        single = structure is _tree.LEAF
        where, weights = self.where, self.weights
        if isinstance(where, str):
            masks = batch.mask(where, arrays, single=single)
            where = _tree.unflatten(structure, masks)
        if isinstance(weights, str):
            weights = _tree.unflatten(structure, batch.numbers(weights, arrays, single=single))
        leaves, _, xp = _checks.leaves(source, where, weights, batch.xp, name)
        if self._mean:
            _checks.not_empty(leaves, None)
        return _Selection(batch, target.apply(leaves, batch), xp)

    def _penalty(self) -> Penalty:
        """Return what is summed for each element."""
        raise NotImplementedError
