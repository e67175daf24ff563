"""The penalty of a target: the base class of the regularizers."""

from typing import TYPE_CHECKING, Any

from l1_any._arguments.leaves import is_mean, leaves, not_empty
from l1_any._arguments.numbers import is_number, number
from l1_any._arguments.pytrees import LEAF, flatten, unflatten
from l1_any._formulas.penalty import Penalty
from l1_any._run import norms
from l1_any._run import reduce as run
from l1_any._run.leaves import constant
from l1_any._typing import Array, ArrayTree, Leaf, Reduction, Tree

from . import masks, targets
from .batch import Batch
from .evaluation import Evaluation

if TYPE_CHECKING:
    from l1_any._arrays.standard import ArrayOps


class TargetRegularizer:
    """A penalty on a target, summed or averaged over the selected elements of all examples."""

    target: targets.TargetLike
    reduce: Reduction
    where: Any
    weights: Any
    name: str
    zero_if_empty: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", targets.parse(self.target))
        is_mean(self.reduce)
        masks.named(self.where)
        if not isinstance(self.name, str) or not self.name:
            raise TypeError(f"`name` must be a non-empty string, got {self.name!r}.")
        if is_number(self.weights):
            object.__setattr__(self, "weights", number(self.weights, "weights"))

    def __init_subclass__(cls, **options: Any) -> None:
        """Remove `evaluate_batch` from a subclass that overrides `compute` or a gradient: pipelines must call those."""
        super().__init_subclass__(**options)
        names = ("compute", "subgradient", "subgradient_norm")  # a mixin may override them too
        overrides = [name for name in names if getattr(cls, name) is not getattr(TargetRegularizer, name)]
        if overrides and "evaluate_batch" not in vars(cls):
            cls.evaluate_batch = None  # type: ignore[method-assign, assignment]

    def __call__(self, data: Any, logprobs: ArrayTree) -> tuple[Array, dict[str, Array]]:
        """Return the penalty and its metrics: `compute`, called as a pipeline is.

        Parameters
        ----------
        data, logprobs
            As for `compute`.

        Returns
        -------
        penalty, metrics
            As from `compute`.

        Raises
        ------
        KeyError, TypeError, ValueError
            As for `compute`.
        """
        return self.compute(data, logprobs)

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
            Constant 0-d arrays, which do not depend on ``reduce``: ``"l1_raw"`` is :math:`\sum m w |x|`, and
            ``"l1_mean"`` is the same divided by :math:`n`. The mean over no elements is NaN, or 0 with
            ``zero_if_empty=True``.

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
        return self._reduced(*self.with_penalty(self._select(Batch(data, logprobs))))

    def subgradient(self, data: Any, logprobs: Tree) -> Tree:
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
            A constant, or a list of constants, with the shapes and dtypes of ``logprobs``.

        Raises
        ------
        KeyError, TypeError, ValueError
            As for `compute`.
        """
        batch = Batch(data, logprobs)
        x, penalty = self.with_penalty(self._select(batch))
        gradient: Tree = unflatten(batch.treedef, self._gradient(x, batch, penalty))
        return gradient

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
        batch = Batch(data, logprobs)
        x, penalty = self.with_penalty(self._select(batch))
        return self._norm(x, batch, penalty)

    def evaluate_batch(self, batch: Batch, *, gradient: bool, norm: bool) -> Evaluation:
        """Return value and metrics, and gradient and norm if requested. The target is computed only once."""
        x, penalty = self.with_penalty(self._select(batch))
        value, metrics = self._reduced(x, penalty)
        if not gradient:
            return Evaluation(value, metrics)
        if batch.ops.is_differentiated:
            x = [constant(leaf) for leaf in x]
        found = self._gradient(x, batch, penalty)
        return Evaluation(value, metrics, found, self._norm(x, batch, penalty) if norm else None)

    def _reduced(self, x: list[Leaf], penalty: Penalty) -> tuple[Array, dict[str, Array]]:
        found = run.reductions(x, penalty=penalty)
        mean, raw_mean = found.mean, found.raw_mean
        if self.zero_if_empty:
            mean, raw_mean = _zero_if_empty([mean, raw_mean], found, x[0].ops)
        value = mean if self.reduce == "mean" else found.total
        return value, {"l1_raw": found.raw, "l1_mean": raw_mean}

    def _gradient(self, x: list[Leaf], batch: Batch, penalty: Penalty) -> list[Array]:
        target: Any = self.target
        found = run.subgradient(x, axes=None, is_mean=self.reduce == "mean", penalty=penalty)
        pulled: list[Array] = target.pull_back(found, x, batch)
        return pulled

    def _norm(self, x: list[Leaf], batch: Batch, penalty: Penalty) -> Array:
        target: Any = self.target
        if target.size is None:
            first, ops = batch.arrays[0], batch.ops
            return ops.full((), 0, ops.result_dtype, first)
        return norms.norm(x, is_mean=self.reduce == "mean", size=target.size, penalty=penalty)

    def _select(self, batch: Batch) -> list[Leaf]:
        """Return x for each of the source arrays, with its mask and weights."""
        target: Any = self.target
        source = target.source(batch)
        name = f"data[{target.key!r}]" if isinstance(target, targets.Field) else "logprobs"
        where, weights = self.where, self.weights
        if where is None and weights is None and source is batch.logprobs:
            selected = batch.leaves
            if self.reduce == "mean":
                not_empty(selected, None)
            whole: list[Leaf] = target.apply(selected, batch)
            return whole
        mask = masks.named(where)
        if mask is not None or isinstance(weights, str):
            arrays, _, treedef = flatten(source, name)
            single = treedef is LEAF
            if mask is not None:
                where = unflatten(treedef, batch.mask(mask, arrays, single=single))
            if isinstance(weights, str):
                weights = unflatten(treedef, batch.numbers(weights, arrays, single=single))
        selected, _ = leaves(source, where, weights, None, name)
        if self.reduce == "mean":
            not_empty(selected, None)
        found: list[Leaf] = target.apply(selected, batch)
        return found

    def with_penalty(self, x: list[Leaf]) -> tuple[list[Leaf], Penalty]:
        """Return x and the function that is summed over its elements."""
        return x, self.penalty()

    def penalty(self) -> Penalty:
        """Return the function h(x) that is summed over the elements."""
        raise NotImplementedError


def _zero_if_empty(means: list[Array], found: run.Reductions, ops: "ArrayOps") -> list[Array]:
    """Return means that are 0 where they are NaN because nothing is selected: a NaN that is selected is in the sum."""
    is_nan = ops.xp.isnan
    empty = ops.xp.logical_and(is_nan(found.raw_mean), ops.xp.logical_not(is_nan(found.raw)))
    return [ops.as_array(ops.where(empty, ops.zero(m), m)) for m in means]
