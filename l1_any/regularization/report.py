"""The report of a pipeline: 0-d arrays on the device, in named tuples, which are pytrees for JAX and torch."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from l1_any._typing import Array

from . import exchange

BASE = "base_loss"


class BaseReport(NamedTuple):
    """The base loss of a call."""

    value: Array
    """Its value."""
    grad_norm: Array | None
    """L2 norm of its gradient with respect to the log-probabilities."""
    metrics: Mapping[str, Any]
    """The metrics that it returned with its value."""


class TermReport(NamedTuple):
    """One term of a call. A term of weight 0 is not called, and has neither value nor gradient."""

    value: Array | None
    """Value before the weight."""
    weight: Array | float
    """Weight at this step."""
    contribution: Array
    """Weight times value, as it entered the loss."""
    grad_norm: Array | None
    """L2 norm of the gradient of the value with respect to the log-probabilities."""
    grad_norm_weighted: Array | None
    """L2 norm of the gradient of the contribution."""
    cosine: Array | None
    """Cosine between this gradient and the base's: NaN if one of them is zero."""
    metrics: Mapping[str, Any]
    """The metrics that the term returned with its value."""


class Report(NamedTuple):
    """All numbers of one call of a pipeline. Norms are None unless the pipeline tracks them."""

    total: Array
    """The loss: base + Σ contributions."""
    base: BaseReport
    """The base loss."""
    regularizer_total: Array
    """Σ contributions."""
    total_grad_norm: Array | None
    """L2 norm of the gradient of the loss with respect to the log-probabilities; None if a term is not tracked."""
    terms: Mapping[str, TermReport]
    """The terms by name."""

    def to_floats(self) -> dict[str, float]:
        """Return the report as one flat dictionary of Python floats, for any logger.

        Returns
        -------
        dict of str to float
            ``"loss_total"``, ``"regularizer_total"``, ``"total_grad_norm"``, ``"base_loss/value"``,
            ``"<term>/value"``, ``"<term>/weight"``, ... and ``"<term>/<metric>"``. Entries that are None are left out.

        Notes
        -----
        The call makes one transfer for each device and dtype, and waits for the computation.
        """
        flat: dict[str, Any] = {
            "loss_total": self.total,
            "regularizer_total": self.regularizer_total,
            "total_grad_norm": self.total_grad_norm,
        }
        parts: dict[str, BaseReport | TermReport] = {BASE: self.base, **self.terms}
        for name, part in parts.items():
            numbers = {key: value for key, value in part._asdict().items() if key != "metrics"}
            flat |= {f"{name}/{key}": value for key, value in (numbers | dict(part.metrics)).items()}
        return exchange.to_floats({key: value for key, value in flat.items() if value is not None})  # type: ignore[no-any-return]
