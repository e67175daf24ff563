"""How each array library takes data and waits for a result, and its usual expressions for an L1 norm."""

import importlib
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from l1_any._typing import Array, Device
from l1_any.testing import BACKENDS, Backend

from .errors import UnavailableError

Value = Callable[[Array], Array]


@dataclass(frozen=True)
class Library:
    """
    One array library. Functions that need the imported module take it as their first argument.

    Attributes
    ----------
    backend
        Its row in the table of backends: what Python imports, and what pip installs.
    devices
        The available devices, by their names in ``--device``.
    asarray
        Puts a NumPy array on a device, without a copy where possible.
    wait
        Waits for a result and returns it; a lazy result is computed.
    idioms
        The usual expressions for the penalty with "sum" or "mean": source text and function.
    derivative
        Differentiates a function at an array, with the library's automatic differentiation.
    copies
        Whether `asarray` takes memory of the data's size on the host.
    lazy
        Whether it processes a part of the data at a time, so that it needs no temporaries of the data's size.
    module
        The module to import for the functions, if it is not the backend's namespace.
    """

    backend: Backend
    devices: Callable[[ModuleType], dict[str, Any]]
    asarray: Callable[[ModuleType, npt.NDArray[Any], Any], Any]
    idioms: Callable[[ModuleType, str], dict[str, Value]]
    wait: Callable[[ModuleType, Any], Any] = lambda _, result: result
    derivative: Callable[[ModuleType, Value, Any], Any] | None = None
    copies: bool = False
    lazy: bool = False
    module: str | None = None

    @property
    def name(self) -> str:
        """The name of its package on PyPI."""
        return self.backend.package.replace("_", "-")

    @property
    def installed(self) -> bool:
        """Whether Python finds the library; it is not imported."""
        return self.backend.installed()

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f'pip install "{self.backend.requirement}"'

    @property
    def version(self) -> str:
        """The version that is installed; imports the library."""
        return str(importlib.import_module(self.backend.package).__version__)

    def load(self) -> ModuleType:
        """Import the library."""
        # without this, JAX takes most of a GPU's memory, and the other libraries cannot use it
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        return importlib.import_module(self.module or self.backend.module)


def _refuse(x: npt.NDArray[Any], *names: str, hint: str = "") -> None:
    if x.dtype.name in names:
        raise UnavailableError(f"has no {x.dtype.name}{hint}")


def _numpy_asarray(_: ModuleType, x: npt.NDArray[Any], device: Device) -> Array:  # noqa: ARG001
    _refuse(x, "bfloat16")
    return x


def _numpy_idioms(np: ModuleType, reduce: str) -> dict[str, Value]:
    idioms: dict[str, Value] = {f"np.abs(x).{reduce}()": lambda x: getattr(np.abs(x), reduce)()}
    if reduce == "sum":
        idioms["np.linalg.norm(x.ravel(), 1)"] = lambda x: np.linalg.norm(x.ravel(), 1)
    return idioms


def _strict_asarray(xp: ModuleType, x: npt.NDArray[Any], device: Device) -> Array:
    _refuse(x, "float16", "bfloat16")
    return xp.asarray(x, device=device)


def _torch_devices(torch: ModuleType) -> dict[str, Any]:
    names = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    return {name: torch.device(name) for name in names}


def _torch_asarray(torch: ModuleType, x: npt.NDArray[Any], device: Device) -> Array:
    with warnings.catch_warnings():
        # an array mapped from a file is read-only, but a tensor cannot be; nothing here writes to the tensor
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        if x.dtype.name == "bfloat16":
            return torch.from_numpy(x.view(np.int16)).view(torch.bfloat16).to(device)
        return torch.from_numpy(x).to(device)


def _torch_wait(torch: ModuleType, result: Array) -> Array:
    if result.is_cuda:
        torch.cuda.synchronize(result.device)
    return result


def _torch_idioms(torch: ModuleType, reduce: str) -> dict[str, Value]:
    idioms: dict[str, Value] = {f"x.abs().{reduce}()": lambda x: getattr(x.abs(), reduce)()}
    if reduce == "sum":
        idioms["torch.linalg.vector_norm(x, 1)"] = lambda x: torch.linalg.vector_norm(x, 1)
    return idioms


