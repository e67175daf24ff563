"""The kernels for a CPU: every row keeps the law of its operation, on any number of threads and at any address."""

import concurrent.futures
import hashlib
import importlib
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import cpu_laws
import numpy as np
import operation_laws
import pytest
from kernel_laws import Place, plain

import l1_any as l1
from l1_any._arrays.standard import ArrayOps
from l1_any._kernels import table, threads
from l1_any.testing import BACKENDS, kernels, to_numpy

numba = pytest.importorskip(
    "numba", reason="the kernels for a CPU need numba, which the extra `fast` installs"
)

LAWS = {**operation_laws.LAWS, **cpu_laws.LAWS}
LARGE = 2_500_003
"""Enough for several threads, and no multiple of a part."""


@pytest.fixture(autouse=True)
def _own_sizes():
    """The kernels as users have them, whatever this run asks for."""
    with kernels():
        yield


def function_of(row):
    module, _, name = row.function.partition(":")
    return getattr(importlib.import_module(f"l1_any._kernels.{module}"), name)


def place_of(library, dtype):
    backend = next(backend for backend in BACKENDS if backend.name == library)
    return Place(backend.namespace(), "cpu", dtype)


CASES = [
    pytest.param(row, name, dtype, marks=pytest.mark.only(name), id=f"{row.operation}-{name}-{dtype}")
    for row in table.ROWS
    if row.needs == "numba"
    for name in row.libraries
    for dtype in row.dtypes
    if (name, dtype) != ("numpy", "bfloat16")
]


@pytest.mark.parametrize(("row", "name", "dtype"), CASES)
def test_a_row_keeps_its_law(row, name, dtype):
    LAWS[row.operation](function_of(row), place_of(name, dtype), 1200)


@pytest.mark.parametrize(("row", "name", "dtype"), CASES)
def test_a_row_is_what_the_plan_finds(row, name, dtype):
    x = place_of(name, dtype).asarray([1.0, -2.0])
    with kernels():
        assert table.find(row.operation, plain(x), row.smallest) is function_of(row)
        assert table.find(row.operation, plain(x), 100) is not function_of(row)


CALLS = {
    "value": l1.value,
    "columns": lambda x: l1.value(x[:2_200_000].reshape(-1, 500), axis=0),
    "rows": lambda x: l1.value(x[:2_200_000].reshape(-1, 500), axis=1),
    "long rows": lambda x: l1.value(x[:2_200_000].reshape(2, -1), axis=1),
    "value and subgradient": l1.value_and_subgradient,
    "mean": lambda x: l1.value_and_subgradient(x, reduce="mean"),
    "mask": lambda x: l1.value(x, where=x > 0),
    "huber": lambda x: l1.huber(x, 0.5),
    "norm": l1.subgradient_norm,
    "list": lambda x: l1.value([x, x[:100], x[5:]]),
    "prox": lambda x: l1.prox(x, 0.5),
    "groups": lambda x: l1.prox_group(x[:2_200_000].reshape(-1, 500), 10.0, axis=1),
}


def bits(result):
    results = result if isinstance(result, tuple) else (result,)
    return [np.array(to_numpy(each)).tobytes() for each in results]


@pytest.mark.only("numpy", "torch")
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_same_bits_on_any_number_of_threads_and_at_any_address(library, call, dtype, monkeypatch):
    values = np.random.default_rng(0).standard_normal(LARGE)
    room = library.asarray(np.zeros(LARGE + 16), dtype)
    found = set()
    for count in (1, 2, 8):
        monkeypatch.setattr(ArrayOps, "threads", lambda _, count=count: count)
        monkeypatch.setattr(type(plain(room)), "threads", lambda _, count=count: count)
        for first in (0, 1, 3, 8):
            x = room[first : first + LARGE]
            x[...] = library.asarray(values, dtype)
            found.add(tuple(bits(call(x))))
    assert len(found) == 1


@pytest.mark.only("numpy", "torch")
def test_all_results_are_those_of_the_formulas(library):
    x = library.asarray(np.random.default_rng(0).standard_normal(LARGE), "float32")
    for call in CALLS.values():
        with kernels(enabled=False):
            formula = call(x)
        fused = call(x)
        assert bits(fused) == bits(formula)


