"""The call of one loss of a pipeline, with its own gradient or the gradient from automatic differentiation."""

import time
from dataclasses import dataclass
from typing import Any

from l1_any._arguments.arrays import same_place
from l1_any._arguments.pytrees import match, unflatten
from l1_any._arrays.differentiation import NotConnectedError
from l1_any._arrays.lookup import detach, find
from l1_any._typing import Array, ArrayTree

from . import terms
from .batch import Batch
from .evaluation import Evaluation, Gradient, norm_of

WITHOUT_BASE = "`track_grad_norms=False` in the Pipeline"
WITHOUT_TERM = "`track_grad_norm=False` in its Term"


@dataclass(frozen=True, eq=False)
class Call:
    """A loss that is called once.

    A regularizer of this package evaluates the batch itself (`evaluate_batch`). Any other loss gets data and
    log-probabilities. Its gradient is the result of its own `subgradient`, or comes from automatic differentiation if
    it has no such method.
    """

    loss: Any
    name: str
    batch: Batch
    gradient: bool
    norm: bool
    background: bool = False
    is_async: bool = False
    """Whether it must be awaited."""
    untracked: str = ""
    """How the user can do without the gradient, or "" if the caller asked for it."""

    def run(self) -> Evaluation:
        """Call the loss."""
        try:
            return self._run()
        except Exception as error:
            terms.note(error, self.name)
            raise

    async def run_async(self) -> Evaluation:
        """Await the loss."""
        try:
            return await self._run_async()
        except Exception as error:
            terms.note(error, self.name)
            raise

    def _run(self) -> Evaluation:
        batch = self.batch
        clock = _no_time if batch.ops.is_symbolic else time.perf_counter
        start = clock()
        evaluate = getattr(self.loss, "evaluate_batch", None)
        if evaluate is not None:
            own = evaluate(batch, gradient=self.gradient, norm=self.gradient and self.norm)
            return own._replace(seconds=clock() - start)  # type: ignore[no-any-return]
        compute = terms.compute(self.loss)
        if not self.gradient or self._states_gradient:
            return self._stated(*self._checked(compute(batch.data, batch.logprobs)), start)
        ops = batch.ops
        if ops.differentiates is None:
            raise self._no_gradient(f"{ops.library_name} has no automatic differentiation")
        if ops.differentiates == "by transformation" or ops.is_symbolic:
            return self._found(*self._transformed(), start)
        self._check_recording()
        arrays = ops.graph_inputs(batch.arrays)
        with ops.recording():
            value, metrics = self._checked(compute(batch.data, self._logprobs(arrays)))
        return self._recorded(value, metrics, arrays, start)

    async def _run_async(self) -> Evaluation:
        batch = self.batch
        clock = _no_time if batch.ops.is_symbolic else time.perf_counter
        start = clock()
        compute = terms.compute(self.loss)
        if not self.gradient or self._states_gradient:
            return self._stated(*self._checked(await compute(batch.data, batch.logprobs)), start)
        ops = batch.ops
        if ops.differentiates != "by graph" or ops.is_symbolic:
            raise self._no_gradient(f"{ops.library_name} cannot differentiate a coroutine")
        self._check_recording()
        # The gradient mode is not changed here: other tasks on the event loop would run in it too.
        arrays = ops.graph_inputs(batch.arrays)
        value, metrics = self._checked(await compute(batch.data, self._logprobs(arrays)))
        return self._recorded(value, metrics, arrays, start)

    @property
    def _states_gradient(self) -> bool:
        return callable(getattr(self.loss, "subgradient", None))

    def _logprobs(self, arrays: Gradient) -> ArrayTree:
        return unflatten(self.batch.treedef, arrays)

    def _checked(self, result: Any) -> tuple[Array, dict[str, Any]]:
        value, metrics = terms.checked(result, self.name, self.batch)
        return value, {key: detach(metric) for key, metric in metrics.items()}

    def _stated(self, value: Array, metrics: dict[str, Any], start: float) -> Evaluation:
        if not self.gradient:
            return Evaluation(value, metrics, seconds=self._seconds(start))
        data, logprobs = self.batch.data, self.batch.logprobs
        gradient, norm = self._like_logprobs(self.loss.subgradient(data, logprobs)), None
        if self.norm and hasattr(self.loss, "subgradient_norm"):
            norm = self.loss.subgradient_norm(data, logprobs)
        return self._found(value, metrics, gradient, start, norm)

    def _found(
        self,
        value: Array,
        metrics: dict[str, Any],
        gradient: Gradient,
        start: float,
        norm: Array | None = None,
    ) -> Evaluation:
        if self.norm:
            norm = norm_of(gradient, self.batch.constant_ops) if norm is None else self.batch.ops.detach(norm)
        return Evaluation(value, metrics, gradient, norm, self._seconds(start))

    def _recorded(self, value: Array, metrics: dict[str, Any], arrays: Gradient, start: float) -> Evaluation:
        ops = self.batch.ops
        try:
            gradient = ops.graph_gradient(value, arrays)
        except NotConnectedError:
            raise self._no_gradient(
                f"{ops.library_name} recorded no way from `logprobs` to its value, which is a constant or detached"
            ) from None
        value = ops.without_inputs(value, arrays, self.batch.arrays)
        return self._found(value, metrics, gradient, start)

    def _transformed(self) -> tuple[Array, dict[str, Any], Gradient]:
        def function(arrays: Gradient) -> tuple[Array, dict[str, Any]]:
            return self._checked(terms.compute(self.loss)(self.batch.data, self._logprobs(arrays)))

        try:
            return self.batch.ops.value_and_gradient(function, self.batch.arrays)
        except NotConnectedError:
            raise self._no_gradient("its value does not depend on `logprobs`") from None

    def _like_logprobs(self, stated: Any) -> Gradient:
        name = f"the subgradient of term {self.name!r}"
        gradient = match(stated, self.batch.treedef, name, "logprobs")
        out = []
        for g, lp in zip(gradient, self.batch.arrays, strict=True):
            ops, shape = find(g), tuple(lp.shape)
            if ops is None or tuple(g.shape) != shape:
                got = type(g).__name__ if ops is None else tuple(g.shape)
                raise ValueError(f"`{name}` must have the shape of `logprobs`, {shape}, got {got}.")
            same_place(g, ops, lp, self.batch.ops, name=name, of="logprobs")
            out.append(ops.detach(g))
        return out

    def _check_recording(self) -> None:
        why = self.batch.ops.why_not_recording()
        if why:
            raise self._no_gradient(why)

    def _no_gradient(self, why: str) -> TypeError:
        without = f", or set {self.untracked}" if self.untracked else ""
        return TypeError(
            f"The gradient of term {self.name!r} cannot be had: {why}. Give it a method "
            f"`subgradient(data, logprobs)`{without}."
        )

    def _seconds(self, start: float) -> float:
        return 0.0 if self.batch.ops.is_symbolic else time.perf_counter() - start


def _no_time() -> float:
    """Replace the clock under a compiler, which cannot trace the clock."""
    return 0.0
