"""On a GPU no call waits for the device: the libraries' own checks would raise."""

import contextlib
import importlib
import warnings

import numpy as np
import pytest

import l1_any as l1

pytestmark = [pytest.mark.gpu, pytest.mark.only("torch", "cupy")]


@contextlib.contextmanager
def synchronisation_forbidden(library):
    if library.name == "cupy":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # CuPy has no other check
            allow_synchronize = importlib.import_module("cupyx").allow_synchronize
            with allow_synchronize(allow=False):
                yield
        return
    cuda = importlib.import_module("torch").cuda
    before = cuda.get_sync_debug_mode()
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
        l1.prox(x, 0.1, where=mask, weights=weights)
        l1.project(x, 1.0, axis=-1)
        l1.huber(x, 0.5, where=mask)
        l1.prox_group(x, 0.1, axis=1)

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
