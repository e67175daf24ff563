"""Pipelines: weights, gradients from every source, concurrency, compilers, errors that name their term."""

import asyncio
import contextvars
import itertools
import math
import threading

import numpy as np
import pytest
from regularizer_checks import close, number

import l1_any as l1
from l1_any.testing import to_numpy

ROWS = ([-1.0, -2.0], [-0.5])
DATA = {"reference": [[-1.5, -1.0], [-1.0]]}
DELTA = l1.L1Regularizer(("delta", "reference"))
NLL = l1.L1Regularizer(name="nll")


def arrays(library):
    return [library.asarray(row, "float32") for row in ROWS]


def squares(data, logprobs):
    return sum((lp * lp).sum() for lp in logprobs), {"first": logprobs[0].sum()}


def test_a_term_of_weight_zero_is_not_called(library):
    def never(data, logprobs):
        raise AssertionError

    weights = itertools.cycle([0, 0.0])
    for weight in (0, 0.0, lambda step: next(weights)):
        _, report = l1.Pipeline(NLL, [l1.Term(never, weight)])(None, arrays(library), step=1)
        assert report.terms["never"].value is None
        assert report.to_floats()["never/contribution"] == 0


class Squares:
    """A regularizer of someone's own, with its gradient."""

    name = "squares"

    def compute(self, data, logprobs):
        return squares(data, logprobs)[0], {}

    def subgradient(self, data, logprobs):
        return [2 * lp for lp in logprobs]


@pytest.mark.only("numpy", "torch", "jax", "dask")  # the standard has no method .sum()
def test_a_gradient_that_a_term_states(library):
    pipe = l1.Pipeline(NLL, [l1.Term(Squares(), weight=0.25)])
    _, gradient, report = pipe.value_and_gradient(None, arrays(library))
    close(report.terms["squares"].grad_norm, 2 * math.sqrt(1 + 4 + 0.25))
    for g, row in zip(gradient, ROWS, strict=True):
        close(g, -1 + 0.5 * np.asarray(row))


@pytest.mark.only("torch", "jax")
def test_a_gradient_by_autodiff_from_one_forward_pass(library):
    calls = []

    def counted(data, logprobs):
        calls.append(1)
        return squares(data, logprobs)

    pipe = l1.Pipeline(lambda data, logprobs: -logprobs[0].sum(), [l1.Term(counted, weight=0.25)])
    _, gradient, report = pipe.value_and_gradient(None, arrays(library))
    assert len(calls) == 1
    close(report.terms["counted"].grad_norm, 2 * math.sqrt(1 + 4 + 0.25))
    close(report.base.grad_norm, math.sqrt(2))  # an example that a loss does not use has a gradient of zero
    close(gradient[0], [-1.5, -2.0])
    close(gradient[1], [-0.25])


@pytest.mark.only("numpy", "dask", "strict")
def test_no_autodiff_is_an_error_that_says_what_to_add(library):
    pipe = l1.Pipeline(NLL, [l1.Term(lambda data, lp: 0.0, name="mine")])
    with pytest.raises(TypeError, match=r"'mine' cannot be had: .* `subgradient\(data, logprobs\)`"):
        pipe(None, arrays(library))


@pytest.mark.only("torch")
class TestTorch:
    def test_backward_after_tracking(self, library):
        leaves = [lp.requires_grad_() for lp in arrays(library)]
        hidden = [lp * 1 for lp in leaves]  # not leaves, as a model's are not
        loss, gradient, _ = l1.Pipeline(squares, [l1.Term(DELTA), l1.Term(squares, 0.5)]).value_and_gradient(
            DATA, hidden
        )
        assert all(lp.grad is None for lp in leaves)
        loss.backward()
        for lp, g in zip(leaves, gradient, strict=True):
            close(lp.grad, to_numpy(g))

    def test_tensors_without_gradient_are_left_as_they_are(self, library):
        import torch

        logprobs = arrays(library)
        loss, report = l1.Pipeline(squares, [l1.Term(DELTA)])(DATA, logprobs)
        assert not loss.requires_grad
        assert not any(lp.requires_grad for lp in logprobs)
        close(report.base.grad_norm, 2 * math.sqrt(1 + 4 + 0.25))
        with torch.no_grad():
            assert not l1.Pipeline(squares)(None, [lp.requires_grad_() for lp in logprobs])[0].requires_grad

    def test_the_loss_stays_a_function_of_parameters(self, library):
        parameter = library.asarray(2.0, "float32").requires_grad_()

        def scaled(data, logprobs):
            return parameter * logprobs[0].sum()

        loss, _ = l1.Pipeline(scaled)(None, arrays(library))
        loss.backward()
        assert parameter.grad.item() == -3

    def test_compiled(self, library):
        import torch

        pipe = l1.Pipeline(squares, [l1.Term(DELTA, 0.5)], track_grad_norms=False)
        data = [{"reference": library.asarray(row, "float32")} for row in DATA["reference"]]
        compiled = torch.compile(lambda lps: pipe(data, lps), fullgraph=True, backend="aot_eager")
        logprobs = [lp.requires_grad_() for lp in arrays(library)]
        loss, report = compiled(logprobs)
        assert report.to_floats() == pytest.approx(pipe(data, arrays(library))[1].to_floats())
        loss.backward()
        close(logprobs[0].grad, [-1.5, -4.5])

    def test_threads_have_the_gradient_mode(self, library):
        import torch

        modes = []

        def term(data, logprobs):
            modes.append((torch.is_grad_enabled(), threading.current_thread() is threading.main_thread()))
            return squares(data, logprobs)[0]

        pipe = l1.Pipeline(NLL, [l1.Term(term, background=True)], track_grad_norms=False)
        pipe(None, arrays(library))
        with torch.no_grad():
            pipe(None, arrays(library))
        assert modes == [(True, False), (False, False)]