def test_blocks_run_once_each_and_errors_arrive():
    for count in (1, 2, 5):
        seen = []
        threads.run(seen.append, 100, count)
        assert sorted(seen) == list(range(100))

    def fails(i):
        if i == 7:
            raise ValueError("seven")

    for count in (1, 3):
        with pytest.raises(ValueError, match="seven"):
            threads.run(fails, 20, count)


def test_a_thread_that_does_not_start_is_not_waited_for(monkeypatch):
    """As when other work keeps the other cores: the calling thread does all."""
    pool = concurrent.futures.ThreadPoolExecutor(1)
    gate = concurrent.futures.Future()
    pool.submit(gate.result)
    monkeypatch.setattr(threads, "_pool", lambda: pool)
    seen = []
    threads.run(seen.append, 50, 2)
    assert sorted(seen) == list(range(50))
    gate.set_result(None)
    pool.shutdown()


@pytest.mark.only("numpy")
def test_calls_from_several_threads(library):
    x = library.asarray(np.random.default_rng(0).standard_normal(LARGE), "float32")
    expected = bits(l1.value_and_subgradient(x))
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: bits(l1.value_and_subgradient(x)), range(24)))
    assert all(each == expected for each in found)


def _in_child(queue):
    queue.put(float(l1.value(np.ones(LARGE, np.float32))))


@pytest.mark.only("numpy")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_after_a_fork(library, monkeypatch):
    """The child process has none of the threads of the pool."""
    monkeypatch.setattr(type(plain(np.ones(1))), "threads", lambda _: 2)
    assert l1.value(np.ones(LARGE, np.float32)) == LARGE
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(queue,))
    child.start()
    try:
        assert queue.get(timeout=60) == LARGE
    finally:
        child.kill()
        child.join()


@pytest.mark.only("numpy")
@pytest.mark.parametrize(("wanted", "count"), [("3", 3), ("2,1", 2), ("0", None), ("many", None), ("", None)])
def test_omp_num_threads(library, monkeypatch, wanted, count):
    ops = plain(np.ones(1))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    own = ops.threads()
    assert own >= 1
    monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert ops.threads() == (own if count is None else count)


@pytest.mark.only("torch")
def test_threads_of_torch(library):
    import torch

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert l1.explain(l1.value, torch.ones(LARGE)).endswith("20 blocks on 1 thread")
        torch.set_num_threads(2)
        assert l1.explain(l1.value, torch.ones(LARGE)).endswith("20 blocks on 2 threads")
    finally:
        torch.set_num_threads(before)


@pytest.mark.only("numpy", "torch")
@pytest.mark.parametrize("weights", [None, 1e300])
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")  # NumPy's own
def test_a_value_that_overflows_is_infinite(library, weights):
    x = library.asarray(np.full(40_000, 3e38), "float32")
    for call in (l1.value, lambda x, **o: l1.value([x, x], **o), lambda x, **o: l1.huber(x, 0.5, **o)):
        assert to_numpy(call(x, weights=weights)) == np.inf
    assert to_numpy(l1.value_and_subgradient(x, weights=weights)[0]) == np.inf
    assert to_numpy(l1.value(library.asarray(np.full(40_000, 3e38), "float32"), reduce="mean")) == np.float32(
        3e38
    )


@pytest.mark.only("numpy")
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_read_only_arrays(library, dtype):
    x = np.random.default_rng(0).standard_normal(40_000).astype(dtype)
    expected = [bits(call(x)) for call in SOME]
    x.flags.writeable = False
    assert [bits(call(x)) for call in SOME] == expected


SOME = [
    l1.value,
    l1.subgradient,
    l1.value_and_subgradient,
    lambda x: l1.prox(x, 0.5),
    lambda x: l1.huber_gradient(x, 0.5),
    lambda x: l1.prox_group(x.reshape(-1, 100), 0.5, axis=1),
]


@pytest.mark.only("torch")
@pytest.mark.parametrize("n", [1000, 40_000, 300_000])
@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("g", [np.inf, np.nan, -2.0])
def test_nothing_comes_from_below_a_mask_whatever_the_gradient(library, n, several, g):
    import torch

    x = torch.randn(n, requires_grad=True)
    where = torch.ones(n, dtype=torch.bool)
    where[::3] = False
    value = l1.value([x, x], where=[where, where]) if several else l1.value(x, where=where)
    value.backward(torch.tensor(g))
    assert not x.grad[::3].any()
    assert x.grad[1].isfinite() == np.isfinite(g)


