"""Every row in the table of kernels for a CPU has a benchmark case, and the cases of a kind compute the same."""

import importlib.util

import numpy as np
import pytest

from l1_any._kernels import table

SIZE = 2000


@pytest.fixture(params=["numpy", "torch"])
def measured_library(request, benchmarks):
    pytest.importorskip(request.param)
    return benchmarks("_libraries").library(request.param, "cpu")


def measured(library, operations):
    kinds = {kind for kind, _ in library.groups()}
    return {
        (operation, dtype)
        for kind, operation in operations.items()
        for dtype in library.dtypes
        if kind in kinds and library.measures(kind, dtype, "cpu")
    }


def test_every_row_of_the_table_has_a_case(measured_library, benchmarks):
    rows = {
        (operation, dtype)
        for operation, name, place, dtype in table.BY_KEY
        if (name, place) == (measured_library.name, "cpu")
    }
    if measured_library.name == "numpy":
        rows = {(operation, dtype) for operation, dtype in rows if dtype != "bfloat16"}  # which NumPy lacks
    assert rows <= measured(measured_library, benchmarks("_cases").OPERATIONS)


def test_every_operation_of_the_table_has_a_kind(benchmarks):
    assert {row.operation for row in table.ROWS} <= set(benchmarks("_cases").OPERATIONS.values())


def numbers(out):
    """The result of a case as one float64 array."""
    if isinstance(out, list | tuple):
        return np.concatenate([np.ravel(numbers(part)) for part in out])
    return np.asarray(out.detach() if hasattr(out, "detach") else out, np.float64)


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
def test_the_cases_of_a_kind_compute_the_same(measured_library, benchmarks):
    cases, shapes = benchmarks("_cases"), benchmarks("_shapes")
    for kind, group in measured_library.groups():
        data = cases.data("normal", shapes.shape(kind, SIZE))
        x = measured_library.make(data, "float32", kind)
        results = [case.run(x) for case in group]
        if kind == "model-step":  # works in place; the parameters are compared below
            continue
        usual, *others = map(numbers, results)
        for case, other in zip(group[1:], others, strict=True):
            np.testing.assert_allclose(other, usual, rtol=1e-4, atol=1e-6, err_msg=case.name)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="optimizers are torch's")
def test_both_steps_move_the_parameters_alike(benchmarks):
    import torch

    model = benchmarks("_model")
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal(model.size(1), np.float32))
    first, second = (model.cut(x, lambda a: torch.nn.Parameter(a.clone())) for _ in range(2))
    steps = model.Steps(first, second)
    steps.usual()
    steps.proximal()
    for p, q in zip(first, second, strict=True):
        assert torch.equal(p, q)


def test_the_model_has_its_size(benchmarks):
    model = benchmarks("_model")
    assert len(model.shapes(model.WIDTH)) == 126
    assert round(model.SIZE / 1e6, 1) == 12.6
    assert sum(a.size for a in model.cut(np.zeros(5000), np.copy)) <= 5000
