"""Laws of regularizers and pipelines, on every library."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from regularizer_checks import TARGETS, Ragged, check_penalty, close, number

import l1_any as l1
from l1_any.testing import to_numpy

# Lengths from a short list: JAX compiles for each anew. Each library runs a law on an instance of its own.
few = settings(max_examples=8, suppress_health_check=[HealthCheck.differing_executors])


@st.composite
def ragged(draw):
    lengths = draw(st.lists(st.sampled_from([1, 4]), min_size=1, max_size=3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def logprobs(n):  # a tenth of them is 0, where the kink is
        return np.where(rng.random(n) < 0.1, 0, -3 * rng.random(n)).astype("float32")

    references = [logprobs(n) for n in lengths]
    lps = [
        np.where(rng.random(n) < 0.2, ref, logprobs(n)) for n, ref in zip(lengths, references, strict=True)
    ]
    masks = [rng.random(n) < 0.7 for n in lengths]
    return Ragged(lps, references, masks, [rng.standard_normal((2, n)).astype("float32") for n in lengths])


targets = st.sampled_from(TARGETS)
reductions = st.sampled_from(["sum", "mean"])


def regularizer(target, reduce, *, masked, name="l1_sparsity"):
    return l1.L1Regularizer(target, reduce, where="weights" if masked else None, name=name)


def applicable(target, masked):
    """A field has a shape of its own, which the mask of the tokens does not fit."""
    return masked and target[0] != "field"


def gradients_close(result, exact):
    for g, e in zip(result, exact, strict=True):
        close(g, e)


class TestOracle:
    """The penalty is Σ m·|x| over all examples, on every backend, for every target, reduction and mask."""

    @few
    @given(batch=ragged(), target=targets, reduce=reductions, masked=st.booleans())
    def test_penalty(self, library, batch, target, reduce, masked):
        masked = applicable(target, masked)
        reg = regularizer(target, reduce, masked=masked)
        check_penalty(reg.compute, library, batch, target, reduce, masked=masked)

    @few
    @given(batch=ragged(), target=targets, reduce=reductions, masked=st.booleans())
    def test_subgradient_and_its_norm(self, library, batch, target, reduce, masked):
        masked = applicable(target, masked)
        reg = regularizer(target, reduce, masked=masked)
        *_, exact = batch.answers(target, reduce, masked=masked)
        data, logprobs = batch.data(library), batch.arrays(library)
        gradients_close(reg.subgradient(data, logprobs), exact)
        close(reg.subgradient_norm(data, logprobs), math.sqrt(sum(float((g**2).sum()) for g in exact)))


class TestRaggedMean:
    """A mean over ragged examples is that of their concatenation."""

    @few
    @given(batch=ragged(), target=st.sampled_from(["logprobs", "probs"]))
    def test_concatenation(self, library, batch, target):
        reg = regularizer(target, "mean", masked=False)
        one = library.asarray(np.concatenate(batch.logprobs))
        close(reg.compute(None, batch.arrays(library))[0], number(reg.compute(None, one)[0]))


class TestPadding:
    """Padding under a mask changes nothing, whatever it holds."""

    @few
    @given(
        batch=ragged(),
        target=st.sampled_from(["logprobs", "probs", ("delta", "reference")]),
        reduce=reductions,
        filling=st.sampled_from([math.nan, -math.inf, math.inf, 0.0]),
    )
    def test_padded(self, library, batch, target, reduce, filling):
        width = 4

        def padded(rows, value):
            full = [np.concatenate([row, np.full(width - len(row), value, row.dtype)]) for row in rows]
            return library.asarray(np.stack(full))

        reg = regularizer(target, reduce, masked=True)
        data = {
            "weights": padded(batch.masks, value=False),
            "reference": padded(batch.references, filling),
        }
        logprobs = padded(batch.logprobs, filling)
        close(reg.compute(data, logprobs)[0], batch.answers(target, reduce, masked=True)[0])
        *_, exact = batch.answers(target, reduce, masked=True)
        for g, e in zip(to_numpy(reg.subgradient(data, logprobs)), exact, strict=True):
            close(g[: len(e)], e)
            assert not g[len(e) :].any()


class TestPipelineSum:
    """The loss is base + Σ weight·value, and its gradient the sum of the gradients."""

    @few
    @given(batch=ragged(), target=targets, reduce=reductions, weights=st.tuples(*[st.floats(0, 2)] * 2))
    def test_sum(self, library, batch, target, reduce, weights):
        base = regularizer("logprobs", "sum", masked=True)
        parts = [regularizer(target, reduce, masked=False, name="a"), l1.SoftL1Regularizer(0.5, name="b")]
        pipe = l1.Pipeline(base, [l1.Term(p, w) for p, w in zip(parts, weights, strict=True)])
        data, logprobs = batch.data(library), batch.arrays(library)
        loss, gradient, report = pipe.value_and_gradient(data, logprobs)
        values = [number(p.compute(data, logprobs)[0]) for p in parts]
        base_value = number(base.compute(data, logprobs)[0])
        expected = base_value + sum(w * v for w, v in zip(weights, values, strict=True))
        close(loss, expected, rtol=1e-5)
        contributions = [number(term.contribution) for term in report.terms.values()]
        close(report.regularizer_total, sum(contributions), rtol=1e-5)
        gradients = [p.subgradient(data, logprobs) for p in (base, *parts)]
        for i, g in enumerate(gradient):
            arrays = [to_numpy(each[i]) for each in gradients]
            close(g, arrays[0] + weights[0] * arrays[1] + weights[1] * arrays[2], rtol=1e-5)
        total = math.sqrt(sum(float((to_numpy(g).astype(np.float64) ** 2).sum()) for g in gradient))
        close(report.total_grad_norm, total, rtol=1e-5)

    @few
    @given(batch=ragged(), target=st.sampled_from(["logprobs", "probs", ("delta", "reference")]))
    def test_cosine(self, library, batch, target):
        base, term = regularizer("logprobs", "sum", masked=False), regularizer(target, "sum", masked=False)
        data, logprobs = batch.data(library), batch.arrays(library)
        _, report = l1.Pipeline(base, [l1.Term(term)])(data, logprobs)
        flat = [
            np.concatenate([to_numpy(g).astype(np.float64) for g in each.subgradient(data, logprobs)])
            for each in (base, term)
        ]
        norms = np.linalg.norm(flat[0]) * np.linalg.norm(flat[1])
        cosine = flat[0] @ flat[1] / norms if norms else math.nan
        close(report.terms["l1_sparsity"].cosine, cosine)


@pytest.mark.only("torch", "jax")
class TestGradients:
    """Closed form = analytic = automatic differentiation, for the norms and for the gradients."""

    @few
    @given(batch=ragged(), target=targets, reduce=reductions, soft=st.booleans())
    def test_norms(self, library, batch, target, reduce, soft):
        kind = l1.SoftL1Regularizer if soft else l1.L1Regularizer
        options = {"target": target, "reduce": reduce}
        reg = kind(0.5, **options) if soft else kind(**options)

        def opaque(data, logprobs):  # the same without its methods, so left to automatic differentiation
            anchor = sum(library.xp.sum(lp * 0) for lp in logprobs)
            return reg.compute(data, logprobs)[0] + anchor

        pipe = l1.Pipeline(opaque, [l1.Term(reg, name="stated"), l1.Term(opaque, name="found")])
        data, logprobs = batch.data(library), batch.arrays(library)
        _, gradient, report = pipe.value_and_gradient(data, logprobs)
        stated, found = report.terms["stated"], report.terms["found"]
        close(found.grad_norm, number(stated.grad_norm))
        close(report.total_grad_norm, 3 * number(stated.grad_norm))
        gradients_close(gradient, [3 * to_numpy(g) for g in reg.subgradient(data, logprobs)])


class TestSoftL1:
    """Soft L1 is at most δ/2 below L1 for each element, and tends to it."""

    @few
    @given(batch=ragged(), delta=st.sampled_from([1.0, 0.1, 1e-3, 0.0]), target=targets)
    def test_limit(self, library, batch, delta, target):
        data, logprobs = batch.data(library), batch.arrays(library)
        soft, found = l1.SoftL1Regularizer(delta, target=target).compute(data, logprobs)
        hard, metrics = l1.L1Regularizer(target).compute(data, logprobs)
        close(found["l1_raw"], number(metrics["l1_raw"]))
        close(found["l1_mean"], number(metrics["l1_mean"]))
        soft, hard = number(soft), number(hard)
        n = round(hard / number(metrics["l1_mean"])) if hard else 0
        assert hard - n * delta / 2 - 1e-5 <= soft <= hard + 1e-5


class TestWhenL1DoesNothing:
    """Chosen tokens' log-probabilities give the negative log-likelihood; a full vocabulary's probabilities, 1 a row."""

    @few
    @given(batch=ragged())
    def test_negative_log_likelihood(self, library, batch):
        reg, logprobs = l1.L1Regularizer(), batch.arrays(library)
        nll = -sum(float(lp.astype(np.float64).sum()) for lp in batch.logprobs)
        close(reg.compute(None, logprobs)[0], nll)
        gradients_close(reg.subgradient(None, logprobs), [-(lp != 0).astype(float) for lp in batch.logprobs])

    @few
    @given(rows=st.sampled_from([1, 5]), seed=st.integers(0, 2**32 - 1))
    def test_full_vocabulary(self, library, rows, seed):
        logits = np.random.default_rng(seed).standard_normal((rows, 9)) * 5
        logprobs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        close(l1.L1Regularizer("probs").compute(None, library.asarray(logprobs, "float32"))[0], rows)