def test_a_thread_that_cannot_be_started(monkeypatch):
    """Those that were started are waited for."""
    pool = concurrent.futures.ThreadPoolExecutor(4)
    submit, calls = pool.submit, []

    def fails(*args):
        calls.append(args)
        if len(calls) > 1:
            raise RuntimeError("can't start new thread")
        return submit(*args)

    monkeypatch.setattr(pool, "submit", fails)
    monkeypatch.setattr(threads, "_pool", lambda: pool)
    seen = []

    def work(i):
        time.sleep(0.01)
        seen.append(i)

    threads.run(work, 12, 4)
    assert sorted(seen) == list(range(12))
    pool.shutdown()


def test_compiled_code_is_not_kept_when_a_function_that_it_calls_changes():
    """numba looks at the file of a compiled function alone. So the others name the content of numba_numbers.py."""
    folder = Path(table.__file__).parent
    content = (folder / "numba_numbers.py").read_bytes()
    line = f"# numba_numbers.py: sha256 {hashlib.sha256(content).hexdigest()[:16]}"
    for path in sorted(folder.glob("numba_*.py")):
        if path.name != "numba_numbers.py":
            assert line in path.read_text(encoding="utf-8"), f"{path.name} must have the line {line!r}"


CALL = """
import sys, warnings
warnings.simplefilter("error")
import numpy as np
import l1_any as l1
small = l1.value(np.ones(1000, np.float32))
assert "numba" not in sys.modules
large = l1.value(np.ones(1 << 20, np.float32))
print(float(small), float(large), "numba" in sys.modules, l1.explain(l1.value, np.ones(1 << 20, np.float32)))
"""


def run(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(l1.__file__).parents[1]), **environment},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.only("numpy")
def test_numba_is_loaded_for_large_arrays_alone_and_says_nothing(library, tmp_path):
    out = run(CALL, NUMBA_CACHE_DIR=str(tmp_path))
    assert out.startswith(
        "1000.0 1048576.0 True NumPy float32, plain: kernel sum_of_magnitudes (numba), 8 blocks"
    )
    assert list(tmp_path.rglob("*.nbc"))


@pytest.mark.only("numpy")
def test_kernels_are_turned_off_by_the_environment(library):
    out = run(CALL, L1_ANY_KERNELS="0")
    assert out.startswith(
        "1000.0 1048576.0 False NumPy float32, plain: the formula on the whole array; kernels are"
    )


NO_CACHE = """
import numba.core.caching as caching
caching.CacheImpl._locator_classes = []
"""


@pytest.mark.only("numpy")
def test_where_no_folder_can_be_written_kernels_are_compiled_without_a_cache(library, tmp_path):
    code = CALL.replace("import numpy as np", NO_CACHE + "import numpy as np", 1).replace(
        'assert "numba" not in sys.modules', ""
    )
    assert run(code).startswith(
        "1000.0 1048576.0 True NumPy float32, plain: kernel sum_of_magnitudes (numba)"
    )
    full = tmp_path / "full"
    full.mkdir()
    breaks = """
import numba.core.caching as caching
def fails(*args, **kwargs):
    raise OSError("No space left on device")
caching.IndexDataCacheFile.save = fails
"""
    code = code.replace(NO_CACHE, breaks)
    assert run(code, NUMBA_CACHE_DIR=str(full)).startswith("1000.0 1048576.0 True")


WITHOUT = """
import sys
sys.modules["numba"] = None  # an import of it fails
"""


@pytest.mark.only("numpy")
def test_without_numba_the_formula_runs(library):
    code = WITHOUT + CALL.replace('assert "numba" not in sys.modules', "")
    out = run(code)
    assert out.endswith("the formula on the whole array; install l1_any[fast] for a kernel\n")
    assert out.startswith("1000.0 1048576.0 ")


@pytest.mark.only("numpy")
def test_the_first_call_is_fast_enough(library, tmp_path):
    """A loose bound: it finds a compilation that has become ten times as long, not one that is 10 % longer."""
    start = time.perf_counter()
    run(CALL, NUMBA_CACHE_DIR=str(tmp_path))
    assert time.perf_counter() - start < 40
