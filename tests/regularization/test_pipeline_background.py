"""A term with `background=True` gives what it gives in turn: it runs in the modes that its caller is in."""

import contextlib
import sys
import types

import numpy as np
import pytest
from background import NLL, ROWS, all_of, assert_carried, exact, plainly, reading

import l1_any as l1


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
