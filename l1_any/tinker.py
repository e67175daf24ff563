"""Pipelines and penalties as custom losses of the Tinker SDK, which is not imported from here; nor is torch.

A loss of Tinker is given log-probabilities and data, never weights. It comes in two forms: a callable that
sees the whole batch (`batch_loss`), and a function of one example that torch.fx traces (`per_datum_loss`).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from . import _examples, _exchange, _traced
from ._target_regularizer import TargetRegularizer
from ._typing import Array
from .data import Batch
from .gradients import Call
from .pipeline import Pipeline
from .report import BASE
from .terms import Term


class BatchLoss:
    """A pipeline as a callable of the whole batch; made by `batch_loss`."""

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
            0-d, with a gradient for every example, of zeros where it does not depend on it.
        metrics : dict of str to float
            What `Report.to_floats` gives.

        Raises
        ------
        FloatingPointError
            A loss or gradient norm that is NaN or infinite, unless ``check_finite`` is false.
        TypeError, ValueError, KeyError
            As from the pipeline.
        """
        loss, report = self._pipeline(data, logprobs, step=self._current_step())
        metrics = report.to_floats()
        if self._check_finite:
            _refuse_non_finite(metrics)
        # The empty slices tie every example to the loss, also where 0·lp would be NaN.
        return sum((lp[:0].sum() for lp in logprobs), start=loss), metrics

    def validate(self, data: Sequence[Any]) -> None:
        """Refuse data on which the loss would fail, before they are submitted.

        An exception inside of a custom loss leaves Tinker's client unusable; one from here harms nothing.

        Parameters
        ----------
        data : sequence of tinker.Datum
            The examples of the batch.

        Raises
        ------
        KeyError
            A field that an example lacks.
        TypeError
            No examples; a field that has the wrong dtype or is no array.
        ValueError
            No example; shapes that do not fit each other; fields with NaN or infinity where they count; a
            weight that cannot be had at this step.

        Notes
        -----
        The base loss and every term, also one whose weight is 0 at this step, are called once with
        log-probabilities of -1. Errors name the index of the example and the field.
        """
        batch = Batch(data, _examples.placeholders(data))
        step, track = self._current_step(), self._pipeline.track_grad_norms
        losses = {BASE: self._pipeline.base_loss}
        for term in self._pipeline.terms:
            term.weight_at(step)
            losses[str(term.name)] = term.regularizer
        for name, loss in losses.items():
            found = Call(loss, name, batch, gradient=track, norm=track).run()
            numbers = _exchange.to_floats([found.value, found.norm])
            if self._check_finite and not all(math.isfinite(x) for x in numbers if x is not None):
                raise ValueError(
                    f"{name!r} must be finite on finite log-probabilities, got {numbers[0]}; "
                    f"{_examples.non_finite_fields(data)}."
                )

    def _current_step(self) -> Any:
        return self._step() if callable(self._step) else self._step


