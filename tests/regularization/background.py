"""Runs one term in turn and in the background, and compares what both give to the bit."""

import asyncio
import contextlib
import threading

import l1_any as l1
from l1_any.testing import to_numpy

ROWS = ([-1 / 3, -2 / 7], [-1 / 9, -1e-3])
NLL = l1.L1Regularizer(name="nll")


def called(pipe, logprobs):
    return pipe(None, logprobs)


def synchronous(pipe, logprobs):
    loss, gradient, report = pipe.value_and_gradient(None, logprobs)
    return loss, report, *gradient


def asynchronous(pipe, logprobs):
    return asyncio.run(pipe.acompute(None, logprobs))


def plainly(run):
    """The same kind of run without a gradient."""
    return asynchronous if run is asynchronous else called


def exact(result):
    """Dtype and bits of all numbers in a result."""
    loss, report, *gradient = result
    term = report.terms["term"]
    numbers = [loss, term.value, term.grad_norm, term.cosine, report.total_grad_norm, *gradient]
    return [None if x is None else (str(x.dtype), to_numpy(x).tobytes()) for x in numbers]


def results(term, logprobs, run, context, **options):
    """The result in turn and in the background, each of them begun in the context; the first one without it too."""
    threads = []

    def noted(data, lps):
        threads.append(threading.current_thread() is threading.main_thread())
        return term(lps)

    def result(*, background):
        pipe = l1.Pipeline(NLL, [l1.Term(noted, 0.5, name="term", background=background)], **options)
        return run(pipe, logprobs)

    without = result(background=False)
    found = []
    for background in (False, True):
        with context():
            found.append(result(background=background))
    assert threads == [True, True, False]
    return without, *found


def assert_carried(term, logprobs, run, context, **options):
    without, in_turn, background = map(exact, results(term, logprobs, run, context, **options))
    assert in_turn == background
    assert in_turn != without  # or the test says nothing


def reading(mode):
    """A term whose value and gradient are those of a sum, times a number that a mode is turned into."""

    def term(lps):
        factor = 2.0 if mode() else 1.0
        return sum((lp * factor).sum() for lp in lps)

    return term


def all_of(*makers):
    """One context of several."""

    @contextlib.contextmanager
    def context():
        with contextlib.ExitStack() as stack:
            for make in makers:
                stack.enter_context(make())
            yield

    return context
