"""The table of kernels; the kernels that torch itself has, held to their formulas; wrong kernels that the laws find."""

import contextlib
import importlib

import cpu_laws
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import kernel_laws
import numpy as np
import operation_laws
import pytest
from hypothesis import given
from kernel_laws import LAWS, Place

from l1_any._kernels import table
from l1_any.testing import BACKENDS, kernels


def marked(*values, row, place):
    marks = [pytest.mark.only("torch"), *([pytest.mark.gpu] if place == "cuda" else [])]
    return pytest.param(*values, marks=marks, id="-".join([row.operation, place, values[-1]]))


CASES = [
    marked(row, row.place, dtype, row=row, place=row.place)
    for row in table.ROWS
    for dtype in row.dtypes
    if not row.needs
]
"""The kernels that torch itself has. Those that need another package have tests of their own."""
ELEMENTWISE = [case for case in CASES if case.values[0].operation == "soft_threshold"]


def kernel_of(row):
    module, _, name = row.function.partition(":")
    return getattr(importlib.import_module(f"l1_any._kernels.{module}"), name)


def as_in_the_law(row):
    """The kernel with the arguments that its law gives."""
    kernel = kernel_of(row)
    if row.operation != "soft_threshold":
        return kernel
    return lambda x, step: kernel(x, None, None, step, ops=kernel_laws.plain(x))


def place_of(library, device, dtype):
    backend = next(backend for backend in BACKENDS if backend.name == library)
    return Place(backend.namespace(), device, dtype)


@contextlib.contextmanager
def threads(n):
    """A context in which torch works with so many threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def test_every_operation_has_a_law():
    assert {row.operation for row in table.ROWS} == {*operation_laws.LAWS, *cpu_laws.LAWS}


def test_every_row_is_found_by_its_key():
    for (operation, library, place, dtype), rows in table.BY_KEY.items():
        assert all(row.operation == operation and row.place == place for row in rows)
        assert all(library in row.libraries and dtype in row.dtypes for row in rows)
    assert {row for rows in table.BY_KEY.values() for row in rows} == set(table.ROWS)


@pytest.mark.parametrize("n", [1003, 100_003])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(("row", "place", "dtype"), CASES)
def test_a_row_keeps_its_law(row, place, dtype, count, n):
    with threads(count):
        LAWS[row.operation](as_in_the_law(row), place_of("torch", place, dtype), n)


@pytest.mark.parametrize(("row", "place", "dtype"), ELEMENTWISE)
@given(data=st.data())
def test_a_row_keeps_its_law_for_any_values(row, place, dtype, data):
    width = np.dtype(dtype).itemsize * 8
    values = data.draw(hnp.arrays(dtype, st.integers(0, 40), elements=st.floats(width=width)))
    step = data.draw(st.floats(0, float(np.finfo(dtype).max), width=width))
    first, stride = data.draw(st.integers(0, 7)), data.draw(st.integers(1, 3))
    kernel_laws.soft_threshold_is_the_formula(
        as_in_the_law(row), place_of("torch", place, dtype), values, step, lambda x: x[first::stride]
    )


@pytest.mark.parametrize(("row", "place", "dtype"), CASES)
def test_a_row_is_what_the_plan_finds_without_other_packages(row, place, dtype, monkeypatch):
    x = place_of("torch", place, dtype).asarray([1.0, -2.0])
    monkeypatch.setattr(table, "_LOADED", {other.function: None for other in table.ROWS if other.needs})
    with kernels():
        assert table.find(row.operation, kernel_laws.plain(x), 1000) is kernel_of(row)


def softshrink(x, t):
    return importlib.import_module("torch").nn.functional.softshrink(x, t)


def zero_at_nan(x, t):
    return (x - x.sign() * t).where(x.abs() > t, x.new_zeros(()))


def without_subnormals(x, t):
    p = softshrink(x, t) + 0.0
    return p.where(p.abs() >= 2.0**-126, p.new_zeros(()))


def in_place(x, t):
    return x.sub_(x.clamp(-t, t))


def without_the_tail(x, t):
    """What comes after the last whole vector of 4 is forgotten, where the memory is contiguous."""
    p = softshrink(x, t) + 0.0
    if x.is_contiguous() and x.ndim == 1 and len(x) % 4:
        p[len(x) // 4 * 4 :] = x[len(x) // 4 * 4 :]
    return p


def by_products(x, t):
    return x.sign() * (x.abs() - t).clamp(0)


@pytest.mark.only("torch")
@pytest.mark.parametrize(
    "wrong", [softshrink, zero_at_nan, without_subnormals, in_place, without_the_tail, by_products]
)
def test_wrong_soft_thresholds_are_found(wrong):
    with pytest.raises(AssertionError):
        kernel_laws.soft_thresholds_are_the_formula(wrong, place_of("torch", "cpu", "float32"), 1003)


def narrow(x, where, weights, *, axes, keepdims, ops):
    """Added up one by one in float32."""
    total = np.abs(np.asarray(ops.selected(x, where)))
    for axis in axes:
        total = np.take(np.cumsum(total, axis, dtype="float32"), [-1], axis) if total.size else total[:1]
    total = ops.xp.asarray(total, dtype=ops.accumulator)
    return total if keepdims or not total.shape else ops.xp.squeeze(total, axis=axes)


def by_product(x, where, weights, *, axes, keepdims, ops):
    x = ops.abs(x) if where is None else ops.abs(x) * where
    return ops.sum(x, axes, keepdims=keepdims, dtype=ops.accumulator)


def without_the_mask(x, where, weights, *, axes, keepdims, ops):
    return ops.sum(ops.abs(x), axes, keepdims=keepdims, dtype=ops.accumulator)


def without_keepdims(x, where, weights, *, axes, keepdims, ops):
    return ops.sum(ops.abs(ops.selected(x, where)), axes, keepdims=False, dtype=ops.accumulator)


def without_abs(x, where, weights, *, axes, keepdims, ops):
    return ops.sum(ops.selected(x, where), axes, keepdims=keepdims, dtype=ops.accumulator)


@pytest.mark.only("torch")
@pytest.mark.parametrize("wrong", [narrow, by_product, without_the_mask, without_keepdims, without_abs])
def test_wrong_sums_are_found(wrong):
    with pytest.raises(AssertionError):
        kernel_laws.sums_are_exact(wrong, place_of("torch", "cpu", "float32"), 10_020)


@pytest.mark.only("torch")
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_the_law_of_sums_holds_for_the_kernel_of_a_gpu_on_a_cpu(dtype):
    """So that the law itself is tested where there is no GPU."""
    row = next(row for row in table.ROWS if row.operation == "sum_of_magnitudes" and not row.needs)
    kernel_laws.sums_are_exact(kernel_of(row), place_of("torch", "cpu", dtype), 10_020)
