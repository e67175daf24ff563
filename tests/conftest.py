"""Which libraries the tests run with: `pytest --backend torch --backend jax`; all that are installed by default."""

import dataclasses
import os
import shutil
import tempfile

import hypothesis
import numpy as np
import pytest

from l1_any.testing import BACKENDS, Backend, Variant, kernels

hypothesis.settings.register_profile(
    "l1_any",
    deadline=None,
    max_examples=int(os.environ.get("L1_ANY_EXAMPLES", "40")),
    print_blob=True,
    # pytest makes a new instance of a law's class for each library; on a busy machine all is slow
    suppress_health_check=[hypothesis.HealthCheck.differing_executors, hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("l1_any")


def pytest_addoption(parser):
    names = [b.name for b in BACKENDS]
    parser.addoption(
        "--backend", action="append", choices=names, help="library to test; an error if it is missing"
    )
    parser.addoption(
        "--kernels",
        choices=["default", "always", "never"],
        default="default",
        help="fused kernels: for arrays that are large enough, for arrays of any size, or not at all",
    )
    parser.addoption(
        "--device", choices=["cpu", "cuda"], default="cpu", help="variants to run: those on a CPU or a GPU"
    )


def pytest_configure(config):
    """Give torch's compiler and numba caches of this run alone.

    By default torch's cache is shared by all runs on the machine, and code that was compiled there for another
    processor aborts the process. numba's cache does not notice a change in a function that a kernel calls.
    """
    for name in ("TORCHINDUCTOR_CACHE_DIR", "NUMBA_CACHE_DIR"):
        if name in os.environ:
            continue
        cache = os.environ[name] = tempfile.mkdtemp(prefix="l1_any-")

        def remove(name=name, cache=cache):
            del os.environ[name]
            shutil.rmtree(cache, ignore_errors=True)

        config.add_cleanup(remove)


def requested(config) -> list[Backend]:
    """The libraries to test: those named, which must be there, or the installed ones that need no GPU."""
    names = config.getoption("backend")
    if names:
        chosen = [b for b in BACKENDS if b.name in names]
        missing = [b.name for b in chosen if not b.installed()]
        if missing:
            raise pytest.UsageError(f"requested backends are not installed: {', '.join(missing)}")
        return chosen
    return [b for b in BACKENDS if b.installed() and b.name != "cupy"]


@dataclasses.dataclass(frozen=True)
class Library:
    """A library and a variant of it, with what tests need to make arrays there."""

    backend: Backend
    variant: Variant

    @property
    def name(self):
        return self.backend.name

    @property
    def xp(self):
        return self.backend.namespace()

    @property
    def device(self):
        name = self.variant.device
        return self.xp.Device(name) if name and self.name == "strict" else name

    @property
    def dtypes(self):
        return self.variant.dtypes

    @property
    def is_lazy(self):
        """Whether its arrays are made of chunks and have no values before they are computed."""
        return self.name in ("dask", "cubed")

    @property
    def tolerance(self):
        """The contract's bound on the error of a float32 sum, in ulps."""
        return 1 if self.variant.accumulator == "float64" else 4

    @property
    def division_error(self):
        """By how many ulps a division or square root may be off: XLA's of float32 on a GPU, in some kernels."""
        return 1 if self.variant.gpu and self.variant.accumulator == "float32" else 0

    def asarray(self, values, dtype=None):
        """Make an array of the library from nested lists or a NumPy array, in the dtype of a standard name."""
        values = np.array(values)  # torch warns of what it may not write to
        dtype = dtype or values.dtype.name
        if self.name == "cubed" and values.size > 10_000:  # asarray keeps data in the plan, up to 1 MB
            return self.xp.from_array(values.astype(dtype))
        if self.is_lazy:
            return self.xp.asarray(values.astype(dtype))
        return self.xp.asarray(values, dtype=getattr(self.xp, dtype), device=self.device)

    def bool(self, values):
        return self.asarray(values, "bool")


def libraries(config) -> list[Library]:
    gpu = config.getoption("device") == "cuda"
    return [
        Library(backend, variant)
        for backend in requested(config)
        for variant in backend.variants
        if variant.gpu == gpu
    ]


def pytest_generate_tests(metafunc):
    if "library" in metafunc.fixturenames:
        wanted = libraries(metafunc.config)
        marker = metafunc.definition.get_closest_marker("only")
        if marker:
            wanted = [each for each in wanted if each.name in marker.args]
        if metafunc.definition.get_closest_marker("one_variant"):
            wanted = list({each.name: each for each in reversed(wanted)}.values())[::-1]
        metafunc.parametrize(
            "library", wanted, ids=[each.variant.name for each in wanted], indirect=True, scope="session"
        )


def pytest_collection_modifyitems(config, items):
    """Leave out what is for a library or device that was not asked for: the run would only skip it."""
    names = {b.name for b in requested(config)}
    out, kept = [], []
    for item in items:
        marker = item.get_closest_marker("only")
        elsewhere = config.getoption("device") != "cuda" and item.get_closest_marker("gpu")
        unasked = elsewhere or (marker and not names & set(marker.args))
        (out if unasked else kept).append(item)
    config.hook.pytest_deselected(items=out)
    items[:] = kept


def pytest_report_header(config):
    return "libraries: " + ", ".join(each.variant.name for each in libraries(config))


@pytest.fixture(scope="session")
def library(request):
    with request.param.backend.mode(request.param.variant):
        yield request.param


@pytest.fixture(scope="session", autouse=True)
def _kernels(pytestconfig):
    """The fused kernels that this run asks for."""
    wanted = pytestconfig.getoption("kernels")
    with kernels(enabled=wanted != "never", smallest=0 if wanted == "always" else None):
        yield


@pytest.fixture(scope="session")
def chosen_libraries(pytestconfig):
    """All libraries and devices of this run, for tests that hold them against each other."""
    return libraries(pytestconfig)


@pytest.fixture
def xp(library):
    return library.xp


@pytest.fixture
def device(library):
    return library.device


@pytest.fixture
def unpicklable():
    """A Dask array of data that must not be pickled: to name its tasks, Dask pickles what their functions hold."""
    import dask.array as da

    pickled = []

    class Data(np.ndarray):
        def __reduce_ex__(self, protocol):
            pickled.append(self.shape)  # Dask would hide an error, and take a random name
            return super().__reduce_ex__(protocol)

    data = np.linspace(-1, 1, 24).reshape(6, 4).view(Data)
    yield da.from_array(data, chunks=3, name="data", asarray=False, meta=np.empty((0, 0)))
    assert not pickled
