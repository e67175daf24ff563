"""Gradients of terms: constants, terms that are not tracked, inference mode, what a term is given and states."""

import asyncio
import itertools
import math

import numpy as np
import pytest
from regularizer_checks import close, number

import l1_any as l1

ROWS = ([-1.0, -2.0], [-0.5])
NLL = l1.L1Regularizer(name="nll")


def arrays(library):
    return [library.asarray(row, "float32") for row in ROWS]


def squares(data, logprobs):
    return sum((lp * lp).sum() for lp in logprobs)


def constant(data, logprobs):
    return 1.0


class TestConstants:
    """A term that does not depend on the log-probabilities."""

    @pytest.mark.only("torch")
    @pytest.mark.parametrize("value", [1.0, None])
    def test_in_torch_it_may_have_been_detached(self, library, value):
        def detached(data, logprobs):
            return value or library.asarray(1.0, "float32")

        message = (
            r"'detached' cannot be had: .* constant or detached.*, or set `track_grad_norm=False` in its Term"
        )
        with pytest.raises(TypeError, match=message):
            l1.Pipeline(NLL, [l1.Term(detached)])(None, arrays(library))
        message = r"'base_loss' cannot be had: .*, or set `track_grad_norms=False` in the Pipeline"
        with pytest.raises(TypeError, match=message):
            l1.Pipeline(detached)(None, arrays(library))

    @pytest.mark.only("jax")
    @pytest.mark.parametrize("jit", [False, True])
    def test_in_jax_its_gradient_is_zero(self, library, jit):
        import jax

        pipe = l1.Pipeline(NLL, [l1.Term(constant)])
        run = jax.jit(lambda lps: pipe.value_and_gradient(None, lps)) if jit else pipe.value_and_gradient
        loss, gradient, report = run(arrays(library)) if jit else run(None, arrays(library))
        assert number(loss) == 4.5
        assert number(report.terms["constant"].grad_norm) == 0
        for g, row in zip(gradient, ROWS, strict=True):
            close(g, np.sign(row))
        _, report = l1.Pipeline(constant)(None, arrays(library))
        assert number(report.base.grad_norm) == 0

    @pytest.mark.parametrize("background", [False, True])
    def test_one_term_need_not_be_tracked(self, library, background):
        other = l1.Term(l1.L1Regularizer(), 0.5)
        terms = [l1.Term(constant, track_grad_norm=False, background=background), other]
        loss, report = l1.Pipeline(NLL, terms)(None, arrays(library))
        assert number(loss) == 3.5 + 1.0 + 1.75
        assert report.terms["constant"].grad_norm is None
        assert report.terms["constant"].cosine is None
        close(report.terms["l1_sparsity"].grad_norm, math.sqrt(3))
        assert report.total_grad_norm is None
        assert "constant/value" in report.to_floats()
        _, report = asyncio.run(l1.Pipeline(NLL, terms).acompute(None, arrays(library)))
        assert report.terms["constant"].grad_norm is None

    @pytest.mark.only("numpy", "torch", "dask", "strict")
    def test_the_gradient_of_the_loss_needs_that_of_each_term(self, library):
        pipe = l1.Pipeline(NLL, [l1.Term(constant, track_grad_norm=False)])
        with pytest.raises(
            TypeError, match=r"'constant' cannot be had: .*`subgradient\(data, logprobs\)`\.(\n|$)"
        ):
            pipe.value_and_gradient(None, arrays(library))


@pytest.mark.only("torch")
@pytest.mark.parametrize("background", [False, True])
class TestInferenceMode:
    def test_a_function_has_no_gradient(self, library, background):
        import torch

        pipe = l1.Pipeline(NLL, [l1.Term(squares, background=background)])
        runs = (
            lambda lps: pipe(None, lps),
            lambda lps: pipe.value_and_gradient(None, lps),
            lambda lps: asyncio.run(pipe.acompute(None, lps)),
        )
        before = arrays(library)
        with torch.inference_mode():
            for logprobs, run in itertools.product((before, arrays(library)), runs):
                message = (
                    r"'squares' cannot be had: .*torch\.inference_mode\(\), but would under torch\.no_grad"
                )
                with pytest.raises(TypeError, match=message):
                    run(logprobs)

    def test_without_its_norm_it_is_called(self, library, background):
        import torch

        pipe = l1.Pipeline(NLL, [l1.Term(squares, background=background, track_grad_norm=False)])
        with torch.inference_mode():
            assert number(pipe(None, arrays(library))[0]) == 3.5 + 5.25

    def test_tensors_made_there_have_gradients_elsewhere(self, library, background):
        import torch

        with torch.inference_mode():
            logprobs = arrays(library)
        pipe = l1.Pipeline(NLL, [l1.Term(squares, background=background)])
        _, gradient, report = pipe.value_and_gradient(None, logprobs)
        close(gradient[1], [-2.0])
        close(report.terms["squares"].grad_norm, 2 * math.sqrt(1 + 4 + 0.25))


@pytest.mark.parametrize("background", [False, True])
def test_a_function_gets_the_data_of_the_caller(library, background):
    data, logprobs, seen = {"own": object()}, arrays(library), []

    def term(given, lps):
        seen.append((given, lps))
        return 1.0

    l1.Pipeline(NLL, [l1.Term(term, background=background)], track_grad_norms=False)(data, logprobs)
    ((given, lps),) = seen
    assert given is data
    assert lps is logprobs


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (
            lambda lps: [lps[0], lps[0]],
            r"the subgradient of term 'mine'` must have the shape .* \(1,\), got \(2,\)",
        ),
        (
            lambda lps: [lps[0], 1.0],
            r"the subgradient of term 'mine'` must have the shape .* \(1,\), got float",
        ),
        (lambda lps: lps[0], r"the subgradient of term 'mine'` must have the structure of `logprobs`"),
        (lambda lps: None, r"the subgradient of term 'mine'` must have the shape .* \(2,\), got NoneType"),
    ],
)
def test_stated_gradients_that_are_none(library, stated, message):
    class Mine:
        name = "mine"

        def compute(self, data, logprobs):
            return 1.0

        def subgradient(self, data, logprobs):
            return stated(logprobs)

    with pytest.raises(ValueError, match=message):
        l1.Pipeline(NLL, [l1.Term(Mine())])(None, arrays(library))


def test_an_object_with_an_async_call(library):
    class Asked:
        async def __call__(self, data, logprobs):
            await asyncio.sleep(0)
            return 2.0

    pipe = l1.Pipeline(NLL, [l1.Term(Asked(), 0.5)], track_grad_norms=False)
    with pytest.raises(TypeError, match=r"'Asked' is async: use `await pipeline\.acompute"):
        pipe(None, arrays(library))
    loss, report = asyncio.run(pipe.acompute(None, arrays(library)))
    assert number(loss) == 4.5
    assert number(report.terms["Asked"].value) == 2
