"""A loss of one example that torch.fx traces."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from l1_any._arguments import keywords
from l1_any._typing import Array
from l1_any.regularization.report import BASE
from l1_any.regularization.target_regularizer import TargetRegularizer
from l1_any.regularization.terms import Term

from . import symbols


@keywords.checked
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
        The base loss: a regularizer, or a function ``base(logprobs, *inputs)`` that torch.fx can trace. The
        function returns a scalar, or a pair of a scalar and metrics with names that Tinker accepts.
    penalties : iterable of Term or of (L1Regularizer, weight)
        Regularizers with ``reduce="sum"``, whose masks, weights and references are names of fields. A weight
        is a number >= 0, or the name of a rank-0 input, which a schedule can set in the data without a new trace.
    inputs : sequence of str, optional
        The fields that ``base`` takes after ``logprobs``. The fields of the regularizers are added.
    name : str, optional
        Name of the function.

    Returns
    -------
    function
        ``(logprobs, <field>, ...) -> (loss, metrics)`` with metrics ``custom/base_loss:sum`` and
        ``custom/<penalty's name>:sum``, each before its weight. Its attribute ``input_ranks`` is the argument
        for ``create_custom_loss`` if log-probabilities and the fields of ``base`` have rank 1.

    Raises
    ------
    TypeError, ValueError
        A loss or penalty cannot be a function of one example, or Tinker does not accept a name.

    Notes
    -----
    The function checks nothing while it runs. Tinker checks the presence and rank of its inputs at submission,
    and `BatchLoss.validate` of a pipeline with the same terms checks the rest.

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
    terms = [symbols.weighted(penalty, f"penalties[{i}]") for i, penalty in enumerate(penalties)]
    regularizers = [term.regularizer for term in terms]
    if isinstance(base, TargetRegularizer):
        regularizers.insert(0, base)
    elif not callable(base):
        raise TypeError(f"`base` must be a regularizer or a callable, got {type(base).__name__}.")
    ranks = dict.fromkeys(inputs, 1)
    for regularizer in regularizers:
        ranks |= dict.fromkeys(symbols.fields_of(regularizer), 1)
    ranks |= {term.weight: 0 for term in terms if isinstance(term.weight, str)}
    symbols.check_names(ranks, [BASE, *(term.name for term in terms)])
    ranks = {symbols.LOGPROBS: 1, **ranks}

    def loss(*arguments: Array) -> tuple[Array, dict[str, Array]]:
        given = dict(zip(ranks, arguments, strict=True))
        example = symbols.Example(given)
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

    traceable = symbols.with_parameters(loss, name, tuple(ranks))
    traceable.input_ranks = ranks
    return traceable  # type: ignore[no-any-return]
