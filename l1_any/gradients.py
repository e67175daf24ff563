"""The value of a loss together with its gradient with respect to the log-probabilities, and norms of such."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import _array, _autodiff, _checks, _reduce, _tree, terms
from ._typing import Array, ArrayTree, Leaf, Namespace
from .data import Batch
from .regularizers import L1Regularizer, SoftL1Regularizer

Gradient = list[Array]


class Evaluation(NamedTuple):
    """What one call of a loss gave."""

    value: Array
    metrics: dict[str, Any]
    gradient: ArrayTree = None  # an array for each of the log-probabilities', if it was asked for
    norm: Array | None = None
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Call:
    """A loss to be called once; its gradient is the one it states, else that of automatic differentiation."""

    loss: Any
    name: str
    batch: Batch
    gradient: bool
    norm: bool
    background: bool = False

    @property
    def is_async(self) -> bool:
        """Whether it must be awaited."""
        return terms.is_async(self.loss)

    def run(self) -> Evaluation:
        """Call the loss."""
        start, first = self._now(), self.batch.arrays[0]
        with terms.named(self.name):
            if not self.gradient or self._states_gradient:
                return self._stated(*self._checked(self._compute(self._data, self.batch.logprobs)), start)
            if not _autodiff.is_available(first):
                raise self._no_gradient(
                    f"{_array.library_name(self.batch.xp)} has no automatic differentiation"
                )
            if not _autodiff.by_graph(first):
                return self._found(*self._transformed(), start)
            arrays = _autodiff.inputs(self.batch.arrays)
            with _autodiff.recording():
                value, metrics = self._checked(self._compute(self.batch.data, self._logprobs(arrays)))
            return self._recorded(value, metrics, arrays, start)

    async def run_async(self) -> Evaluation:
        """Await the loss; JAX cannot transform a coroutine."""
        start = self._now()
        with terms.named(self.name):
            if not self.gradient or self._states_gradient:
                return self._stated(
                    *self._checked(await self._compute(self._data, self.batch.logprobs)), start
                )
            if not _autodiff.by_graph(self.batch.arrays[0]):
                raise self._no_gradient(
                    f"{_array.library_name(self.batch.xp)} cannot differentiate a coroutine"
                )
            # The caller's gradient mode stays: a context of ours would reach what else the loop runs.
            arrays = _autodiff.inputs(self.batch.arrays)
            value, metrics = self._checked(await self._compute(self.batch.data, self._logprobs(arrays)))
            return self._recorded(value, metrics, arrays, start)

    @property
    def _compute(self) -> Any:
        return terms.compute(self.loss)

    @property
    def _data(self) -> Any:
        """The data as given, or for our own regularizers with the fields that were read before."""
        return self.batch if type(self.loss) in {L1Regularizer, SoftL1Regularizer} else self.batch.data

    @property
    def _states_gradient(self) -> bool:
        return callable(getattr(self.loss, "subgradient", None))

    def _logprobs(self, arrays: Gradient) -> ArrayTree:
        return _tree.unflatten(self.batch.structure, arrays)

    def _checked(self, result: Any) -> tuple[Array, dict[str, Any]]:
        return terms.checked(result, self.name, self.batch)

    def _stated(self, value: Array, metrics: dict[str, Any], start: float) -> Evaluation:
        if not self.gradient:
            return Evaluation(value, metrics, seconds=self._now() - start)
        stated = self.loss.subgradient(self._data, self.batch.logprobs)
        gradient, norm = self._like_logprobs(stated), None
        if self.norm and hasattr(self.loss, "subgradient_norm"):
            norm = self.loss.subgradient_norm(self._data, self.batch.logprobs)
        return self._found(value, metrics, gradient, start, norm)

    def _found(
        self,
        value: Array,
        metrics: dict[str, Any],
        gradient: Gradient,
        start: float,
        norm: Array | None = None,
    ) -> Evaluation:
        if self.norm and norm is None:
            norm = norm_of(gradient, self.batch.xp)
        return Evaluation(value, metrics, gradient, _array.detach(norm), self._now() - start)

    def _recorded(self, value: Array, metrics: dict[str, Any], arrays: Gradient, start: float) -> Evaluation:
        try:
            gradient = _autodiff.recorded_gradient(value, arrays)
        except _autodiff.NotConnectedError:
            raise self._no_gradient("torch recorded no way from `logprobs` to its value") from None
        value = _autodiff.unrecorded(value, arrays, self.batch.arrays)
        return self._found(value, metrics, gradient, start)

    def _transformed(self) -> tuple[Array, dict[str, Any], Gradient]:
        def function(arrays: Gradient) -> tuple[Array, dict[str, Any]]:
            return self._checked(self._compute(self.batch.data, self._logprobs(arrays)))

        try:
            return _autodiff.transformed_gradient(function, self.batch.arrays)
        except _autodiff.NotConnectedError:
            raise self._no_gradient("its value does not depend on `logprobs`") from None

    def _like_logprobs(self, stated: Any) -> Gradient:
        name = f"the subgradient of term {self.name!r}"
        gradient = _tree.match(stated, self.batch.structure, name, "logprobs")
        for g, lp in zip(gradient, self.batch.arrays, strict=True):
            if not _array.is_array(g) or tuple(g.shape) != tuple(lp.shape):
                got = tuple(g.shape) if _array.is_array(g) else type(g).__name__
                shape = tuple(lp.shape)
                raise ValueError(f"`{name}` must have the shape of `logprobs`, {shape}, got {got}.")
            _checks.same_place(g, lp, name, "logprobs", self.batch.xp)
        return [_array.detach(g) for g in gradient]

    def _no_gradient(self, why: str) -> TypeError:
        return TypeError(
            f"The gradient of term {self.name!r} cannot be had: {why}. Give it a method "
            "`subgradient(data, logprobs)`, or set `track_grad_norms=False`."
        )

    def _now(self) -> float:
        """Return the time, which is no business of a compiler's."""
        return 0.0 if _array.is_traced(self.batch.arrays[0]) else time.perf_counter()


