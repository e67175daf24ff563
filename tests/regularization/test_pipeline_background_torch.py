"""A background term runs in the modes that torch has in its caller's thread."""

import asyncio
import contextlib

import pytest
from background import (
    NLL,
    all_of,
    assert_carried,
    exact,
    plainly,
    reading,
    results,
)

import l1_any as l1


@pytest.mark.only("torch")
class TestTorch:
    def test_autocast(self, logprobs, run):
        import torch

        weight = torch.linspace(-1, 1, 6).reshape(2, 3)

        def term(lps):
            return sum((lp.reshape(1, 2) @ weight).float().sum() for lp in lps)

        assert_carried(term, logprobs, run, lambda: torch.autocast("cpu", dtype=torch.bfloat16))

    def test_autocast_dtype_and_cache(self, logprobs, run):
        import torch

        def mode():
            modes = torch.is_autocast_enabled("cpu"), torch.is_autocast_cache_enabled()
            return (*modes, torch.get_autocast_dtype("cpu")) == (True, False, torch.float16)

        context = all_of(lambda: torch.autocast("cpu", dtype=torch.float16, cache_enabled=False))
        assert_carried(reading(mode), logprobs, run, context)

    def test_autocast_that_is_left_again(self, logprobs, run):
        import torch

        weight = torch.linspace(-1, 1, 6).reshape(2, 3)

        def term(lps):
            return sum((lp.reshape(1, 2) @ weight).float().sum() for lp in lps)

        context = all_of(
            lambda: torch.autocast("cpu", dtype=torch.bfloat16), lambda: torch.autocast("cpu", enabled=False)
        )
        without, in_turn, background = map(exact, results(term, logprobs, run, context))
        assert without == in_turn == background

    def test_inference_mode(self, logprobs, run):
        import torch

        class Stated:
            def compute(self, data, lps):
                return sum(lp.sum() for lp in lps), {}

            def subgradient(self, data, lps):
                return [torch.ones_like(lp) for lp in lps]

        for background in (False, True):
            pipe = l1.Pipeline(NLL, [l1.Term(Stated(), name="term", background=background)])
            with torch.inference_mode():
                loss, report, *_ = run(pipe, logprobs)
            assert loss.is_inference()
            assert report.terms["term"].value.is_inference()
            assert report.terms["term"].grad_norm.is_inference()
            assert not run(pipe, logprobs)[1].terms["term"].value.is_inference()

    @pytest.mark.parametrize("mode", ["no_grad", "enable_grad", "inference_mode"])
    def test_gradient_modes(self, logprobs, run, mode):
        import torch

        logprobs = [lp.requires_grad_() for lp in logprobs]
        term = reading(lambda: torch.is_grad_enabled() == (mode != "enable_grad"))
        context = getattr(torch, mode)
        outer = torch.no_grad if mode == "enable_grad" else torch.enable_grad

        with outer():
            assert_carried(term, logprobs, plainly(run), context, track_grad_norms=False)
            found = results(term, logprobs, plainly(run), context, track_grad_norms=False)
        assert [loss.requires_grad for loss, _ in found] == [
            mode != "enable_grad",
            *[mode == "enable_grad"] * 2,
        ]

    def test_default_device(self, logprobs, run):
        import torch

        term = reading(lambda: torch.empty(()).device.type == "meta")
        assert_carried(term, logprobs, run, lambda: torch.device("meta"))

        @contextlib.contextmanager
        def set_for_this_thread():
            torch.set_default_device("meta")
            try:
                yield
            finally:
                torch.set_default_device(None)

        assert_carried(term, logprobs, run, set_for_this_thread)

    def test_several_at_once(self, logprobs, run):
        import torch

        weight = torch.linspace(-1, 1, 6).reshape(2, 3)

        def term(lps):
            assert not torch.is_grad_enabled()
            return sum((lp.reshape(1, 2) @ weight.to(lp.device)).float().sum() for lp in lps)

        context = all_of(
            torch.inference_mode,
            lambda: torch.device("cpu"),
            lambda: torch.autocast("cpu", dtype=torch.bfloat16),
        )
        with torch.no_grad():
            assert_carried(term, logprobs, plainly(run), context, track_grad_norms=False)

    def test_a_thread_is_left_as_it_was(self, logprobs):
        import torch

        seen = []

        def term(data, lps):
            seen.append(
                (torch.is_autocast_enabled("cpu"), torch.is_grad_enabled(), torch.get_default_device().type)
            )
            return lps[0].sum()

        pipe = l1.Pipeline(NLL, [l1.Term(term, background=True)], track_grad_norms=False)

        async def main():
            with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad(), torch.device("meta"):
                await pipe.acompute(None, logprobs)
            await asyncio.to_thread(term, None, logprobs)

        asyncio.run(main())
        assert seen == [(True, False, "meta"), (False, True, "cpu")]

    def test_modes_are_those_at_the_call(self, logprobs):
        import torch

        seen = {}

        def asked(name):
            def term(data, lps):
                seen[name] = torch.is_autocast_enabled("cpu")
                return lps[0].sum()

            pipe = l1.Pipeline(NLL, [l1.Term(term, background=True)], track_grad_norms=False)
            return pipe.acompute(None, logprobs)

        async def inside():
            with torch.autocast("cpu", dtype=torch.bfloat16):
                await asked("inside")

        async def outside():
            with torch.autocast("cpu", enabled=False):
                await asked("outside")

        async def main():
            await asyncio.gather(inside(), outside())

        with torch.autocast("cpu", enabled=False):  # the two tasks leave their own modes in another order
            asyncio.run(main())
        assert seen == {"inside": True, "outside": False}
