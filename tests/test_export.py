"""Exporters and compilers of programs for arrays of any size: JAX's, torch's, and torch.compile."""

import functools

import numpy as np
import pytest
from every_function import CALLS, Arrays, arrays, flat, functions

import l1_any as l1
from l1_any.testing import to_numpy, ulps

pytestmark = pytest.mark.one_variant

SIZES = ((33, 12), (2, 300))
"""Programs are made for arrays of 5 times 7 elements, and run with these."""

LARGE = (1 << 21) + 3
"""More elements than any block has."""

TARGETS = ("logprobs", "probs", ("field", "field"), ("delta", "field"), ("delta", l1.Uniform(7)))

VALUES = [name for name in CALLS if name.startswith(("value,", "huber,", "group_value"))]

COMPLEX = [name for name in CALLS if name.endswith((", masked, mean", ", masked", ", list", ", rows"))]


def call(name):
    """Return a function of the arrays alone."""
    return lambda *args: tuple(flat(CALLS[name](Arrays(*args), 0.75)))


def check(got, expected, level=0.0):
    """Hold a program's results against eager ones, to 4 ulp of each, or of a magnitude where it is smaller."""
    assert len(flat(got)) == len(flat(expected))
    for own, other in zip(flat(got), flat(expected), strict=True):
        assert own.dtype == other.dtype
        assert own.shape == other.shape
        a, b = to_numpy(own), to_numpy(other)
        bound = 4 * np.spacing(np.maximum(np.abs(b), np.asarray(level, b.real.dtype)))
        off = np.abs(a - b)
        assert np.all((off <= bound) | (np.isnan(a) & np.isnan(b))), np.max(off / bound)


def level_of(library, name, args):
    """Return a magnitude to whose roundings smaller results are held.

    A projection is a difference with the largest of them, where nothing wider than the arrays is at hand.
    """
    if library.variant.accumulator == "float64" or not name.startswith(("project", "prox_max")):
        return 0.0
    return np.max(np.abs(to_numpy(args.x)))


def symbolic(args, **options):
    """Return arrays of symbolic sizes like some arrays, for jax.export."""
    import jax
    from jax import export

    n, m = export.symbolic_shape("n, m", **options)
    sizes = {5: n, 7: m}
    return [jax.ShapeDtypeStruct(tuple(sizes[size] for size in a.shape), a.dtype) for a in args]


def dims(args):
    """Return the names of sizes for torch.export."""
    import torch

    sizes = {5: torch.export.Dim("n", min=2), 7: torch.export.Dim("m", min=2)}
    return tuple([{axis: sizes[size] for axis, size in enumerate(a.shape)} for a in args])


def exported(function, args):
    """Export a function by torch for arrays of any size."""
    import torch

    class Module(torch.nn.Module):
        def forward(self, *args):
            return function(*args)

    program = torch.export.export(Module(), tuple(args), dynamic_shapes=(dims(args),), strict=False)
    return program.module()


def counted(function):
    """Compile a function for arrays of any size; return it with the list of its programs."""
    import torch

    programs = []

    def backend(program, inputs):
        programs.append(program)
        return program.forward

    torch.compiler.reset()
    return torch.compile(function, fullgraph=True, dynamic=True, backend=backend), programs


def programs_of(library, function, args):
    """Return a function as programs for arrays of any size: exported, and in torch compiled too."""
    if library.name == "jax":
        import jax
        from jax import export

        return [export.export(jax.jit(function))(*symbolic(args)).call]
    return [exported(function, args), counted(function)[0]]


def with_data(run):
    """Return a function of the arrays from one of data and log-probabilities."""

    def function(*args):
        a = Arrays(*args)
        return tuple(flat(run({"field": a.gradient, "mask": a.mask, "weights": a.weights}, a.x)))

    return function


def test_every_function_is_exported():
    assert {name.partition(",")[0] for name in CALLS} == functions()


@pytest.mark.only("jax")
@pytest.mark.parametrize("name", CALLS)
def test_jax(library, name):
    function = call(name)
    (program,) = programs_of(library, function, arrays(library))
    for shape in SIZES:
        args = arrays(library, shape)
        check(program(*args), function(*args), level_of(library, name, args))


@pytest.mark.only("torch")
@pytest.mark.parametrize("name", CALLS)
def test_torch(library, name):
    function = call(name)
    program = exported(function, arrays(library))
    for shape in SIZES:
        args = arrays(library, shape)
        check(program(*args), function(*args))


@pytest.mark.only("torch")
@pytest.mark.parametrize("name", CALLS)
def test_torch_compile(library, name):
    """One program for all sizes."""
    function = call(name)
    compiled, programs = counted(function)
    for shape in SIZES:
        args = arrays(library, shape)
        check(compiled(*args), function(*args))
    assert len(programs) == 1


