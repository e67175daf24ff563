"""Automatic differentiation gives the contract's subgradient, and a second derivative of zero."""

import functools
import math

import numpy as np
import pytest

import l1_any as l1
from l1_any.testing import exact_subgradient, to_numpy

inf, nan = math.inf, math.nan
VALUES = np.asarray([[2.0, -3.0, 0.0, -0.0], [inf, -inf, nan, 0.25]], np.float32)
MASK = np.asarray([[True, True, True, False], [True, False, False, True]])
WEIGHTS = np.asarray([0.5, 2.0, 1.0, 4.0], np.float32)
CASES = {
    "plain": {},
    "mean": {"reduce": "mean"},
    "mask": {"where": MASK},
    "mask, mean": {"where": MASK, "reduce": "mean"},
    "weights": {"weights": WEIGHTS},
    "number": {"weights": 0.5},
    "everything": {"weights": WEIGHTS, "where": MASK, "reduce": "mean"},
}


def same(got, expected):
    return np.allclose(to_numpy(got), expected, rtol=1e-6, atol=0, equal_nan=True)


@pytest.fixture(params=CASES)
def case(request, library):
    """A function of one array, the array, and its exact subgradient."""
    kw = CASES[request.param]
    placed = {k: library.asarray(v) if isinstance(v, np.ndarray) else v for k, v in kw.items()}
    return functools.partial(l1.value, **placed), library.asarray(VALUES), exact_subgradient(VALUES, **kw)


@pytest.fixture
def finite_case(library):
    """As `case`, without the NaN that 0·NaN would spread to every entry of a forward-mode Jacobian."""
    values, kw = np.nan_to_num(VALUES, nan=7.0), {"where": MASK, "weights": WEIGHTS, "reduce": "mean"}
    placed = {k: library.asarray(v) if isinstance(v, np.ndarray) else v for k, v in kw.items()}
    return functools.partial(l1.value, **placed), library.asarray(values), exact_subgradient(values, **kw)


