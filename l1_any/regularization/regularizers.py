"""Regularizers: functions of training data and log-probabilities that return a penalty and metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from l1_any._arguments import keywords
from l1_any._arguments.leaves import scalar_of_each
from l1_any._arguments.numbers import is_number, number, scalar
from l1_any._arrays.lookup import is_array
from l1_any._formulas import huber
from l1_any._formulas.penalty import MAGNITUDE, Penalty
from l1_any._typing import Array, ArrayTree, Leaf, Reduction

from . import targets
from .target_regularizer import TargetRegularizer


@runtime_checkable
class Regularizer(Protocol):
    """An object that can be a term of a pipeline. A function with the signature of `compute` can be a term too.

    It may also have ``subgradient(data, logprobs)``, which returns the gradient of its penalty as an array or
    list like ``logprobs``, and ``subgradient_norm(data, logprobs)``, which returns the L2 norm of that
    gradient. A pipeline uses these methods where they exist, and needs the first in libraries without
    automatic differentiation.
    """

    name: str

    def compute(self, data: Any, logprobs: ArrayTree) -> tuple[Array, Mapping[str, Any]]:
        """Return the penalty and its metrics.

        Parameters
        ----------
        data : None, mapping or sequence of examples
            The training data, as they were passed to the pipeline.
        logprobs : array or list of arrays
            Log-probabilities, in a list one array per example.

        Returns
        -------
        penalty : array
            A 0-d array.
        metrics : mapping
            Numbers and 0-d arrays by name.
        """


@keywords.checked_class
@dataclass(frozen=True, eq=False)
class L1Regularizer(TargetRegularizer):
    r"""L1 penalty on a target made of log-probabilities and data.

    .. math:: \sum_i m_i w_i |x_i| \quad\text{or}\quad \frac1n \sum_i m_i w_i |x_i|

    with the mask :math:`m`, the weights :math:`w` and the number :math:`n` of selected elements, of all
    examples together.

    Parameters
    ----------
    target : str, tuple or target object, optional
        What :math:`x` is.

        - ``"logprobs"``: the log-probabilities. For chosen tokens this *is* the negative log-likelihood.
        - ``"probs"``: their exponentials. Over a full vocabulary these sum to the number of rows, a constant.
        - ``("field", key)``: a field of every example, of any shape.
        - ``("delta", reference)``: the log-probabilities minus a reference: a field key, an array (or
          pytree) that broadcasts to the log-probabilities, or ``Uniform(vocabulary_size)``.
    reduce : {"sum", "mean"}, optional
        A mean divides by the number of selected elements of the whole batch; it is not a mean of means.
    where : str, tuple, array or pytree of bool, optional
        Mask of the elements that count. A string names a field whose non-zero entries count. A pair
        ``("labels", -100)`` names a field and the value in it that does not count. Negative integers in a field
        that is named alone are an error, but only in lists and in the memory of a CPU: arrays of JAX and Dask, arrays
        on a GPU and traced arrays are not looked at, because the host would wait for their values.
    weights : str, float, array or pytree, optional
        Multipliers >= 0. A string names a field.
    name : str, optional
        Name of the term in reports.
    zero_if_empty : bool, optional
        Make the mean 0 in the place of NaN if the mask selects nothing. A selected NaN stays NaN.

    Raises
    ------
    TypeError, ValueError
        An unknown target or reduction, a negative weight.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> data = [{"reference": [-1.0, -2.0]}, {"reference": [-0.5]}]
    >>> logprobs = [np.asarray([-1.5, -2.0]), np.asarray([-0.25])]
    >>> reg = l1.L1Regularizer(target=("delta", "reference"), reduce="mean")
    >>> penalty, metrics = reg.compute(data, logprobs)
    >>> penalty, metrics["l1_raw"]
    (array(0.25), array(0.75))
    >>> reg.subgradient(data, logprobs)
    [array([-0.33333333,  0.        ]), array([0.33333333])]
    """

    target: targets.TargetLike = "logprobs"
    reduce: Reduction = "sum"
    where: Any = None
    weights: Any = None
    name: str = "l1_sparsity"
    zero_if_empty: bool = field(default=False, kw_only=True)

    def penalty(self) -> Penalty:
        """Return the magnitude."""
        return MAGNITUDE


@keywords.checked_class
@dataclass(frozen=True, eq=False)
class SoftL1Regularizer(TargetRegularizer):
    r"""L1 penalty without the kink: quadratic near 0.

    .. math:: h(x) = \begin{cases} x^2/(2\delta) & |x| \le \delta \\
              |x| - \delta/2 & \text{otherwise} \end{cases}

    in the place of :math:`|x|` in `L1Regularizer`. The function is smaller than :math:`|x|` by at most
    :math:`\delta/2`, so the penalty tends to L1 as :math:`\delta \to 0`.

    Parameters
    ----------
    delta : float or 0-d array
        Half-width of the quadratic part, >= 0; 0 makes it L1. An array may be traced or learnable.
    target, reduce, where, weights, name, zero_if_empty
        As for `L1Regularizer`.

    Raises
    ------
    TypeError, ValueError
        As from `L1Regularizer`, or for a negative or non-finite ``delta``.

    Notes
    -----
    The metrics are those of `L1Regularizer`: they are computed from :math:`|x|`, not from :math:`h(x)`.

    Examples
    --------
    >>> import numpy as np
    >>> import l1_any as l1
    >>> reg = l1.SoftL1Regularizer(1.0)
    >>> logprobs = np.asarray([-0.5, -3.0])
    >>> penalty, metrics = reg.compute(None, logprobs)
    >>> penalty, metrics["l1_raw"], reg.subgradient(None, logprobs)
    (array(2.625), array(3.5), array([-0.5, -1. ]))
    """

    delta: float | Array
    target: targets.TargetLike = "logprobs"
    reduce: Reduction = "sum"
    where: Any = None
    weights: Any = None
    name: str = "soft_l1"
    zero_if_empty: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_array(scalar(self.delta)) or is_number(scalar(self.delta)):
            object.__setattr__(self, "delta", number(self.delta, "delta", "a number or a 0-d array"))

    def penalty(self) -> Penalty:
        """Return the Huber function."""
        return huber.of(self.delta)

    def with_penalty(self, x: list[Leaf]) -> tuple[list[Leaf], Penalty]:
        """Return x in the state that it has together with an array as half-width, and the Huber function."""
        delta, x = scalar_of_each(self.delta, x, "delta")
        return x, huber.of(delta, [leaf.ops for leaf in x])
