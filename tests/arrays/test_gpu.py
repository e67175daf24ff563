"""On a GPU no call waits for the device: the libraries' own checks would raise."""

import contextlib
import fractions
import importlib
import warnings

import numpy as np
import pytest

import l1_any as l1
from l1_any.testing import to_numpy, ulps

pytestmark = [pytest.mark.gpu, pytest.mark.only("torch", "cupy")]


@contextlib.contextmanager
def synchronisation_forbidden(library):
    if library.name == "cupy":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its removal: CuPy has no other check
            allow_synchronize = importlib.import_module("cupyx").allow_synchronize
            with allow_synchronize(allow=False):
                yield
        return
    cuda = importlib.import_module("torch").cuda
    before = cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it does not see every synchronisation
        cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        cuda.set_sync_debug_mode(before)


@pytest.fixture
def placed(library):
    """An array longer than a block, a mask and weights, on the GPU."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1000, 700)).astype(np.float32)
    return library.asarray(x), library.bool(x[:, :1] > 0), library.asarray(np.abs(x[0]))


@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_the_penalty(library, placed, reduce):
    x, mask, weights = placed
    options = {"where": mask, "weights": weights, "reduce": reduce}

    def run():
        l1.value(x, axis=1, keepdims=True, **options)
        l1.subgradient(x, axis=0, **options)
        l1.value_and_subgradient([x, x], reduce=reduce, where=[mask, None], weights=0.5)
        l1.subgradient_norm(x, **options)

    run()  # kernels are compiled and memory is taken at the first call
    with synchronisation_forbidden(library):
        run()


def test_the_operators(library, placed):
    x, mask, weights = placed

    def run():
        l1.prox(x, 0.1)
        l1.prox(x, 0.1, where=mask, weights=weights)
        l1.prox_elastic_net(x, 0.1, l1_ratio=0.5)
        l1.project(x, 1.0, axis=-1)
        l1.project(x, 1.0, axis=-1, weights=weights)
        l1.prox_max(x, 0.1, axis=0)
        l1.subdiff_distance(x, x, 0.1, where=mask)
        l1.strength_max(x, weights=weights)
        l1.huber(x, 0.5, where=mask)
        l1.huber_gradient(x, 0.5)
        l1.group_value(x, axis=1)
        l1.group_subgradient(x, axis=1)
        l1.prox_group(x, 0.1, axis=1)

    run()
    with synchronisation_forbidden(library):
        run()


def test_regularizers(library, placed):
    x, mask, _ = placed
    logprobs = -library.xp.abs(x)
    step = library.asarray(np.asarray(3.0, np.float32))
    weight = l1.schedules.cosine(1e-2, steps=10, warmup=2)

    def run():
        for target in ("logprobs", "probs", l1.Delta(l1.Uniform(700))):
            penalty, _ = l1.L1Regularizer(target, "mean", where=mask).compute(None, logprobs)
            weight(step) * penalty
        l1.SoftL1Regularizer(0.1, "probs").compute(None, logprobs)

    run()
    with synchronisation_forbidden(library):
        run()


def test_masks_by_field(library, placed):
    """Labels on the GPU are not looked at, so that padding in them is no error there."""
    x, _, _ = placed
    logprobs = -library.xp.abs(x)
    labels = library.xp.astype(x * 100, library.xp.int32)

    def run():
        for where in ("labels", ("labels", -100)):
            reg = l1.L1Regularizer(where=where, reduce="mean", zero_if_empty=True)
            reg.compute({"labels": labels}, logprobs)

    run()
    with synchronisation_forbidden(library):
        run()


@pytest.mark.only("torch")
def test_backward(library, placed):
    x, mask, weights = placed
    x.requires_grad_()
    l1.value(x, where=mask, weights=weights, reduce="mean").backward()
    x.grad = None
    with synchronisation_forbidden(library):
        l1.value(x, where=mask, weights=weights, reduce="mean").backward()
    assert x.grad.device == x.device


@pytest.mark.only("torch")
def test_the_optimizer(library):
    import torch

    model = torch.nn.Linear(300, 200, device="cuda")
    inner = torch.optim.AdamW(model.named_parameters(), lr=1e-2)
    optimizer = l1.optim.ProximalL1(inner, strength=10.0, exclude="*bias")
    x = torch.randn(50, 300, device="cuda")

    def step():
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()

    step()
    with synchronisation_forbidden(library):
        step()
    assert optimizer.sparsity()[0] > 0.9


@pytest.mark.parametrize("fill", [0.1, 1 / 3, 7.7e-3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equal_elements_in_many_chunks(library, dtype, fill):
    n = 20_000_003
    x = library.asarray(np.full(n, fill, dtype))
    exact = n * fractions.Fraction(float(np.asarray(fill, dtype)))
    assert ulps(to_numpy(l1.value(x)), float(exact), dtype) <= (1 if dtype == "float32" else 4)
