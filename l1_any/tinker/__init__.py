"""Pipelines and penalties as custom losses of the Tinker SDK. This import loads neither the SDK nor torch.

Tinker gives a loss the log-probabilities and the data, never the model's weights. A loss has one of two forms: a
callable of the whole batch (`batch_loss`), and a function of one example that torch.fx traces (`per_datum_loss`).
"""

from .batch import BatchLoss, batch_loss
from .per_datum import per_datum_loss

__all__ = ["BatchLoss", "batch_loss", "per_datum_loss"]


def __dir__() -> list[str]:
    return __all__