@pytest.mark.only("torch")
class TestTorch:
    @pytest.mark.parametrize("n", [10, 300_000])
    @pytest.mark.parametrize(
        "function",
        [
            lambda x: l1.value(x, weights=x.detach() + 9),
            lambda x: l1.huber(x, 0.5, weights=x.detach() + 9),
            lambda x: x @ l1.subgradient(x, weights=x.detach() + 9),
            lambda x: l1.value_and_subgradient(x)[0],
            lambda x: l1.prox(x, 0.5).sum(),
            lambda x: l1.project(x, 1.0).sum(),
            lambda x: l1.group_value(x[None, :], axis=1),
        ],
    )
    def test_selective_checkpoints(self, library, function, n):
        """What is done stays as it was, for a mode that saves all of it."""
        import torch
        from torch.utils import checkpoint

        save = checkpoint.CheckpointPolicy.MUST_SAVE
        contexts = functools.partial(
            checkpoint.create_selective_checkpoint_contexts, lambda *args, **kwargs: save
        )
        x = library.asarray(np.linspace(-2, 2, n, dtype=np.float32)).requires_grad_()
        y = checkpoint.checkpoint(lambda x: function(x * 2), x, use_reentrant=False, context_fn=contexts)
        (g,) = torch.autograd.grad(y, x)
        (expected,) = torch.autograd.grad(function(x * 2), x)
        assert torch.equal(g, expected)

    def test_compile_after_other_libraries(self, library):
        """What is kept of their dtypes is nothing to torch.compile."""
        import torch

        for dtype in ("float32", "float64", "complex64"):
            l1.huber(np.ones(3, dtype), 0.5)
        x = library.asarray([1.0, -0.2, 0.0], "float32")
        assert torch.compile(lambda x: l1.huber(x, 0.5), fullgraph=True)(x) == l1.huber(x, 0.5)

    def test_forward_jacobian(self, finite_case):
        import torch

        f, x, s = finite_case
        assert same(torch.func.jacfwd(f)(x), s)

    def test_backward(self, case):
        f, x, s = case
        x.requires_grad_()
        f(x).backward()
        assert same(x.grad, s)

    def test_backward_scales(self, case):
        f, x, s = case
        x.requires_grad_()
        (3 * f(x) + 1).backward()
        assert same(x.grad, 3 * s)

    @pytest.mark.parametrize("masked", [False, True])
    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    @pytest.mark.parametrize("n", [6, 1 << 18])
    def test_the_second_derivative_is_a_zero_in_memory(self, library, n, dtype, masked):
        """torch's own second derivative of abs is a tensor without memory, which an optimizer cannot add to."""
        import torch

        x = library.asarray(np.linspace(-1, 1, n), dtype).requires_grad_()
        options = {"where": x.detach() > 0} if masked else {}
        (g,) = torch.autograd.grad(l1.value(x, weights=0.5, **options), x, create_graph=True)
        (g.float() ** 2).sum().backward()
        assert x.grad.add_(1).eq(1).all()
        l1.value(x).backward()
        assert x.grad.isfinite().all()

    @pytest.mark.parametrize("n", [4, 1 << 18])
    def test_complex_gradients_have_a_graph_at_any_size(self, library, n):
        import torch

        x = library.asarray(np.full(n, 3 + 4j), "complex64").requires_grad_()
        (g,) = torch.autograd.grad(l1.value(x), x, create_graph=True)
        assert g.requires_grad
        torch.autograd.grad(torch.view_as_real(g).sum(), x)

    def test_double_backward(self, case):
        import torch

        f, x, s = case
        x.requires_grad_()
        (g,) = torch.autograd.grad(f(x), x, create_graph=True)
        assert same(g, s)
        (second,) = torch.autograd.grad(g.nansum(), x)
        assert torch.equal(second, torch.zeros_like(x))

    def test_func(self, case):
        import torch

        f, x, s = case
        assert same(torch.func.grad(f)(x), s)
        assert same(torch.func.jacrev(f)(x), s)
        tangent = torch.ones_like(x)
        value, derivative = torch.func.jvp(f, (x,), (tangent,))
        assert same(value, to_numpy(f(x)))
        assert same(derivative, s.astype(np.float32).sum())
        assert torch.all(torch.nan_to_num(torch.func.hessian(f)(x)) == 0)

    def test_forward_mode(self, case):
        import torch.autograd.forward_ad as fwd

        f, x, s = case
        with fwd.dual_level():
            out = fwd.unpack_dual(f(fwd.make_dual(x, x.new_ones(x.shape))))
        assert same(out.tangent, s.astype(np.float32).sum())

    def test_vmap_of_grad(self, library):
        import torch

        x = library.asarray(VALUES)
        assert same(torch.func.vmap(torch.func.grad(l1.value))(x), exact_subgradient(VALUES))
        assert same(torch.func.vmap(l1.value)(x), [5, nan])

    def test_compile(self, case):
        import torch

        torch.compiler.reset()
        f, x, s = case
        x.requires_grad_()
        v = torch.compile(f, fullgraph=True)(x)
        assert same(v, to_numpy(f(x)))
        v.backward()
        assert same(x.grad, s)

    def test_compile_everything_else(self, library):
        import torch

        torch.compiler.reset()
        x = library.asarray(VALUES)
        compiled = functools.partial(torch.compile, fullgraph=True)
        assert same(compiled(l1.subgradient)(x), exact_subgradient(VALUES))
        v, s = compiled(l1.value_and_subgradient)([x[0], x[1:]])
        assert np.isnan(to_numpy(v))
        assert same(s[1], exact_subgradient(VALUES[1:]))
        assert same(compiled(l1.subgradient_norm)(x[:1]), math.sqrt(2))
        assert same(compiled(l1.value)(x, axis=1), [5, nan])

    def test_compile_any_shape(self, library):
        import torch

        torch.compiler.reset()
        f = functools.partial(l1.value_and_subgradient, axis=-1, reduce="mean")
        compiled = torch.compile(f, fullgraph=True, dynamic=True)
        for values in (VALUES, VALUES[:, :3]):
            x = library.asarray(values)
            for got, expected in zip(compiled(x), f(x), strict=True):
                assert same(got, to_numpy(expected))

    def test_gradient_of_weights(self, library):
        import torch

        x, mask = library.asarray(VALUES), library.bool(MASK)
        w = library.asarray(WEIGHTS).requires_grad_()
        l1.value(x, where=mask, weights=w).backward()
        assert same(w.grad, np.where(MASK, np.abs(VALUES), 0).sum(axis=0))
        x.requires_grad_()
        both = torch.autograd.grad(l1.value(x, where=mask, weights=w), (x, w))
        assert same(both[0], exact_subgradient(VALUES, where=MASK, weights=WEIGHTS))
        assert same(both[1], to_numpy(w.grad))

    def test_structure_and_axis(self, library):
        x = library.asarray(VALUES).requires_grad_()
        y = library.asarray(VALUES[0]).requires_grad_()
        l1.value({"a": x, "b": [y]}, reduce="mean").backward()
        assert same(x.grad, exact_subgradient(VALUES) / 12)
        assert same(y.grad, exact_subgradient(VALUES[0]) / 12)
        x.grad = None
        (l1.value(x, axis=0, keepdims=True) * library.asarray([[1, 2, 3, 4]], "float32")).sum().backward()
        assert same(x.grad, exact_subgradient(VALUES) * [1, 2, 3, 4])

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "complex64", "complex128"])
    def test_dtypes(self, library, dtype):
        values = VALUES * (1 + 1j) if dtype.startswith("complex") else VALUES
        values = np.where(np.isfinite(values), values, 0)
        x = library.asarray(values, dtype).requires_grad_()
        l1.value(x).backward()
        assert x.grad.dtype == x.dtype
        assert same(x.grad, exact_subgradient(values))

    def test_loss_scale_beyond_half(self, library):
        x = library.asarray([1.0, 0.0, -1.0], "float16").requires_grad_()
        (65536.0 * l1.value(x)).backward()
        assert to_numpy(x.grad).tolist() == [inf, 0, -inf]

    def test_longer_than_a_block(self, library):
        import torch

        x = torch.linspace(-1, 1, 700_001).requires_grad_()
        l1.value(x, axis=0).backward()
        assert torch.equal(x.grad, x.detach().sign())
        batched = torch.autograd.grad(l1.value(x) * torch.ones(2), x, torch.eye(2), is_grads_batched=True)[0]
        assert torch.equal(batched[1], x.grad)

    def test_constants_are_no_part_of_a_graph(self, library):
        x = library.asarray(VALUES).requires_grad_()
        v, s = l1.value_and_subgradient(x)
        assert v.requires_grad
        assert not s.requires_grad
        assert not l1.subgradient(x).requires_grad
        assert not l1.subgradient_norm(x).requires_grad

    @pytest.mark.parametrize("n", [5, 600_000])
    def test_subgradient_is_a_constant_of_its_weights(self, library, n):
        import torch

        x, w = torch.linspace(-1, 1, n), torch.ones(n, requires_grad=True)
        v, s = l1.value_and_subgradient(x, weights=w)
        assert not s.requires_grad
        v.backward()
        assert torch.equal(w.grad, x.abs())

    @pytest.mark.parametrize("records", [False, True])
    def test_vmap_over_masks_and_weights(self, library, records):
        import torch

        x = library.asarray([1.0, -2.0, 0.0], "float32").requires_grad_(records)
        masks = np.asarray([[True, True, False], [False, True, True]])
        weights = np.asarray([[1.0, 2.0, 3.0], [0.5, 0.25, nan]], np.float32)
        weights[~masks] = nan
        weights[1, 2] = 7

        def both(mask, w):
            return l1.value_and_subgradient(
                {"a": x, "b": x}, reduce="mean", where={"a": mask, "b": None}, weights=w
            )

        def unmasked(mask, w):
            return l1.value_and_subgradient(x, where=mask, weights=w)

        mask, w = library.bool(masks), library.asarray(weights)
        v, s = torch.func.vmap(unmasked)(mask, w)
        assert to_numpy(v).tolist() == [5, 0.5]
        assert to_numpy(s).tolist() == [[1, -2, 0], [0, -0.25, 0]]
        v, s = torch.func.vmap(functools.partial(both, w=0.5))(mask)
        assert same(v, [0.6, 0.5])
        assert same(s["b"], [[0.1, -0.1, 0], [0.1, -0.1, 0]])

    def test_recording_array_within_a_transformation(self, library):
        import torch

        x = library.asarray([1.0, -2.0], "float32").requires_grad_()
        y = library.asarray([1.0, 3.0], "float32")
        torch.func.vmap(lambda y: y * l1.value(x))(y).sum().backward()
        assert x.grad.tolist() == [4, -4]
        assert torch.func.grad(lambda y: y[0] * l1.value(x))(y).tolist() == [3, 0]

    def test_changed_in_place_before_backward(self, library):
        x = library.asarray([1.0, 2.0], "float32").requires_grad_()
        y = x * 1
        v = l1.value(y)
        y.neg_()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            v.backward()


