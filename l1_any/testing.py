"""Test an array library against the contract: the libraries we know, an exact oracle, a measure of error.

`BACKENDS` is the one table from which the tests take what to run and the documentation what is supported.
`check_contract` runs the contract's table of special values on any namespace.
"""

import contextlib
import dataclasses
import importlib
import importlib.util
import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _array, functional
from ._typing import Array, Device, Namespace, Reduction

__all__ = [
    "BACKENDS",
    "Backend",
    "Variant",
    "check_contract",
    "exact_subgradient",
    "exact_subgradient_norm",
    "exact_value",
    "to_numpy",
    "ulps",
]

HALF = ("float16", "bfloat16")
SINGLE = ("float32", "complex64")
DOUBLE = ("float64", "complex128")


@dataclasses.dataclass(frozen=True)
class Variant:
    """A device or mode of a library in which the tests run.

    Parameters
    ----------
    name : str
        What the tests call it.
    device : str, optional
        Where the arrays are made; the library's default otherwise.
    accumulator : str, optional
        The dtype in which sums are accumulated there.
    dtypes : tuple of str, optional
        The floating dtypes that are there.
    x64 : bool, optional
        JAX's mode of 64 bits; None for every other library.
    gpu : bool, optional
        Whether it needs a GPU.
    """

    name: str
    device: str | None = None
    accumulator: str = "float64"
    dtypes: tuple[str, ...] = ("float16", *SINGLE, *DOUBLE)
    x64: bool | None = None
    gpu: bool = False


@dataclasses.dataclass(frozen=True)
class Backend:
    """A library, what it can do, and where it comes from.

    Parameters
    ----------
    name, title : str
        What ``pytest --backend`` and what the documentation calls it.
    module : str
        What Python imports.
    requirement : str
        What pip installs.
    variants : tuple of Variant
        The devices and modes in which it is tested.
    evaluation : str
        How arrays are worked on: eager, compiled or lazy.
    autodiff : str, optional
        Which automatic differentiation it has, if any.
    subnormals : bool, optional
        Whether its arithmetic keeps them.
    """

    name: str
    title: str
    module: str
    requirement: str
    variants: tuple[Variant, ...]
    evaluation: str
    autodiff: str = ""
    subnormals: bool = True

    def namespace(self) -> Namespace:
        """Import the library and return its namespace."""
        return _array.wrapped(importlib.import_module(self.module))

    def installed(self) -> bool:
        """Whether the library can be imported."""
        return importlib.util.find_spec(self.module.partition(".")[0]) is not None

    @contextlib.contextmanager
    def mode(self, variant: Variant) -> Iterator[None]:
        """Set what the variant needs, and undo it."""
        if variant.x64 is None:
            yield
            return
        with importlib.import_module("jax").enable_x64(variant.x64):
            yield


_TORCH_DTYPES = (*HALF, *SINGLE, *DOUBLE)
_JAX_DTYPES = (*HALF, *SINGLE)

BACKENDS = (
    Backend("numpy", "NumPy", "numpy", "l1_any", (Variant("numpy"),), "eager, by blocks"),
    Backend(
        "strict",
        "array-api-strict",
        "array_api_strict",
        "l1_any[cli]",
        (
            Variant("strict", dtypes=(*SINGLE, *DOUBLE)),
            Variant("strict-device1", device="device1", dtypes=(*SINGLE, *DOUBLE)),
            Variant("strict-no_float64", device="no_float64", accumulator="float32", dtypes=SINGLE),
        ),
        "eager, by blocks",
    ),
    Backend(
        "torch",
        "PyTorch",
        "torch",
        "l1_any[torch]",
        (
            Variant("torch", device="cpu", dtypes=_TORCH_DTYPES),
            Variant("torch-cuda", device="cuda", dtypes=_TORCH_DTYPES, gpu=True),
        ),
        "eager, by blocks on the CPU; torch.compile",
        autodiff="autograd, torch.func, forward mode",
    ),
    Backend(
        "jax",
        "JAX",
        "jax.numpy",
        "l1_any[jax]",
        (
            Variant("jax", accumulator="float32", dtypes=_JAX_DTYPES, x64=False),
            Variant("jax-x64", dtypes=(*_JAX_DTYPES, *DOUBLE), x64=True),
        ),
        "compiled",
        autodiff="grad, jvp, vmap, hessian",
        subnormals=False,
    ),
    Backend("dask", "Dask", "dask.array", "l1_any[dask]", (Variant("dask"),), "lazy"),
    Backend(
        "cupy",
        "CuPy",
        "cupy",
        "l1_any[cuda12]",
        (Variant("cupy", gpu=True),),
        "eager, on the GPU",
    ),
)
"""The libraries that the tests run with and the documentation lists."""


