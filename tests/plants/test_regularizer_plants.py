"""Wrong regularizers and pipelines: each must fail the check that the right ones pass."""

import math

import numpy as np
import pytest
from regularizer_checks import Ragged, check_metrics, check_no_silent_zero, check_penalty

import l1_any as l1

BATCH = Ragged(
    logprobs=[np.asarray([-1.0, -2.0, -math.inf], "float32"), np.asarray([-0.5, -0.25], "float32")],
    references=[np.asarray([-1.5, -2.0, -1.0], "float32"), np.asarray([-0.75, -1.0], "float32")],
    masks=[np.asarray([True, True, False]), np.asarray([False, True])],
    activations=[np.asarray([[1.0, -2.0]], "float32"), np.asarray([[-3.0, 0.5], [1.0, 1.0]], "float32")],
)


def first_example_only(data, logprobs):
    return l1.L1Regularizer(("field", "activations")).compute(data[:1], logprobs[:1])


def test_the_field_of_the_first_example_only(library):
    right = l1.L1Regularizer(("field", "activations")).compute
    args = library, BATCH, ("field", "activations"), "sum"
    check_penalty(right, *args, masked=False)
    with pytest.raises(AssertionError):
        check_penalty(first_example_only, *args, masked=False)


def test_a_mask_by_multiplication(library):
    def mask_by_multiplication(data, logprobs):
        masks = [library.asarray(example["weights"], "float32") for example in data]
        return l1.L1Regularizer().compute(None, [lp * m for lp, m in zip(logprobs, masks, strict=True)])

    right = l1.L1Regularizer(where="weights").compute
    check_penalty(right, library, BATCH, "logprobs", "sum", masked=True)
    with pytest.raises((AssertionError, RuntimeWarning)):  # NumPy warns of -inf·0 besides
        check_penalty(mask_by_multiplication, library, BATCH, "logprobs", "sum", masked=True)


class NormZeroOnFailure(l1.Pipeline):
    def __call__(self, data, logprobs, *, step=None):
        try:
            return super().__call__(data, logprobs, step=step)
        except TypeError:
            untracked = l1.Pipeline(self.base_loss, self.terms, track_grad_norms=False)
            loss, report = untracked(data, logprobs, step=step)
            terms = {name: term._replace(grad_norm=0.0) for name, term in report.terms.items()}
            return loss, report._replace(terms=terms)


@pytest.mark.only("numpy", "torch", "dask", "strict")  # in JAX the gradient of a constant is known to be 0
def test_a_gradient_norm_of_zero_on_failure(library):
    def solver(data, logprobs):
        return 1.0

    base, terms = l1.L1Regularizer(), [l1.Term(solver)]
    check_no_silent_zero(lambda *args: l1.Pipeline(base, terms)(*args)[1], library, BATCH)
    with pytest.raises(AssertionError):
        check_no_silent_zero(lambda *args: NormZeroOnFailure(base, terms)(*args)[1], library, BATCH)


class RawAfterTheWeight(l1.Pipeline):
    def __call__(self, data, logprobs, *, step=None):
        loss, report = super().__call__(data, logprobs, step=step)
        terms = {
            name: term._replace(metrics={key: term.weight * value for key, value in term.metrics.items()})
            for name, term in report.terms.items()
        }
        return loss, report._replace(terms=terms)


def test_raw_metrics_after_the_weight(library):
    base, terms = l1.L1Regularizer(), [l1.Term(l1.L1Regularizer("probs"), weight=0.25)]
    check_metrics(lambda *args: l1.Pipeline(base, terms)(*args)[1], library, BATCH, 0.25)
    with pytest.raises(AssertionError):
        check_metrics(lambda *args: RawAfterTheWeight(base, terms)(*args)[1], library, BATCH, 0.25)