@pytest.mark.only("jax")
class TestJax:
    def test_forward_jacobian(self, finite_case):
        import jax

        f, x, s = finite_case
        assert same(jax.jacfwd(f)(x), s)

    def test_grad(self, case):
        import jax

        f, x, s = case
        assert same(jax.grad(f)(x), s)
        assert same(jax.jit(jax.grad(f))(x), s)

    def test_forward_mode_and_hessian(self, case):
        import jax

        f, x, s = case
        value, derivative = jax.jvp(f, (x,), (jax.numpy.ones_like(x),))
        assert same(value, to_numpy(f(x)))
        assert same(derivative, s.astype(np.float32).sum())
        assert np.all(np.nan_to_num(to_numpy(jax.hessian(f)(x))) == 0)

    def test_transformations_agree_with_eager(self, case):
        import jax

        f, x, _ = case
        assert same(jax.jit(f)(x), to_numpy(f(x)))

    def test_vmap(self, library):
        import jax

        x = library.asarray(VALUES)
        assert same(jax.vmap(l1.value)(x), [5, nan])
        assert same(jax.vmap(jax.grad(l1.value))(x), exact_subgradient(VALUES))
        assert same(jax.jit(jax.vmap(l1.subgradient))(x), exact_subgradient(VALUES))

    def test_gradient_of_weights(self, library):
        import jax

        x, mask, w = library.asarray(VALUES), library.bool(MASK), library.asarray(WEIGHTS)
        g = jax.grad(lambda w: l1.value(x, where=mask, weights=w))(w)
        assert same(g, np.where(MASK, np.abs(VALUES), 0).sum(axis=0))
        assert same(jax.jit(lambda c: l1.value(x[0], weights=w) * c)(2.0), 14)

    def test_more_elements_than_32_bits_count(self, library):
        import jax

        x = jax.ShapeDtypeStruct((2**32,), "float32")
        for f in (l1.value, l1.subgradient, l1.value_and_subgradient, l1.subgradient_norm):
            jax.eval_shape(functools.partial(f, reduce="mean"), x)
            jax.eval_shape(lambda x, f=f: f([x, x], reduce="mean", where=[x > 0, None]), x)

    def test_complex_follows_jax(self, library):
        import jax

        z = np.asarray([3 + 4j, 0, -1j], np.complex64)
        assert same(jax.grad(l1.value)(library.asarray(z)), np.conj(exact_subgradient(z)))

    def test_subgradient_is_a_constant(self, library):
        import jax

        x = library.asarray(VALUES)
        assert np.all(to_numpy(jax.grad(lambda x: l1.subgradient(x)[0].sum())(x)) == 0)
        assert np.all(to_numpy(jax.grad(lambda x: l1.subgradient_norm(x[:1]))(x)) == 0)

    def test_structures_are_pytrees(self, library):
        import jax

        tree = {"a": library.asarray(VALUES), "b": [library.asarray(VALUES[0])]}
        g = jax.jit(jax.grad(l1.value))(tree)
        assert same(g["b"][0], exact_subgradient(VALUES[0]))
