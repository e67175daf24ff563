"""A pipeline as a custom loss of the whole batch."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from l1_any._arguments import keywords
from l1_any._typing import Array
from l1_any.regularization.batch import Batch
from l1_any.regularization.calls import WITHOUT_BASE, WITHOUT_TERM, Call
from l1_any.regularization.exchange import to_floats
from l1_any.regularization.pipeline import Pipeline
from l1_any.regularization.report import BASE
from l1_any.regularization.target_regularizer import TargetRegularizer

from .placeholders import non_finite_fields, placeholders


class BatchLoss:
    """A pipeline as a callable of the whole batch, made by `batch_loss`.

    Parameters
    ----------
    pipeline, step, check_finite
        As for `batch_loss`.
    """

    def __init__(
        self, pipeline: Pipeline, *, step: int | Callable[[], int] | None, check_finite: bool
    ) -> None:
        if not isinstance(pipeline, Pipeline):
            raise TypeError(f"`pipeline` must be a Pipeline, got {type(pipeline).__name__}.")
        self._pipeline = pipeline
        self._step = step
        self._check_finite = check_finite

    def __call__(self, data: Sequence[Any], logprobs: Sequence[Array]) -> tuple[Array, dict[str, float]]:
        """Return the loss and its report as floats.

        Parameters
        ----------
        data : sequence of tinker.Datum
            The examples of the batch.
        logprobs : sequence of torch.Tensor
            The log-probabilities of each example's ``target_tokens``.

        Returns
        -------
        loss : torch.Tensor
            0-d, with a gradient for every example: zeros for an example on which the loss does not depend.
        metrics : dict of str to float
            What `Report.to_floats` gives.

        Raises
        ------
        FloatingPointError
            The loss or the norm of its gradient is NaN or infinite, and ``check_finite`` is true.
        TypeError, ValueError, KeyError
            As from the pipeline.
        """
        loss, report = self._pipeline(data, logprobs, step=self._current_step())
        metrics = report.to_floats()
        if self._check_finite:
            _refuse_non_finite(metrics)
        # Sums of empty slices make the loss depend on every example. 0·lp would be NaN for an infinite lp.
        return sum((lp[:0].sum() for lp in logprobs), start=loss), metrics

    def validate(self, data: Sequence[Any]) -> None:
        """Raise an error for data on which the loss would fail, before the data are submitted.

        An exception inside a custom loss leaves Tinker's client unusable. An exception from this method does not.

        Parameters
        ----------
        data : sequence of tinker.Datum
            The examples of the batch.

        Raises
        ------
        KeyError
            An example lacks a field.
        TypeError
            ``data`` is not a sequence of examples, or a field has the wrong dtype or is not an array.
        ValueError
            There is no example, shapes do not fit each other, a field that counts holds NaN or infinity, a
            mask selects nothing for a mean, or a term has no weight at this step.

        Notes
        -----
        The base loss and every term are called once with log-probabilities of -1, even a term whose weight is 0
        at this step. Errors name the index of the example and the field.
        """
        batch = Batch(data, placeholders(data))
        step, track = self._current_step(), self._pipeline.track_grad_norms
        calls = [Call(self._pipeline.base_loss, BASE, batch, track, track, untracked=WITHOUT_BASE)]
        for term in self._pipeline.terms:
            term.weight_at(step)
            loss, name, own = term.regularizer, str(term.name), track and term.track_grad_norm
            calls.append(Call(loss, name, batch, own, own, untracked=WITHOUT_TERM))
        for call in calls:
            loss, name, found = call.loss, call.name, call.run()
            numbers = to_floats([found.value, found.norm])
            if self._check_finite and not all(math.isfinite(x) for x in numbers if x is not None):
                why = _empty_selection(loss, found.metrics) or non_finite_fields(data)
                raise ValueError(
                    f"{name!r} must be finite on finite log-probabilities, got {numbers[0]}; {why}."
                )

    def _current_step(self) -> Any:
        return self._step() if callable(self._step) else self._step


@keywords.checked
def batch_loss(
    pipeline: Pipeline, *, step: int | Callable[[], int] | None = None, check_finite: bool = True
) -> BatchLoss:
    """Make a pipeline the custom loss of ``TrainingClient.forward_backward_custom``.

    Parameters
    ----------
    pipeline : Pipeline
        The pipeline to call. Its metrics become floats.
    step : int or callable, optional
        The argument of weights that are functions of the step. A callable is called when the loss runs, in a
        thread of the SDK; if several batches are under way, give each its own number instead.
    check_finite : bool, optional
        Raise if the loss, or the norm of its gradient where the pipeline tracks norms, is NaN or infinite.
        Tinker does not check this, and the next optimizer step would put NaN into every weight.

    Returns
    -------
    callable
        ``(data, logprobs) -> (loss, metrics)``, with the method ``validate(data)``.

    Raises
    ------
    TypeError
        ``pipeline`` is not a `Pipeline`.

    Examples
    --------
    >>> import l1_any as l1
    >>> from l1_any.tinker import batch_loss
    >>> nll = l1.L1Regularizer(weights="weights")
    >>> drift = l1.L1Regularizer(target=("delta", "reference"), where="weights", name="drift")
    >>> loss = batch_loss(l1.Pipeline(nll, [l1.Term(drift, weight=1e-2)]))

    Then ``loss.validate(data)`` and ``training_client.forward_backward_custom(data, loss)``.
    """
    return BatchLoss(pipeline, step=step, check_finite=check_finite)


def _empty_selection(loss: Any, metrics: Mapping[str, Any]) -> str:
    """Return a text that names the mask of a mean over no elements, or an empty one."""
    if not isinstance(loss, TargetRegularizer) or loss.where is None:
        return ""
    raw, mean = to_floats([metrics["l1_raw"], metrics["l1_mean"]])
    if math.isnan(raw) or not math.isnan(mean):  # a NaN that is selected is in the sum
        return ""
    named = f"`where={loss.where!r}`" if isinstance(loss.where, str | tuple) else "`where`"
    return (
        f"its mask {named} selects nothing, so its mean is over no elements: pass data with elements that count, "
        "or `zero_if_empty=True`"
    )


def _refuse_non_finite(metrics: dict[str, float]) -> None:
    """Raise if the loss or its gradient is not finite, and say which parts of it are not."""
    ends = ("loss_total", "total_grad_norm")
    if all(math.isfinite(metrics.get(key, 0.0)) for key in ends):
        return
    parts = (key for key in metrics if key in ends or key.endswith(("/value", "/grad_norm")))
    found = ", ".join(f"{key}={metrics[key]}" for key in parts if not math.isfinite(metrics[key]))
    raise FloatingPointError(f"The loss and its gradient must be finite, got {found}.")
