"""A base loss plus weighted regularizers: one differentiable number, and a report of its parts."""

import logging
from collections.abc import Iterable
from typing import Any

from l1_any._arguments import keywords
from l1_any._arguments.pytrees import unflatten
from l1_any._typing import Array, ArrayTree, Tree

from . import concurrency, evaluation, exchange
from .batch import Batch
from .calls import WITHOUT_BASE, WITHOUT_TERM, Call
from .evaluation import Evaluation
from .report import BASE, BaseReport, Report, TermReport
from .terms import Term, is_async
from .terms import unique as _check_terms

_LOGGER = logging.getLogger("l1_any")
Weighted = tuple[Term, Array | float]


@keywords.checked_class
class Pipeline:
    r"""Base loss plus weighted terms.

    .. math:: L = L_0 + \sum_k \lambda_k P_k

    Parameters
    ----------
    base_loss : Regularizer or callable
        As the regularizer of a `Term`.
    terms : iterable of Term
        With names that differ.
    track_grad_norms : bool, optional
        Report the norm of each gradient with respect to the log-probabilities, its cosine with the base's,
        and the norm of their sum. ``Term(..., track_grad_norm=False)`` leaves out one term.

    Raises
    ------
    TypeError, ValueError
        ``terms`` holds something that is not a `Term`, or two terms of the same name.

    Notes
    -----
    The gradient of a term is what its method ``subgradient`` returns. Without that method, torch's or JAX's
    automatic differentiation gives the gradient, from the one forward pass that gave the value. It is an error
    if neither is possible. The logger ``"l1_any"`` gets one record per term at level DEBUG. Nothing waits for
    the device unless that level is enabled.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> nll = l1.L1Regularizer(target="logprobs")
    >>> pipe = l1.Pipeline(nll, [l1.Term(l1.L1Regularizer(target=("delta", "reference")), weight=1e-3)])
    >>> data = {"reference": np.asarray([-1.0, -2.0])}
    >>> loss, report = pipe(data, np.asarray([-1.5, -0.5]))
    >>> loss
    array(2.002)
    >>> report.terms["l1_sparsity"].grad_norm, report.terms["l1_sparsity"].cosine
    (array(1.41421356), array(0.))
    """

    def __init__(self, base_loss: Any, terms: Iterable[Term] = (), *, track_grad_norms: bool = True) -> None:
        if isinstance(terms, Term):
            raise TypeError("`terms` must be a list or other iterable of terms, got a Term; write [term].")
        self.base_loss = base_loss
        self.terms: tuple[Term, ...] = tuple(terms)
        self.track_grad_norms = track_grad_norms
        _check_terms(base_loss, self.terms)
        self._is_async = [is_async(base_loss), *(is_async(term.regularizer) for term in self.terms)]

    def __call__(self, data: Any, logprobs: ArrayTree, *, step: Any = None) -> tuple[Array, Report]:
        """Return the loss and its report.

        Parameters
        ----------
        data : None, mapping or sequence of examples
            As for `L1Regularizer.compute`; other terms get the same object.
        logprobs : array or list of arrays
            Log-probabilities, in a list one array per example.
        step : int or 0-d array, optional
            The argument of those weights that are functions.

        Returns
        -------
        loss : array
            0-d, differentiable, of the library and device of ``logprobs``.
        report : Report
            Constants; a pytree of 0-d arrays.

        Raises
        ------
        TypeError, ValueError, KeyError
            Arguments or results that do not fit; the error names the term. What a term raises itself leaves
            the pipeline with a note that names the term. If several terms fail, an ``ExceptionGroup`` holds
            their errors.
        """
        loss, _, report = self._run(data, logprobs, step, gradient=False)
        return loss, report

    def value_and_gradient(
        self,
        data: Any,
        logprobs: Tree,
        *,
        step: Any = None,
    ) -> tuple[Array, Tree, Report]:
        """Return the loss, its gradient with respect to the log-probabilities, and the report.

        Parameters
        ----------
        data, logprobs, step
            As for a call.

        Returns
        -------
        loss : array
            As from a call.
        gradient : array or list of arrays
            The gradient with the fields of the data held fixed, with the shapes and dtypes of ``logprobs``.
        report : Report
            As from a call.

        Raises
        ------
        TypeError, ValueError, KeyError
            As from a call.
        """
        return self._run(data, logprobs, step, gradient=True)

    async def acompute(self, data: Any, logprobs: ArrayTree, *, step: Any = None) -> tuple[Array, Report]:
        """Return the loss and its report, and await the ``async`` terms concurrently.

        Parameters
        ----------
        data, logprobs, step
            As for a call.

        Returns
        -------
        loss, report
            As from a call.

        Raises
        ------
        TypeError, ValueError, KeyError
            As from a call.
        """
        batch, weighted = self._prepared(data, logprobs, step)
        calls = self._calls(batch, weighted, gradient=False)
        done = await concurrency.run_async(calls, batch.ops)
        loss, _, report = self._assembled(batch, weighted, done)
        return loss, report

    def _run(
        self,
        data: Any,
        logprobs: ArrayTree,
        step: Any,
        *,
        gradient: bool,
    ) -> tuple[Array, ArrayTree, Report]:
        batch, weighted = self._prepared(data, logprobs, step)
        calls = self._calls(batch, weighted, gradient=gradient)
        for call in calls:
            if call.is_async:
                raise TypeError(f"Term {call.name!r} is async: use `await pipeline.acompute(...)`.")
        return self._assembled(batch, weighted, concurrency.run(calls, batch.ops))

    def _prepared(self, data: Any, logprobs: ArrayTree, step: Any) -> tuple[Batch, list[Weighted]]:
        return Batch(data, logprobs), [(term, term.weight_at(step)) for term in self.terms]

    def _calls(self, batch: Batch, weighted: list[Weighted], *, gradient: bool) -> list[Call]:
        """Return the calls of the base loss and of the terms with a weight other than 0."""
        track = self.track_grad_norms
        base, *others = self._is_async
        untracked = "" if gradient else WITHOUT_BASE
        calls = [
            Call(self.base_loss, BASE, batch, gradient or track, track, is_async=base, untracked=untracked)
        ]
        for (term, weight), awaited in zip(weighted, others, strict=True):
            if not (isinstance(weight, float) and weight == 0):
                loss, name, background = term.regularizer, str(term.name), term.background
                norm, untracked = track and term.track_grad_norm, "" if gradient else WITHOUT_TERM
                calls.append(Call(loss, name, batch, gradient or norm, norm, background, awaited, untracked))
        return calls

    def _assembled(
        self, batch: Batch, weighted: list[Weighted], done: list[Evaluation]
    ) -> tuple[Array, ArrayTree, Report]:
        ops = batch.ops
        base, *rest = done
        evaluations = iter(rest)
        parts, reports = [(1.0, base.gradient)], {}
        zero = ops.zero(base.value)
        total, penalties = base.value, zero
        for term, weight in weighted:
            name = str(term.name)
            if isinstance(weight, float) and weight == 0:
                reports[name] = TermReport(None, 0.0, zero, None, None, None, {})
                continue
            found = next(evaluations)
            contribution = evaluation.scaled(weight, found.value, ops)
            total, penalties = total + contribution, penalties + contribution
            parts.append((weight, found.gradient))
            reports[name] = _term_report(found, weight, contribution, base, batch)
            _log(name, found, reports[name].contribution, batch)
        norm, gradient = None, None
        if all(own is not None for _, own in parts):
            gradient = evaluation.combined(parts, batch)
        if ops.has_scalars:
            total, penalties = ops.as_array(total), ops.as_array(penalties)
        if self.track_grad_norms and gradient is not None:
            norm = evaluation.norm_of(gradient, batch.constant_ops)
        report = Report(
            total=ops.detach(total),
            base=BaseReport(ops.detach(base.value), base.norm, base.metrics),
            regularizer_total=ops.detach(penalties),
            total_grad_norm=norm,
            terms=reports,
        )
        return total, None if gradient is None else unflatten(batch.treedef, gradient), report