def batch_loss(
    pipeline: Pipeline, *, step: int | Callable[[], int] | None = None, check_finite: bool = True
) -> BatchLoss:
    """Make a pipeline the custom loss of ``TrainingClient.forward_backward_custom``.

    Parameters
    ----------
    pipeline : Pipeline
        As it is; its metrics become floats.
    step : int or callable, optional
        What weights that are functions of the step get. A callable is asked when the loss runs, in a thread
        of the SDK: with several batches under way, give each its own number.
    check_finite : bool, optional
        Raise if the loss, or the norm of its gradient where the pipeline tracks norms, is NaN or infinite.
        Tinker does not look, and the next optimizer step would put NaN into every weight.

    Returns
    -------
    callable
        ``(data, logprobs) -> (loss, metrics)``, with the method ``validate(data)``.

    Raises
    ------
    TypeError
        Something else than a pipeline.

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


def per_datum_loss(
    base: TargetRegularizer | Callable[..., Any],
    penalties: Iterable[Term | tuple[TargetRegularizer, float | str]],
    inputs: Sequence[str] = (),
    name: str = "l1_any_loss",
) -> Callable[..., Any]:
    r"""Make a loss of one example that ``ServiceClient.create_custom_loss`` can trace.

    .. math:: L = L_0 + \sum_k \lambda_k P_k

    for each example; Tinker sums over the batch.

    Parameters
    ----------
    base : L1Regularizer or callable
        The base loss: ``base(logprobs, *inputs)``, in operations that torch.fx can trace, which returns a
        scalar or a pair of a scalar and metrics named as Tinker wants them; or a regularizer.
    penalties : iterable of Term or of (L1Regularizer, weight)
        Regularizers with ``reduce="sum"``, whose masks, weights and references are names of fields. A weight
        is a number >= 0, or the name of a rank-0 input: a schedule sets that in the data, with no new trace.
    inputs : sequence of str, optional
        The fields that ``base`` takes after ``logprobs``. Those of the regularizers are added.
    name : str, optional
        Name of the function.

    Returns
    -------
    function
        ``(logprobs, <field>, ...) -> (loss, metrics)`` with metrics ``custom/base_loss:sum`` and
        ``custom/<penalty's name>:sum``, each before its weight. Its attribute ``input_ranks`` is what
        ``create_custom_loss`` asks for where log-probabilities and the fields of ``base`` have rank 1.

    Raises
    ------
    TypeError, ValueError
        What cannot be a function of one example, or a name that Tinker does not take.

    Notes
    -----
    Nothing is checked while it runs: Tinker checks presence and rank of the inputs at submission, and
    `BatchLoss.validate` of a pipeline with the same terms checks the rest.

    Examples
    --------
    >>> import l1_any as l1
    >>> from l1_any.tinker import per_datum_loss
    >>> nll = l1.L1Regularizer(weights="weights")
    >>> drift = l1.L1Regularizer(target=("delta", "reference"), where="weights", name="drift")
    >>> loss = per_datum_loss(nll, [(drift, "strength")])
    >>> loss.input_ranks
    {'logprobs': 1, 'weights': 1, 'reference': 1, 'strength': 0}

    Then ``service_client.create_custom_loss(loss, loss.input_ranks)``.
    """
    terms = [_traced.weighted(penalty, f"penalties[{i}]") for i, penalty in enumerate(penalties)]
    regularizers = [term.regularizer for term in terms]
    if isinstance(base, TargetRegularizer):
        regularizers.insert(0, base)
    elif not callable(base):
        raise TypeError(f"`base` must be a regularizer or a callable, got {type(base).__name__}.")
    ranks = dict.fromkeys(inputs, 1)
    for regularizer in regularizers:
        ranks |= dict.fromkeys(_traced.fields_of(regularizer), 1)
    ranks |= {term.weight: 0 for term in terms if isinstance(term.weight, str)}
    _traced.check_names(ranks, [BASE, *(term.name for term in terms)])
    ranks = {_traced.LOGPROBS: 1, **ranks}

    def loss(*symbols: Array) -> tuple[Array, dict[str, Array]]:
        given = dict(zip(ranks, symbols, strict=True))
        example = _traced.Example(given)
        if isinstance(base, TargetRegularizer):
            result: Any = example.penalty(base)
        else:
            result = base(example.logprobs, *(given[key] for key in inputs))
        total, metrics = result if isinstance(result, tuple) else (result, {})
        metrics = {**metrics, f"custom/{BASE}:sum": total}
        for term in terms:
            if term.weight == 0:
                continue
            value = example.penalty(term.regularizer)
            total = total + value * (given[term.weight] if isinstance(term.weight, str) else term.weight)
            metrics[f"custom/{term.name}:sum"] = value
        return total, metrics

    traceable = _traced.with_parameters(loss, name, tuple(ranks))
    traceable.input_ranks = ranks
    return traceable  # type: ignore[no-any-return]


def _refuse_non_finite(metrics: dict[str, float]) -> None:
    """Raise if the loss or its gradient is not finite, and say which parts of it are not."""
    ends = ("loss_total", "total_grad_norm")
    if all(math.isfinite(metrics.get(key, 0.0)) for key in ends):
        return
    parts = (key for key in metrics if key in ends or key.endswith(("/value", "/grad_norm")))
    found = ", ".join(f"{key}={metrics[key]}" for key in parts if not math.isfinite(metrics[key]))
    raise FloatingPointError(f"The loss and its gradient must be finite, got {found}.")