@pytest.mark.only("torch")
@pytest.mark.parametrize("name", ["value, masked, mean", "prox", "project, rows", "prox_group"])
def test_make_fx(library, name):
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    function = call(name)
    program = make_fx(function, tracing_mode="symbolic")(*arrays(library))
    for shape in SIZES:
        args = arrays(library, shape)
        assert not isinstance(args.x, torch.fx.Proxy)
        check(program(*args), function(*args))


@pytest.mark.only("jax", "torch")
@pytest.mark.parametrize("name", COMPLEX)
def test_complex(library, name):
    def function(*args):
        a = Arrays(*args)
        return call(name)(*a._replace(x=a.x + 1j * a.gradient, gradient=a.gradient + 0j * a.x))

    for program in programs_of(library, function, arrays(library)):
        args = arrays(library, SIZES[0])
        check(program(*args), function(*args), 4)


def gradient_of(library, name):
    """Return the gradient by x of the sum of what a call gives."""
    function = call(name)

    def gradient(*args):
        if library.name == "jax":
            from jax import grad
        else:
            from torch.func import grad
        return grad(lambda x: function(x, *args[1:])[0].sum())(args[0])

    return gradient


@pytest.mark.only("jax", "torch")
@pytest.mark.parametrize("name", VALUES)
def test_gradients(library, name):
    """By torch.compile alone: the gradient of ``(x * 2).abs().sum()`` is not exported by torch 2.13 either."""
    gradient = gradient_of(library, name)
    args = arrays(library)
    program = counted(gradient)[0] if library.name == "torch" else programs_of(library, gradient, args)[0]
    args = arrays(library, SIZES[0])
    check(program(*args), gradient(*args))


@pytest.mark.only("torch")
@pytest.mark.parametrize("name", VALUES)
def test_recorded_tensors(library, name):
    """An exported program is differentiable."""
    import torch

    function = call(name)
    program = exported(function, arrays(library))
    args = arrays(library, SIZES[0])
    args.x.requires_grad_()
    got, expected = (torch.autograd.grad(f(*args)[0].sum(), args.x)[0] for f in (program, function))
    check(got, expected)


@pytest.mark.only("jax")
@pytest.mark.parametrize("axis", [0, 1, None])
@pytest.mark.parametrize("shape", [(300, 4), (4, 300), (1200, 8), (1 << 17, 3)])
def test_error_of_sums(library, axis, shape):
    """Equal numbers, whose sum by XLA's own order is off by 11 ulp."""
    x = library.asarray(np.full(shape, 0.1), "float32")
    (program,) = programs_of(library, lambda x: l1.value(x, axis=axis), arrays(library)[:1])
    exact = to_numpy(x).astype(float).sum(axis=axis)
    assert ulps(to_numpy(program(x)), exact, "float32") <= library.tolerance


@pytest.mark.only("jax", "torch")
@pytest.mark.parametrize("name", ["value", "value, mean", "subgradient, mean", "huber, list", "prox"])
def test_large_arrays(library, name):
    """Eager arrays of that size are worked on by blocks."""
    function = call(name)
    for program in programs_of(library, function, arrays(library)):
        args = arrays(library, (3, LARGE // 3))
        check(program(*args), function(*args))


@pytest.mark.only("jax", "torch")
@pytest.mark.parametrize("method", ["compute", "subgradient", "subgradient_norm"])
@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize("soft", [False, True])
def test_regularizers(library, soft, target, method):
    make = functools.partial(l1.SoftL1Regularizer, 0.5) if soft else l1.L1Regularizer
    regularizer = make(target, reduce="mean", where="mask", weights="weights")
    function = with_data(getattr(regularizer, method))
    for program in programs_of(library, function, arrays(library)):
        args = arrays(library, SIZES[0])
        check(program(*args), function(*args))


@pytest.mark.only("jax", "torch")
@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_pipelines(library, target):
    pipe = l1.Pipeline(l1.L1Regularizer(), [l1.Term(l1.L1Regularizer(target, reduce="mean"), weight=0.1)])

    def run(data, logprobs):
        loss, gradient, report = pipe.value_and_gradient(data, logprobs)
        return loss, gradient, report.total_grad_norm, report.terms["l1_sparsity"].cosine

    function = with_data(run)
    for program in programs_of(library, function, arrays(library)):
        args = arrays(library, SIZES[0])
        # float32 sums may be off by 4 ulp each way, and norms are made of them
        check(program(*args), function(*args), 1 if library.variant.accumulator == "float64" else 64)