def _term_report(
    found: Evaluation, weight: Array | float, contribution: Array, base: Evaluation, batch: Batch
) -> TermReport:
    ops = batch.ops
    norm, weighted_norm, cosine = found.norm, None, None
    if norm is not None:
        weighted_norm = evaluation.scaled(weight, norm, ops)
        cosine = evaluation.cosine(found.gradient, base.gradient, norm, base.norm, batch.constant_ops)
    return TermReport(
        value=ops.detach(found.value),
        weight=weight,
        contribution=ops.detach(contribution),
        grad_norm=norm,
        grad_norm_weighted=weighted_norm,
        cosine=cosine,
        metrics=found.metrics,
    )


def _log(name: str, found: Evaluation, contribution: Array, batch: Batch) -> None:
    """Log a term at level DEBUG. Traced and lazy values are not logged as numbers, because they have none yet."""
    if batch.ops.is_symbolic or not _LOGGER.isEnabledFor(logging.DEBUG):
        return
    numbers = {"value": found.value, "contribution": contribution, "grad_norm": found.norm}
    numbers = exchange.to_floats(numbers) | {"seconds": found.seconds}
    message = " ".join(f"{key}={number:.6g}" for key, number in numbers.items() if number is not None)
    _LOGGER.debug("term %s: %s", name, message, extra={"l1_any": numbers})
