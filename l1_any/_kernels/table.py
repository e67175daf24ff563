"""The table of kernels, by formula, library, place and dtype. Only `_run.plan` calls it."""

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

from l1_any._arrays import decision
from l1_any._arrays.standard import ArrayOps

from . import options

_REAL = ("float16", "bfloat16", "float32", "float64")
_COMPLEX = ("complex64", "complex128")
FAST = "l1_any[fast]"
"""What pip installs for the kernels on a CPU."""


class Row(NamedTuple):
    """A kernel, and the formula that it must match."""

    operation: str
    """The name that `_run` gives to `plan.kernel`."""
    libraries: tuple[str, ...]
    place: str
    dtypes: tuple[str, ...]
    function: str
    """The kernel, ``"module:function"`` in this folder. All kernels of an operation have the same arguments. A kernel
    returns None for arrays that it cannot take, such as arrays that are not contiguous."""
    needs: str = ""
    """The package that compiles the kernel, or an empty string."""
    smallest: int = 0
    """The number of elements from which the kernel is loaded. Below it, loading takes longer than it saves; a kernel
    that was used with this dtype before is used from `options.FEWEST` elements on."""


def _on_a_cpu(
    operation: str,
    dtypes: tuple[str, ...],
    function: str,
    *,
    libraries: tuple[str, ...] = ("numpy", "torch"),
    smallest: int = 1 << 15,
) -> Row:
    return Row(operation, libraries, "cpu", dtypes, f"cpu_{function}", "numba", smallest)


def _on_a_gpu(library: str, dtypes: tuple[str, ...], module: str, needs: str) -> list[Row]:
    return [
        Row(operation, (library,), "cuda", dtypes, f"{module}:{operation}", needs) for operation in _OF_A_GPU
    ]


_OF_A_GPU = (
    "sum_of_magnitudes",
    "sum_of_huber",
    "magnitudes_and_signs",
    "signs",
    "soft_threshold",
    "huber_gradient",
)
ROWS = (
    _on_a_cpu("sum_of_magnitudes", _REAL + _COMPLEX, "sums:sum_of_magnitudes"),
    _on_a_cpu("sums_of_magnitudes", _REAL + _COMPLEX, "many:sums_of_magnitudes"),
    _on_a_cpu("sum_of_huber", _REAL, "sums:sum_of_huber"),
    _on_a_cpu("sums_of_huber", _REAL, "many:sums_of_huber"),
    _on_a_cpu("sum_of_squared_signs", _REAL, "sums:sum_of_squared_signs"),
    _on_a_cpu("magnitudes_and_signs", _REAL + _COMPLEX, "elementwise:magnitudes_and_signs"),
    _on_a_cpu("signs", _REAL + _COMPLEX, "elementwise:signs"),
    _on_a_cpu("signs_of_each", _REAL + _COMPLEX, "many:signs_of_each"),
    _on_a_cpu("huber_gradient", ("float32", "float64"), "elementwise:huber_gradient"),
    _on_a_cpu("soft_threshold", _REAL, "elementwise:soft_threshold"),
    # In place, which only optimizers need: torch's.
    _on_a_cpu("soft_thresholds", _REAL, "many:soft_thresholds", libraries=("torch",)),
    _on_a_cpu("group_norms", ("float32", "float64"), "groups:group_norms"),
    _on_a_cpu("shrink_groups", ("float32", "float64"), "groups:shrink_groups"),
    *_on_a_gpu("torch", _REAL, "cuda_triton", "triton"),
    *_on_a_gpu("cupy", ("float16", "float32", "float64"), "cuda_cupy", "cupy"),
    Row("soft_threshold", ("torch",), "cpu", ("float32", "float64"), "torch_native:soft_threshold"),
    Row("soft_threshold", ("torch",), "cuda", ("float32", "float64"), "torch_native:soft_threshold"),
    Row(
        "sum_of_magnitudes",
        ("torch",),
        "cuda",
        ("float16", "bfloat16", "float32"),
        "torch_native:sum_of_magnitudes",
    ),
)
"""Rows for the same arrays are tried in this order."""

BY_KEY: dict[tuple[str, str, str, str], tuple[Row, ...]] = {}
for _row in ROWS:
    for _library in _row.libraries:
        for _dtype in _row.dtypes:
            _key = _row.operation, _library, _row.place, _dtype
            BY_KEY[_key] = (*BY_KEY.get(_key, ()), _row)

_LOADED: dict[str, Callable[..., Any] | None] = {}
_USED: set[tuple[str, str]] = set()


def find(operation: str, ops: ArrayOps, size: int, *, alone: bool = False) -> Callable[..., Any] | None:
    """Return the kernel of a formula for plain arrays of `size` elements, or None.

    ``alone`` says that there is neither a mask nor weights. A kernel is compiled for each combination of them, so
    only without them can it be known to be compiled already.
    """
    if size < options.fewest:
        return None
    rows = ops.kernels.get(operation)
    if rows is None:
        rows = rows_of(operation, ops)
    for row in rows:
        if size < row.smallest and options.now.smallest is None:
            # A row that needs nothing to be compiled is faster for few elements, if there is one.
            if len(rows) > 1 or not alone or (row.function, ops.dtype_name) not in _USED:
                continue
        elif alone and not decision.asked:
            _USED.add((row.function, ops.dtype_name))
        kernel = _LOADED[row.function] if row.function in _LOADED else load(row)
        if kernel is not None:
            return _telling(kernel, row) if decision.asked else kernel
    return None


def _telling(kernel: Callable[..., Any], row: Row) -> Callable[..., Any]:
    """Return the kernel as it runs for `explain`. The kernels of numba tell what they do themselves."""
    if row.needs == "numba":
        return kernel

    def told(*args: Any, ops: ArrayOps, **kwargs: Any) -> Any:
        result = kernel(*args, ops=ops, **kwargs)
        if result is not None:
            decision.tell(ops, "kernel", lambda: f"kernel {row.operation} ({row.needs or ops.title})")
        return result

    return told


def rows_of(operation: str, ops: ArrayOps) -> tuple[Row, ...]:
    """Return the rows for an operation on arrays of one type, dtype and place."""
    found = ops.kernels[operation] = BY_KEY.get((operation, ops.library, ops.place, ops.dtype_name), ())
    return found


def load(row: Row) -> Callable[..., Any] | None:
    """Import a kernel; return None if the package that it needs is missing or cannot be imported."""
    if row.function not in _LOADED:
        module, _, name = row.function.partition(":")
        try:
            if row.needs:
                importlib.import_module(row.needs)
        except ImportError:
            _LOADED[row.function] = None
        else:
            _LOADED[row.function] = getattr(importlib.import_module(f"{__package__}.{module}"), name)
    return _LOADED[row.function]


def why_not(operation: str, ops: ArrayOps, size: int) -> str:
    """Say why a call uses no kernel."""
    known = rows_of(operation, ops)
    if not known:
        return ""
    if not options.now.enabled:
        return "kernels are turned off"
    row = known[0]
    if size < row.smallest and options.now.smallest is None:
        return f"a kernel is loaded from {row.smallest} elements on"
    if row.needs and load(row) is None:
        return f"install {_EXTRAS[row.needs]} for a kernel"
    return "the kernel takes contiguous arrays, and masks and weights of x's shape or of its last axes"


_EXTRAS = {"numba": FAST, "triton": "Triton", "cupy": "CuPy"}