def norm_of(gradient: Gradient, xp: Namespace) -> Array:
    """‖g‖₂ over all its arrays."""
    return _reduce.norm([Leaf(g) for g in gradient], mean=False, xp=xp)


def cosine(a: Gradient, b: Gradient, norm_a: Array, norm_b: Array, xp: Namespace) -> Array:
    """Return ⟨a, b⟩ / (‖a‖‖b‖), NaN where one of them is zero."""
    dot = _reduce.dot([Leaf(x, None, y) for x, y in zip(a, b, strict=True)], xp=xp)
    both = _array.widest(norm_a, xp) * _array.widest(norm_b, xp)
    some = both > _array.zero(both, xp)
    nan = _array.full((), float("nan"), dot.dtype, dot, xp)
    ratio = xp.where(some, dot / xp.where(some, both, xp.ones_like(both)), nan)
    return _array.as_array(xp.astype(ratio, norm_a.dtype, copy=False))


def combined(gradients: Sequence[tuple[Array | float, Gradient]], batch: Batch) -> Gradient:
    """Σ weight·gradient, in the precision of results and rounded once to that of the log-probabilities."""
    xp, out = batch.xp, []
    for i, lp in enumerate(batch.arrays):
        dtype = _array.result_dtype(lp, xp)
        total = None
        for weight, gradient in gradients:
            g = xp.astype(gradient[i], dtype, copy=False)
            g = scaled(weight, g, xp)
            total = g if total is None else total + g
        out.append(_array.as_array(xp.astype(total, lp.dtype, copy=False)))
    return out


def scaled(weight: Array | float, x: Array, xp: Namespace) -> Array:
    """weight·x in the dtype of x."""
    factor = weight if isinstance(weight, float) else xp.astype(_array.as_array(weight), x.dtype)
    return _array.as_array(x * factor)
