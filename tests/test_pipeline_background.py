"""A term with `background=True` gives what it gives in turn: it runs in the modes that its caller is in."""

import asyncio
import contextlib
import sys
import threading
import types

import numpy as np
import pytest

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


@pytest.fixture(params=[synchronous, asynchronous], ids=["value_and_gradient", "acompute"])
def run(request):
    return request.param


@pytest.fixture
def logprobs(library):
    return [library.asarray(row, "float32") for row in ROWS]


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


@pytest.mark.only("jax")
class TestJAX:
    def test_x64(self, logprobs, run):
        import jax

        def term(lps):
            return sum((lp.astype(float) / 3).sum() for lp in lps)

        other = not jax.config.jax_enable_x64
        assert_carried(term, logprobs, run, lambda: jax.enable_x64(other))

    def test_x64_within_another_context(self, logprobs, run):
        import jax

        def term(lps):
            return sum((lp.astype(float) / 3).sum() for lp in lps)

        other = not jax.config.jax_enable_x64
        context = all_of(
            lambda: jax.enable_x64(not other),
            lambda: jax.numpy_rank_promotion("raise"),
            lambda: jax.enable_x64(other),
        )
        assert_carried(term, logprobs, run, context)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("default_matmul_precision", "highest"),
            ("debug_infs", True),
            ("disable_jit", True),
            ("numpy_dtype_promotion", "strict"),
            ("numpy_rank_promotion", "raise"),
            ("threefry_partitionable", False),
            ("default_prng_impl", "rbg"),
            ("transfer_guard_device_to_host", "log"),
        ],
    )
    def test_every_option_of_a_context(self, logprobs, run, name, value):
        import jax

        term = reading(lambda: getattr(jax.config, f"jax_{name}") == value)
        assert_carried(term, logprobs, run, lambda: getattr(jax, name)(value))

    def test_default_device(self, logprobs, run):
        import jax

        term = reading(lambda: jax.config.jax_default_device is not None)
        assert_carried(term, logprobs, run, lambda: jax.default_device(jax.devices()[-1]))

    def test_a_part_of_the_transfer_guard_keeps_its_own_level(self, logprobs, run):
        import jax

        def levels():
            return (
                jax.config.jax_transfer_guard_host_to_device,
                jax.config.jax_transfer_guard_device_to_device,
            )

        context = all_of(
            lambda: jax.transfer_guard("log"), lambda: jax.transfer_guard_host_to_device("allow")
        )
        assert_carried(reading(lambda: levels() == ("allow", "log")), logprobs, run, context)

    def test_an_error_for_nan(self, logprobs, run):
        import jax
        import jax.numpy as jnp

        def invalid(data, lps):
            return jnp.log(lps[0].sum())

        for background in (False, True):
            pipe = l1.Pipeline(NLL, [l1.Term(invalid, background=background)], track_grad_norms=False)
            with jax.debug_nans(True), pytest.raises(FloatingPointError):  # noqa: FBT003 - JAX's own signature
                plainly(run)(pipe, logprobs)

    def test_mesh(self, logprobs, run):
        import jax

        if not hasattr(jax, "set_mesh"):
            pytest.skip("this JAX has no jax.set_mesh")
        mesh = jax.make_mesh((1,), ("rows",), axis_types=(jax.sharding.AxisType.Auto,))
        term = reading(lambda: jax.sharding.get_abstract_mesh().axis_names == ("rows",))
        assert_carried(term, logprobs, run, lambda: jax.set_mesh(mesh))


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

        asyncio.run(main())
        assert seen == {"inside": True, "outside": False}


@pytest.mark.only("numpy")
class TestNumPy:
    class Overflowing:
        """NumPy has no automatic differentiation, so the term states its gradient."""

        def compute(self, data, lps):
            return np.float32(np.exp(-1e3 * sum(lp.sum() for lp in lps)).astype("float32")), {}

        def subgradient(self, data, lps):
            return [np.ones_like(lp) for lp in lps]

    @pytest.mark.parametrize("background", [False, True])
    def test_errors_that_are_asked_for(self, logprobs, run, background):
        pipe = l1.Pipeline(NLL, [l1.Term(self.Overflowing(), name="term", background=background)])
        with np.errstate(all="raise"), pytest.raises(FloatingPointError):
            run(pipe, logprobs)

    def test_what_is_ignored(self, logprobs, run):
        pipes = [
            l1.Pipeline(NLL, [l1.Term(self.Overflowing(), name="term", background=background)])
            for background in (False, True)
        ]
        with np.errstate(all="ignore"):
            assert len({tuple(exact(run(pipe, logprobs))) for pipe in pipes}) == 1


class TestOtherLibraries:
    """A term may use another library than that of the log-probabilities."""

    @pytest.mark.only("torch")
    def test_torch_within_numpy(self, library, run):
        import torch

        seen, logprobs = [], [np.asarray(row, "float32") for row in ROWS]

        def term(data, lps):
            seen.append(torch.is_grad_enabled())
            return lps[0].sum()

        for background in (False, True):
            pipe = l1.Pipeline(NLL, [l1.Term(term, background=background)], track_grad_norms=False)
            with torch.no_grad():
                plainly(run)(pipe, logprobs)
        assert seen == [False, False]

    @pytest.mark.only("numpy")
    def test_a_library_that_a_term_imports(self, logprobs, run, monkeypatch):
        def importing(data, lps):
            monkeypatch.setitem(
                sys.modules, "cupy", types.ModuleType("cupy")
            )  # as it is while it is imported
            return lps[0].sum()

        monkeypatch.delitem(sys.modules, "cupy", raising=False)
        terms = [l1.Term(importing, name=f"term{i}", background=True) for i in range(3)]
        plainly(run)(l1.Pipeline(NLL, terms, track_grad_norms=False), logprobs)


@pytest.mark.gpu
class TestStreams:
    @pytest.mark.only("torch")
    def test_torch(self, logprobs, run):
        import torch

        stream = torch.cuda.Stream()

        @contextlib.contextmanager
        def on_the_stream():
            torch.cuda.synchronize()
            with torch.cuda.stream(stream):
                yield
            torch.cuda.synchronize()

        assert_carried(reading(lambda: torch.cuda.current_stream() == stream), logprobs, run, on_the_stream)

    @pytest.mark.only("cupy")
    def test_cupy(self, logprobs, run):
        import cupy

        stream = cupy.cuda.Stream(non_blocking=True)

        @contextlib.contextmanager
        def on_the_stream():
            cupy.cuda.Device().synchronize()
            with stream:
                yield
            cupy.cuda.Device().synchronize()

        term = reading(lambda: cupy.cuda.get_current_stream() == stream)
        assert_carried(term, logprobs, plainly(run), on_the_stream, track_grad_norms=False)
