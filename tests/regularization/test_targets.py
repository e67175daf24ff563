"""What is regularized: targets, fields, references, and log-probabilities of -inf."""

import math
import re

import numpy as np
import pytest
from regularizer_checks import close, number

import l1_any as l1
from l1_any.testing import to_numpy

INF, NAN = math.inf, math.nan


def test_a_list_of_two_references_is_no_uniform(library):
    logprobs = [library.asarray([-1.0, -2.0], "float32"), library.asarray([-3.0, -4.0], "float32")]
    reg = l1.L1Regularizer(("delta", logprobs))
    assert number(reg.compute(None, logprobs)[0]) == 0


@pytest.mark.parametrize(
    ("target", "penalty", "gradient"),
    [
        ("logprobs", INF, [-1, 0]),
        ("probs", 1, [0, 1]),
        (("delta", l1.Uniform(2)), INF, [-1, 1]),
        (l1.Delta(l1.Uniform(1)), INF, [-1, 0]),
    ],
)
def test_log_probabilities_of_minus_infinity(library, target, penalty, gradient):
    lp, reg = library.asarray([-INF, 0.0], "float32"), l1.L1Regularizer(target)
    assert number(reg.compute(None, lp)[0]) == penalty
    np.testing.assert_array_equal(to_numpy(reg.subgradient(None, lp)), gradient)
    close(reg.subgradient_norm(None, lp), np.linalg.norm(gradient))


def test_a_field_is_data(library):
    data = [{"f": library.asarray([[1.0, -2.0]], "float32")}, {"f": library.asarray([3.0], "float32")}]
    logprobs = [library.asarray([-1.0], "float32")] * 2
    reg = l1.L1Regularizer(("field", "f"))
    assert number(reg.compute(data, logprobs)[0]) == 6
    assert not any(to_numpy(g).any() for g in reg.subgradient(data, logprobs))
    assert number(reg.subgradient_norm(data, logprobs)) == 0


@pytest.mark.only("torch")
def test_metrics_are_constants_and_fields_differentiable(library):
    field = library.asarray([1.0, -2.0], "float32").requires_grad_()
    penalty, metrics = l1.L1Regularizer(("field", "f")).compute(
        {"f": field}, library.asarray([-1.0], "float32")
    )
    assert not metrics["l1_raw"].requires_grad
    penalty.backward()
    assert field.grad.tolist() == [1, -1]


class Exponentials(np.ndarray):
    """Counts how often exp is taken of it."""

    taken = 0

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        Exponentials.taken += ufunc is np.exp
        return super().__array_ufunc__(ufunc, method, *(np.asarray(x) for x in inputs), **options)


@pytest.mark.only("numpy")
@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_a_pipeline_makes_a_target_once(library, reduce):
    lp = np.asarray([-1.0, -2.0, -0.5], "float32").view(Exponentials)
    term = l1.Term(l1.SoftL1Regularizer(0.5, "probs", reduce), name="term")
    Exponentials.taken = 0
    _, gradient, report = l1.Pipeline(l1.L1Regularizer("probs", reduce), [term]).value_and_gradient({}, lp)
    assert Exponentials.taken == 2  # one for the base and one for the term
    assert report.terms["term"].grad_norm > 0
    assert gradient.shape == lp.shape


@pytest.mark.parametrize(
    ("target", "meant"),
    [("logprob", "logprobs"), ("prob", "probs"), (("fields", "a"), "field"), (("dleta", "a"), "delta")],
)
def test_words_that_are_nearly_right(target, meant):
    with pytest.raises(ValueError, match=re.escape(f'got {target!r}; did you mean "{meant}"?')):
        l1.L1Regularizer(target)


def test_a_strength_is_no_target():
    message = r"got the number 0\.01; the strength .* `Term\(regularizer, weight=0\.01\)`"
    with pytest.raises(TypeError, match=message):
        l1.L1Regularizer(0.01)
