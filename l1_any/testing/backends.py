"""The table of array libraries that the tests run with and that the documentation lists.

This is the only file of the folder that uses the package's own knowledge of array libraries.
"""

import contextlib
import dataclasses
import importlib
import importlib.util
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from l1_any._arrays import dtypes, lookup
from l1_any._typing import Array, DType, Namespace

HALF = ("float16", "bfloat16")
"""Names of the dtypes with 16 bits. Their sums are float32."""
SINGLE = ("float32", "complex64")
"""Names of the real and complex dtypes with 32 bits per part. Their sums are float32."""
DOUBLE = ("float64", "complex128")
"""Names of the real and complex dtypes with 64 bits per part. Their sums are float64."""


def wrapped(xp: Namespace) -> Namespace:
    """Return array-api-compat's namespace for a library that needs it, else the namespace itself."""
    return lookup.wrapped(xp)


def dtype_name(dtype: DType) -> str:
    """Return the standard's name of a dtype of any library."""
    return dtypes.dtype_name(dtype)


def result_dtype(name: str) -> str:
    """Return the name of the dtype of sums and means of arrays with a dtype.

    Parameters
    ----------
    name : str
        The standard's name of a real or complex floating dtype, or "bfloat16".

    Returns
    -------
    str
        "float64" for float64 and complex128, else "float32".

    Examples
    --------
    >>> from l1_any.testing import result_dtype
    >>> result_dtype("complex128"), result_dtype("float16")
    ('float64', 'float32')
    """
    return "float64" if name in DOUBLE else "float32"


def to_numpy(x: Array) -> npt.NDArray[Any]:
    """Copy an array of any library and device to NumPy.

    Parameters
    ----------
    x : array
        An array of any library, on any device. A lazy array is computed.

    Returns
    -------
    NumPy array
        Of the shape of `x`. Half precisions come as float64; other dtypes are kept. It may share memory
        with `x`.

    Examples
    --------
    >>> import numpy as np
    >>> from l1_any.testing import to_numpy
    >>> to_numpy(np.asarray([0.5], "float16"))
    array([0.5])
    """
    ops = lookup.known(x)
    host = ops.to_host(x)
    return host.astype(np.float64) if ops.dtype_name in HALF else host


@dataclasses.dataclass(frozen=True)
class Variant:
    """A device or mode of a library in which the tests run.

    Parameters
    ----------
    name : str
        Its name in the tests.
    device : str, optional
        The device on which arrays are created; the library's default if None.
    accumulator : str, optional
        The dtype in which sums are accumulated.
    dtypes : tuple of str, optional
        The floating dtypes that it has.
    x64 : bool, optional
        JAX's option ``jax_enable_x64``; None for every other library.
    gpu : bool, optional
        Whether it needs a GPU.
    subnormals : bool, optional
        Whether its arithmetic keeps float32 subnormals, instead of flushing them to zero.

    Examples
    --------
    >>> from l1_any.testing import Variant
    >>> Variant("strict-device1", device="device1").accumulator
    'float64'
    """

    name: str
    device: str | None = None
    accumulator: str = "float64"
    dtypes: tuple[str, ...] = ("float16", *SINGLE, *DOUBLE)
    x64: bool | None = None
    gpu: bool = False
    subnormals: bool = True


@dataclasses.dataclass(frozen=True)
class Backend:
    """A library, its capabilities, and how to install it.

    Parameters
    ----------
    name, title : str
        Its names in ``pytest --backend`` and in the documentation.
    module : str
        The module to import.
    requirement : str
        The requirement for pip.
    variants : tuple of Variant
        The devices and modes in which it is tested.
    evaluation : str
        How arrays are evaluated: eager, compiled or lazy.
    autodiff : str, optional
        Its automatic differentiation, if any.

    Examples
    --------
    >>> from l1_any.testing import BACKENDS
    >>> numpy = next(backend for backend in BACKENDS if backend.name == "numpy")
    >>> numpy.installed(), numpy.namespace().__name__
    (True, 'array_api_compat.numpy')
    """

    name: str
    title: str
    module: str
    requirement: str
    variants: tuple[Variant, ...]
    evaluation: str
    autodiff: str = ""

    @property
    def package(self) -> str:
        """The top-level package of the module."""
        return self.module.partition(".")[0]

    def namespace(self) -> Namespace:
        """Import the library and return its namespace.

        Returns
        -------
        array namespace
            The library itself, or array-api-compat's wrapper of it.
        """
        return wrapped(importlib.import_module(self.module))

    def installed(self) -> bool:
        """Whether Python finds the library. The method does not import it.

        Returns
        -------
        bool
            True if the library can be imported.
        """
        return importlib.util.find_spec(self.package) is not None

    @contextlib.contextmanager
    def mode(self, variant: Variant) -> Iterator[None]:
        """Return a context in which the variant's mode is set: JAX's ``jax_enable_x64``, which is a global option.

        Parameters
        ----------
        variant : Variant
            One of the backend's variants.

        Yields
        ------
        None
            Nothing.
        """
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
            Variant("jax", accumulator="float32", dtypes=_JAX_DTYPES, x64=False, subnormals=False),
            Variant("jax-x64", dtypes=(*_JAX_DTYPES, *DOUBLE), x64=True, subnormals=False),
            Variant("jax-cuda", accumulator="float32", dtypes=_JAX_DTYPES, x64=False, gpu=True),
            Variant("jax-cuda-x64", dtypes=(*_JAX_DTYPES, *DOUBLE), x64=True, gpu=True),
        ),
        "compiled",
        autodiff="grad, jvp, vmap, hessian",
    ),
    Backend("dask", "Dask", "dask.array", "l1_any[dask]", (Variant("dask"),), "lazy"),
    Backend(
        "cubed",
        "Cubed",
        "cubed",
        "l1_any[cubed]",
        (Variant("cubed", dtypes=(*SINGLE, *DOUBLE)),),
        "lazy, within a bound on memory",
    ),
    Backend(
        "cupy",
        "CuPy",
        "cupy",
        "l1_any[cuda12]",
        (Variant("cupy", gpu=True, subnormals=False),),
        "eager, on the GPU",
    ),
)
"""The libraries that the tests run with and that the documentation lists."""