def to_numpy(x: Array) -> npt.NDArray[Any]:
    """Bring an array of any library and device to NumPy, half precisions as float64."""
    host = _array.to_host(x)
    return host.astype(np.float64) if _array.dtype_name(x.dtype) in HALF else host


def exact_value(
    x: npt.NDArray[Any],
    *,
    axis: int | tuple[int, ...] | None = None,
    keepdims: bool = False,
    reduce: str = "sum",
    where: npt.NDArray[np.bool_] | None = None,
    weights: npt.NDArray[Any] | float | None = None,
) -> npt.NDArray[np.float64]:
    """`l1_any.value` in plain Python, each sum exactly rounded to float64.

    Parameters
    ----------
    x : NumPy array
        Real or complex.
    axis, keepdims, reduce, where, weights
        As for `l1_any.value`.

    Returns
    -------
    NumPy array
        In float64.
    """
    x, where, weights = _broadcast(x, where, weights)
    reduced = tuple(range(x.ndim)) if axis is None else tuple(np.atleast_1d(axis) % x.ndim)
    shape = tuple(1 if i in reduced else n for i, n in enumerate(x.shape))
    terms: dict[tuple[int, ...], list[float]] = {i: [] for i in np.ndindex(*shape)}
    for index in np.ndindex(*x.shape):
        if where[index]:
            group = tuple(0 if i in reduced else n for i, n in enumerate(index))
            terms[group].append(_magnitude(x[index].item()) * float(weights[index]))
    out = np.empty(shape)
    for group, values in terms.items():
        total = math.fsum(values) if all(map(math.isfinite, values)) else sum(values)
        out[group] = total if reduce == "sum" else (total / len(values) if values else math.nan)
    return out if keepdims else out.reshape([n for i, n in enumerate(shape) if i not in reduced])


def exact_subgradient(
    x: npt.NDArray[Any],
    *,
    axis: int | tuple[int, ...] | None = None,
    reduce: str = "sum",
    where: npt.NDArray[np.bool_] | None = None,
    weights: npt.NDArray[Any] | float | None = None,
) -> npt.NDArray[Any]:
    """`l1_any.subgradient` in plain Python.

    Parameters
    ----------
    x : NumPy array
        Real or complex.
    axis, reduce, where, weights
        As for `l1_any.subgradient`.

    Returns
    -------
    NumPy array
        In float64 or complex128.
    """
    ones = np.ones(x.shape)
    n = np.broadcast_to(exact_value(ones, axis=axis, keepdims=True, where=where), x.shape)
    x, where, weights = _broadcast(x, where, weights)
    out = np.zeros(x.shape, complex if np.iscomplexobj(x) else float)
    for index in np.ndindex(*x.shape):
        if where[index]:
            s = _sign(x[index].item()) * float(weights[index])
            out[index] = s if reduce == "sum" else s / n[index]
    return out


def exact_subgradient_norm(x: npt.NDArray[Any], **options: Any) -> float:
    """`l1_any.subgradient_norm` in plain Python: the norm of `exact_subgradient`."""
    return math.sqrt(math.fsum(abs(s) ** 2 for s in exact_subgradient(x, **options).ravel().tolist()))