def _torch_derivative(_: ModuleType, value: Value, x: Array) -> Array:
    x = x.clone().requires_grad_()
    value(x).backward()
    return x.grad


def _jax_devices(jax: ModuleType) -> dict[str, Any]:
    accelerators = [device for device in jax.devices() if device.platform != "cpu"]
    first, *others = jax.devices("cpu")
    return {"cpu": first} | {str(device).lower(): device for device in [*others, *accelerators]}


def _jax_asarray(jax: ModuleType, x: npt.NDArray[Any], device: Device) -> Array:
    if not jax.config.jax_enable_x64:
        _refuse(x, "float64", "complex128", hint=" unless JAX_ENABLE_X64=1 is set")
    return jax.device_put(x, device)


def _jax_idioms(jax: ModuleType, reduce: str) -> dict[str, Value]:
    def idiom(x: Array) -> Array:
        return getattr(jax.numpy.abs(x), reduce)()

    text = f"jnp.abs(x).{reduce}()"
    return {text: idiom, f"jax.jit({text})": jax.jit(idiom)}


class _Readable:
    """Lets Dask read an array in parts; Dask would copy a NumPy array as a whole."""

    def __init__(self, x: npt.NDArray[Any]) -> None:
        self.shape, self.dtype, self.ndim = x.shape, x.dtype, x.ndim
        self._x = x

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        return np.asarray(self._x[index])


def _dask_asarray(da: ModuleType, x: npt.NDArray[Any], device: Device) -> Array:  # noqa: ARG001
    _refuse(x, "bfloat16")
    return da.from_array(_Readable(x), name=False)  # to make a name, Dask would hash all of the data


def _cupy_devices(cupy: ModuleType) -> dict[str, Any]:
    count = cupy.cuda.runtime.getDeviceCount()
    return {f"cuda:{index}": cupy.cuda.Device(index) for index in range(count)}


def _cupy_asarray(cupy: ModuleType, x: npt.NDArray[Any], device: Device) -> Array:
    _refuse(x, "bfloat16")
    device.use()
    return cupy.asarray(x)


def _cupy_wait(_: ModuleType, result: Array) -> Array:
    result.device.synchronize()
    return result


_BACKENDS = {backend.name: backend for backend in BACKENDS}
LIBRARIES = (
    Library(
        _BACKENDS["numpy"],
        devices=lambda _: {"cpu": None},
        asarray=_numpy_asarray,
        idioms=_numpy_idioms,
    ),
    Library(
        _BACKENDS["strict"],
        devices=lambda xp: {"cpu": xp.Device("CPU_DEVICE"), "device1": xp.Device("device1")},
        asarray=_strict_asarray,
        idioms=lambda _, __: {},  # a reference implementation, which nobody uses for its speed
    ),
    Library(
        _BACKENDS["torch"],
        devices=_torch_devices,
        asarray=_torch_asarray,
        idioms=_torch_idioms,
        wait=_torch_wait,
        derivative=_torch_derivative,
    ),
    Library(
        _BACKENDS["jax"],
        module="jax",
        devices=_jax_devices,
        asarray=_jax_asarray,
        idioms=_jax_idioms,
        wait=lambda _, result: result.block_until_ready(),
        derivative=lambda jax, value, x: jax.grad(value)(x),
        copies=True,
    ),
    Library(
        _BACKENDS["dask"],
        devices=lambda _: {"cpu": None},
        asarray=_dask_asarray,
        idioms=lambda _, reduce: {f"abs(x).{reduce}()": lambda x: getattr(abs(x), reduce)()},
        wait=lambda _, result: result.compute(),
        lazy=True,
    ),
    Library(
        _BACKENDS["cupy"],
        devices=_cupy_devices,
        asarray=_cupy_asarray,
        idioms=lambda _, reduce: {f"cp.abs(x).{reduce}()": lambda x: getattr(abs(x), reduce)()},
        wait=_cupy_wait,
    ),
)