@pytest.mark.only("jax")
def test_jax_transformations(library):
    import jax

    pipe = l1.Pipeline(squares, [l1.Term(DELTA, l1.schedules.linear_warmup(1.0, 10)), l1.Term(squares, 0.5)])
    data = {"reference": [library.asarray(row, "float32") for row in DATA["reference"]]}
    loss, gradient, report = pipe.value_and_gradient(data, arrays(library), step=5)

    @jax.jit
    def compiled(data, logprobs, step):
        return jax.value_and_grad(lambda lps: pipe(data, lps, step=step), has_aux=True)(logprobs)

    (compiled_loss, compiled_report), compiled_gradient = compiled(data, arrays(library), 5)
    close(compiled_loss, number(loss))
    assert compiled_report.to_floats() == pytest.approx(report.to_floats(), rel=1e-5)
    for g, other in zip(gradient, compiled_gradient, strict=True):
        close(other, to_numpy(g))


def test_background_terms_run_beside_the_others(library):
    started, variable = threading.Event(), contextvars.ContextVar("variable")
    variable.set("carried")

    class Solver(Squares):
        name = "solver"

        def compute(self, data, logprobs):
            assert variable.get() == "carried"
            assert started.wait(300)
            return 2.0

    class Base(Squares):
        def compute(self, data, logprobs):
            started.set()  # never reached if the terms were run in turn, solver first
            return 1.0

    pipe = l1.Pipeline(Base(), [l1.Term(Solver(), background=True)])
    assert number(pipe(None, arrays(library))[0]) == 3


def test_async_terms(library):
    entered = []

    class Slow(Squares):
        def __init__(self, name, barrier):
            self.name, self.barrier = name, barrier

        async def compute(self, data, logprobs):
            entered.append(self.name)
            if len(entered) == 2:
                self.barrier.set()
            await asyncio.wait_for(self.barrier.wait(), 300)
            return 1.0

    async def main():
        barrier = asyncio.Event()
        pipe = l1.Pipeline(NLL, [l1.Term(Slow("a", barrier)), l1.Term(Slow("b", barrier), 0.5)])
        with pytest.raises(TypeError, match=r"'a' is async.*acompute"):
            pipe(None, arrays(library))
        return await pipe.acompute(None, arrays(library))

    loss, report = asyncio.run(main())
    assert number(loss) == 5
    assert set(report.terms) == {"a", "b"}


def failing(data, logprobs):
    raise LookupError("of its own")


@pytest.mark.parametrize("background", [False, True])
def test_an_exception_carries_the_name_of_its_term(library, background):
    pipe = l1.Pipeline(NLL, [l1.Term(failing, background=background)], track_grad_norms=False)
    for run in (
        lambda: pipe(None, arrays(library)),
        lambda: asyncio.run(pipe.acompute(None, arrays(library))),
    ):
        with pytest.raises(LookupError, match="of its own") as caught:
            run()
        assert any("'failing'" in note for note in caught.value.__notes__)


def test_no_exception_is_lost(library):
    terms = [l1.Term(failing, name=name, background=True) for name in ("a", "b")]
    with pytest.raises(ExceptionGroup, match="2 terms"):
        l1.Pipeline(NLL, terms, track_grad_norms=False)(None, arrays(library))


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf, True, "1"])
def test_weights_that_are_none(library, weight):
    with pytest.raises((TypeError, ValueError), match="weight of term 'l1_sparsity'"):
        l1.Term(DELTA, weight=weight)
    with pytest.raises((TypeError, ValueError), match="weight of term 'l1_sparsity'"):
        l1.Pipeline(NLL, [l1.Term(DELTA, weight=lambda step: weight)])(DATA, arrays(library), step=0)


def test_construction_errors():
    with pytest.raises(ValueError, match="'l1_sparsity' twice"):
        l1.Pipeline(NLL, [l1.Term(DELTA), l1.Term(DELTA)])
    with pytest.raises(ValueError, match="'base_loss' twice"):
        l1.Pipeline(NLL, [l1.Term(DELTA, name="base_loss")])
    with pytest.raises(TypeError, match=r"`terms\[0\]` must be a Term"):
        l1.Pipeline(NLL, [DELTA])
    with pytest.raises(TypeError, match=r"got a Term; write \[term\]"):
        l1.Pipeline(NLL, l1.Term(DELTA))
    with pytest.raises(TypeError, match="`base_loss`"):
        l1.Pipeline(3)
    with pytest.raises(TypeError, match="'int'"):
        l1.Term(3)


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        (lambda lp: lp, ValueError, "'wrong' must return a scalar"),
        (lambda lp: "text", TypeError, "'wrong' must return a 0-d array"),
        (lambda lp: (1.0, 2.0), TypeError, "'wrong' must return its metrics as a mapping"),
        (lambda lp: (1.0, {"value": 2.0}), ValueError, "'wrong' must name its metrics"),
        (lambda lp: None, TypeError, "'wrong' must return a 0-d array"),
    ],
)
def test_results_that_are_none(library, result, error, message):
    def wrong(data, logprobs):
        return result(logprobs[0])

    with pytest.raises(error, match=message):
        l1.Pipeline(NLL, [l1.Term(wrong)], track_grad_norms=False)(None, arrays(library))