def ulps(result: npt.ArrayLike, exact: npt.ArrayLike, dtype: npt.DTypeLike) -> float:
    """Return the largest distance to the exactly rounded value, in units of its last place.

    Parameters
    ----------
    result, exact : array-like
        Of the same number of elements.
    dtype : NumPy dtype
        What the exact values are rounded to.

    Returns
    -------
    float
        0 where both are NaN or the same infinity, infinite where only one is.

    Examples
    --------
    >>> from l1_any.testing import ulps
    >>> ulps([1.0, 1.0000001192092896], [1.0, 1.0], "float32")
    1.0
    """
    worst = 0.0
    for r, e in zip(np.ravel(result).tolist(), np.ravel(exact).tolist(), strict=True):
        with np.errstate(over="ignore"):
            rounded = np.asarray(e, dtype)
        if math.isfinite(r) and np.isfinite(rounded):
            worst = max(worst, abs(r - float(rounded)) / float(np.spacing(np.abs(rounded))))
        elif not (r == rounded or (math.isnan(r) and np.isnan(rounded))):
            return math.inf
    return worst


def check_contract(
    xp: Namespace, *, device: Device = None, dtypes: tuple[str, ...] = ("float32", "float64")
) -> None:
    """Raise AssertionError where a namespace does not give what the contract's table of special values says.

    Parameters
    ----------
    xp : array namespace
        The library to test; it follows the array API standard, or array-api-compat wraps it.
    device : device, optional
        Where to create the arrays.
    dtypes : tuple of str, optional
        Names of the dtypes to test.

    Raises
    ------
    AssertionError
        A value, subgradient, shape or dtype that is not as it must be, with what came and what is exact.

    Examples
    --------
    >>> import numpy as np
    >>> from l1_any.testing import check_contract
    >>> check_contract(np, dtypes=("float16", "float32", "float64"))
    """
    inf, nan = math.inf, math.nan
    rows: tuple[list[float], ...] = ([3.0, -4.0], [0.0, -0.0], [inf, -1.0], [nan, 1.0], [-2.0, 0.0, 5.0], [])
    reductions: tuple[Reduction, ...] = ("sum", "mean")
    for name, row, reduce in itertools.product(dtypes, rows, reductions):
        if reduce == "mean" and not row:
            continue
        values = np.asarray(row)
        x = xp.asarray(row, dtype=getattr(xp, name, name), device=device)
        total, s = functional.value_and_subgradient(x, reduce=reduce)
        dtype = "float64" if name in DOUBLE else "float32"
        exact = exact_value(values, reduce=reduce)
        if ulps(to_numpy(total), exact, dtype) > 4:  # noqa: PLR2004 - the contract's bound
            raise AssertionError(f"value({row}, {reduce=}) in {name}: got {total}, exactly {exact}")
        expected = exact_subgradient(values, reduce=reduce)
        if x.shape != s.shape or x.dtype != s.dtype:
            raise AssertionError(f"subgradient({row}) in {name}: got shape {s.shape} and dtype {s.dtype}")
        if not np.allclose(
            to_numpy(s), expected, rtol=1e-2 if name in HALF else 1e-6, atol=0, equal_nan=True
        ):
            raise AssertionError(f"subgradient({row}, {reduce=}) in {name}: got {s}, exactly {expected}")


def _broadcast(
    x: npt.NDArray[Any], where: npt.NDArray[np.bool_] | None, weights: npt.NDArray[Any] | float | None
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_], npt.NDArray[Any]]:
    where = np.broadcast_to(True if where is None else where, x.shape)
    return x, where, np.broadcast_to(1.0 if weights is None else weights, x.shape)


def _magnitude(z: complex) -> float:
    return math.hypot(z.real, z.imag) if isinstance(z, complex) else abs(z)


def _sign(z: complex) -> complex:
    if z == 0 or z != z:  # noqa: PLR0124 - NaN
        return z - z if z == 0 else math.nan
    if isinstance(z, complex):
        if math.isinf(z.real) or math.isinf(z.imag):
            parts = (math.copysign(1, p) if math.isinf(p) else 0 for p in (z.real, z.imag))
            z = complex(*parts)
        scale = max(abs(z.real), abs(z.imag))
        z = complex(z.real / scale, z.imag / scale)
        return z / math.hypot(z.real, z.imag)
    return math.copysign(1, z)
