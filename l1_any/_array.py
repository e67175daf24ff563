"""All that differs between array libraries. Asks which library it has, and does no mathematics."""

import contextlib
import math
import sys
from collections.abc import Callable, Iterable
from typing import Any, Literal

import array_api_compat as compat
import numpy as np

from . import _torch
from ._scratch import Scratch
from ._softshrink import softshrink
from ._typing import Array, Axes, Device, DType, Namespace

Summation = Literal["library", "halves", "tree"]

_RESULT_DTYPES = {
    "float16": "float32",
    "bfloat16": "float32",
    "float32": "float32",
    "float64": "float64",
    "complex64": "float32",
    "complex128": "float64",
}
# Under torch.fx, x is a symbol: it records operations, and knows no dtype or shape.
_TORCH = {"torch", "torch.fx"}
_LIBRARIES: dict[type, str | None] = {}
_DTYPE_NAMES: dict[type, dict[DType, str]] = {}
_JITTED: dict[Callable[..., Any], Callable[..., Any]] = {}


def _loaded(library: str) -> Any:
    return sys.modules.get(library)


def _library(x: object) -> str | None:
    """Name the library of an array among those that need care, "other" for the rest, None for no array."""
    library = _LIBRARIES.get(type(x), "")
    if library == "":
        library = _LIBRARIES[type(x)] = _find_library(x)
    return library


def _find_library(x: object) -> str | None:
    if isinstance(x, (np.ndarray, np.generic)):  # torch.compile cannot trace their union
        return "numpy"
    known = {
        "torch": "Tensor",
        "torch.fx": "Proxy",
        "jax": "Array",
        "dask.array": "Array",
        "cupy": "ndarray",
    }
    for library, name in known.items():
        module = _loaded(library)
        if module is not None and isinstance(x, getattr(module, name, ())):
            return library
    # compat's look-up is cached, and torch.compile warns of every cached call: none for a mere container.
    return "other" if hasattr(x, "shape") and compat.is_array_api_obj(x) else None


def _is_tracer(x: object) -> bool:
    return isinstance(x, _loaded("jax").core.Tracer)


def is_array(x: object) -> bool:
    """Whether x is an array of a library that follows the standard."""
    return _library(x) is not None


def why_unsupported(x: Array) -> str | None:
    """Say why an array is not a dense one that this package can read, or None."""
    library = _library(x)
    if library == "numpy":
        if isinstance(x, np.ma.MaskedArray):
            return "a NumPy masked array; pass its data, and what its mask lets through as `where`"
        if isinstance(x, np.matrix):
            return "a NumPy matrix; pass np.asarray of it"
    elif library in _TORCH and (x.layout is not _loaded("torch").strided or x.is_nested):
        return "a sparse or nested tensor; pass its values, or a list of dense tensors"
    return None


def namespace(x: Array) -> Namespace:
    """Return the array API namespace of an array, wrapped by array-api-compat where it falls short."""
    library = _library(x)
    if library == "numpy":
        import array_api_compat.numpy as wrapped_numpy  # loads far more than NumPy's own import

        return wrapped_numpy
    if library in _TORCH:
        import array_api_compat.torch as torch_namespace

        return torch_namespace
    return compat.array_namespace(x)


def library_name(xp: Namespace) -> str:
    """Return the name of a namespace as users know it."""
    return str(getattr(xp, "__name__", type(xp).__name__)).removeprefix("array_api_compat.")


def wrapped(xp: Namespace) -> Namespace:
    """Return array-api-compat's namespace for a library given as itself."""
    name = getattr(xp, "__name__", None)
    return namespace(xp.empty(0)) if name in {"numpy", "torch", "cupy", "dask.array"} else xp


def as_array(x: Array) -> Array:
    """Turn the scalars that NumPy returns into 0-d arrays."""
    return np.asarray(x) if isinstance(x, np.generic) else x


def device(x: Array) -> Device:
    """Return the device to create arrays on beside x; None leaves it to JAX, traced or not."""
    library = _library(x)
    if library == "jax":
        return None
    return x.device if library in _TORCH else compat.device(x)


def devices(x: Array) -> Any:
    """Return what can be compared to tell whether two arrays share their devices; None while traced."""
    if _library(x) == "jax":
        return None if _is_tracer(x) else x.devices()
    return device(x)


def to_device(x: Array, like: Array) -> Array:
    """Move x to the device of another array of its library."""
    return compat.to_device(x, compat.device(like))


def to_host(x: Any) -> np.ndarray[Any, Any]:
    """Return the values of an array, or of lists of numbers, in NumPy; of bfloat16 in float32."""
    library = _library(x)
    if library == "torch":
        x = x.detach().cpu()
        return np.asarray(x.float() if dtype_name(x.dtype) == "bfloat16" else x)
    if library == "cupy":
        return np.asarray(x.get())
    if library is not None and compat.is_array_api_strict_namespace(namespace(x)):
        x = x.to_device(namespace(x).Device("CPU_DEVICE"))
    host = np.asarray(x)
    return host.astype(np.float32) if host.dtype.name == "bfloat16" else host


def dtype_name(dtype: DType) -> str:
    """Return the standard's name of a dtype."""
    # Those of each library by themselves: they warn when compared, and torch.compile cannot hash NumPy's.
    names = _DTYPE_NAMES.get(type(dtype))
    if names is None:
        names = _DTYPE_NAMES[type(dtype)] = {}
    name = names.get(dtype)
    if name is None:  # an instance has a name, NumPy's and JAX's classes a __name__, torch and strict a text
        name = (
            getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or str(dtype).rpartition(".")[2]
        )
        names[dtype] = name
    return name


def is_floating(x: Array) -> bool:
    """Whether the dtype is one of the contract's real or complex floating dtypes."""
    return dtype_name(x.dtype) in _RESULT_DTYPES


def is_complex(x: Array) -> bool:
    """Whether the dtype is a complex floating one."""
    return _library(x) != "torch.fx" and dtype_name(x.dtype) in {"complex64", "complex128"}


def is_boolean(x: Array) -> bool:
    """Whether the dtype is the boolean one."""
    return dtype_name(x.dtype) == "bool"


def result_dtype(x: Array, xp: Namespace) -> DType:
    """Return the real dtype in which a reduction of x is given."""
    return getattr(xp, _RESULT_DTYPES[dtype_name(x.dtype)])


def in_result_dtype(x: Array, xp: Namespace) -> Array:
    """Cast x to that dtype; a symbol, which stands for a result already, stays as it is."""
    return x if _library(x) == "torch.fx" else xp.astype(x, result_dtype(x, xp), copy=False)


def result_dtype_name(x: Array) -> str:
    """Return the standard's name of that dtype."""
    return _RESULT_DTYPES[dtype_name(x.dtype)]


def accumulator_dtype(x: Array, xp: Namespace) -> DType:
    """Return float64 where library and device have it, else float32."""
    library = _library(x)
    if library == "numpy" or (library in _TORCH and x.device.type in {"cpu", "cuda"}):
        return xp.float64
    if library == "jax":
        return _loaded("jax").dtypes.canonicalize_dtype("float64")
    real = xp.__array_namespace_info__().dtypes(device=device(x), kind="real floating")
    return real.get("float64", xp.float32)


def widest(x: Array, xp: Namespace) -> Array:
    """Cast x to the complex or real dtype of the accumulator's width."""
    if _library(x) == "torch.fx":
        return x.to(xp.float64)
    dtype = accumulator_dtype(x, xp)
    if is_complex(x):
        dtype = xp.complex128 if dtype_name(dtype) == "float64" else xp.complex64
    return x if x.dtype == dtype else xp.astype(x, dtype)


def summation(x: Array, axes: tuple[int, ...], dtype: DType, xp: Namespace) -> Summation:
    """Return the way of summing terms of x, in the accumulator's dtype, that keeps to the contract's error.

    XLA adds runs of numbers one by one. So do others along any axis but that of neighbours in memory, and in
    runs along that one, on a GPU in each thread; which matters where the terms are as wide as the accumulator.
    """
    if not axes:
        return "library"
    if _library(x) == "jax":
        return "tree"
    if result_dtype(x, xp) != dtype or not (is_eager_cpu(x, xp) or _is_eager_gpu(x)):
        return "library"  # under torch.compile, left to fuse
    return "halves"


def is_chunked(x: Array) -> bool:
    """Whether x is a lazy array made of chunks (Dask)."""
    return _library(x) == "dask.array"


def empty_like(x: Array, xp: Namespace, dtype: DType | None = None) -> Array:
    """Return a new contiguous array of x's shape and device, and dtype or another, not of its subclass."""
    return xp.empty(x.shape, dtype=x.dtype if dtype is None else dtype, device=device(x))


def keeps_scratch(x: Array) -> bool:
    """Whether `scratch` gives memory that is kept."""
    return _library(x) == "torch"


def scratch(x: Array, xp: Namespace) -> contextlib.AbstractContextManager[Callable[[], Namespace]]:
    """Return the context of a walk over blocks of a plain x: call what it gives for the namespace of each."""
    return Scratch(xp, _loaded("torch")) if keeps_scratch(x) else contextlib.nullcontext(lambda: xp)


def zero(x: Array, xp: Namespace) -> Array:
    """Return a 0-d zero of x's library, dtype and device; for a symbol, the number."""
    return 0.0 if _library(x) == "torch.fx" else full((), 0, x.dtype, x, xp)


def full(shape: tuple[int, ...], value: float, dtype: DType, like: Array, xp: Namespace) -> Array:
    """Return an array of one value beside another array, traced or not."""
    if isinstance(value, float) and _library(like) == "torch" and _loaded("torch").compiler.is_compiling():
        # A number that changes between calls may stay the old one: https://github.com/pytorch/pytorch/issues/197889
        return xp.zeros(shape, dtype=dtype, device=device(like)) + value
    return xp.full(shape, value, dtype=dtype, device=device(like))


def sign(x: Array, xp: Namespace) -> Array:
    """Return the sign of a real array as the standard has it: NaN at NaN."""
    if _library(x) in _TORCH:
        return _torch.sign(x, xp)
    if _library(x) == "cupy":  # CuPy too gives 0, and for compat's masked write the host waits
        return xp.where(xp.isnan(x), x, _loaded("cupy").sign(x))
    return xp.sign(x)


def clip(x: Array, least: float, most: float, xp: Namespace) -> Array:
    """Bound a real array by numbers."""
    library = _library(x)
    if library in {"numpy", "cupy"}:  # compat writes through masks, for which the host waits for a GPU
        return _loaded(str(library)).clip(x, least, most)
    return xp.clip(x, least, most)


def largest(
    x: Array, xp: Namespace, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False
) -> Array:
    """Return the largest of real numbers, and NaN if there is one among them."""
    m = xp.max(x, axis=axis, keepdims=keepdims)
    if _library(x) != "jax":
        return m
    # On a CPU, XLA's maximum of more than a few thousand elements passes over NaN.
    return xp.where(xp.any(xp.isnan(x), axis=axis, keepdims=keepdims), xp.full_like(m, float("nan")), m)


def magnitudes(x: Array, xp: Namespace) -> Array:
    """Return |x| of a real array; wider where memory is at hand and it would be cast for its sum anyway."""
    if isinstance(xp, Scratch) and (dtype := accumulator_dtype(x, xp)) != x.dtype:
        return xp.astype(x, dtype).abs_()
    return xp.abs(x)


def times(own: Array, factor: Array | float, xp: Namespace) -> Array:
    """Multiply an array that nobody else has by a factor of its dtype that broadcasts to it; in its place on a CPU."""
    if is_plain(own, xp) and (isinstance(factor, float) or is_plain(factor, xp)):
        own *= factor
        return own
    return own * factor


def soft_threshold(x: Array, t: float, xp: Namespace) -> Array | None:
    """Soft-threshold real x by the library's own operation; None where there is none as exact and faster."""
    if _library(x) != "torch" or dtype_name(x.dtype) not in {"float32", "float64"}:
        return None
    torch = _loaded("torch")
    if is_plain(x, xp):  # several times faster than by blocks, each of which costs a round of all threads
        return softshrink(x.detach(), t)
    return torch.nn.functional.softshrink(x.detach(), t) if _is_plain_cuda(x) else None


def has_abs_sum(x: Array, axes: tuple[int, ...]) -> bool:
    """Whether `abs_sum` can sum the magnitudes of x along some axes, with digits to spare."""
    narrow = _library(x) == "torch" and dtype_name(x.dtype) in {"float16", "bfloat16", "float32"}
    return narrow and (len(axes) > 0 or x.ndim == 0) and _is_plain_cuda(x)


def abs_sum(x: Array, axes: tuple[int, ...], *, keepdims: bool, dtype: DType) -> Array:
    """Return Σ|x| in a wider dtype with one copy of x at most, where abs and sum would make two."""
    return _torch.abs_sum(x, axes, keepdims=keepdims, dtype=dtype)


def sort_descending(x: Array, axis: int, xp: Namespace) -> Array:
    """Sort an array of numbers >= 0 along an axis, NaN first."""
    if _library(x) == "jax" and dtype_name(x.dtype) in {"float32", "float64"}:
        # The bits of numbers >= 0 have the same order, and XLA sorts integers on a CPU 6 times faster.
        bits = x.view("int32" if dtype_name(x.dtype) == "float32" else "int64")
        return xp.flip(xp.sort(bits, axis=axis), axis=axis).view(x.dtype)
    return xp.sort(x, axis=axis, descending=True, stable=False)


def cumulative_sum(x: Array, axis: int, dtype: DType, xp: Namespace) -> Array:
    """Sum along an axis up to each element."""
    if _library(x) in _TORCH:  # compat looks the namespace up again, of which torch.compile warns
        return _loaded("torch").cumsum(x, dim=axis, dtype=dtype)
    return xp.cumulative_sum(x, axis=axis, dtype=dtype)


def extent(x: Array, axes: Axes = None) -> int | None:
    """Return the number of elements, along some axes or in all, or None where a lazy library does not know it."""
    lengths = x.shape if axes is None else [x.shape[axis] for axis in axes]
    return math.prod(lengths) if all(map(is_known, lengths)) else None


def is_known(length: float | None) -> bool:
    """Whether the length of an axis is known: in the standard's words it is None where not, in Dask's NaN."""
    return not isinstance(length, float | None)


def is_eager_cpu(x: Array, xp: Namespace) -> bool:
    """Whether x holds its data in the CPU's memory now, for us to read as we please."""
    library = _library(x)
    if library == "torch":
        return x.device.type == "cpu" and _torch.holds_data(x)
    return library == "numpy" or (library == "other" and bool(compat.is_array_api_strict_namespace(xp)))


def records_gradient(x: Array) -> bool:
    """Whether torch's eager autograd records what is done to x."""
    return _library(x) in _TORCH and _torch.would_record(x) and _torch.is_plain(x)


def is_plain(x: Array, xp: Namespace) -> bool:
    """Whether x can be read and written on the CPU as we please, with nobody recording what is done."""
    return is_eager_cpu(x, xp) and not (
        _library(x) == "torch" and (_torch.is_watched() or records_gradient(x))
    )


def _is_eager_gpu(x: Array) -> bool:
    """Whether x holds its data in a GPU's memory now; always known of CuPy's and torch's arrays alone."""
    library = _library(x)
    return library == "cupy" or (library == "torch" and bool(x.is_cuda) and _torch.holds_data(x))


def _is_plain_cuda(x: Array) -> bool:
    """Whether a tensor holds its data on a GPU now, with no graph being recorded."""
    return _is_eager_gpu(x) and not _torch.would_record(x)


def autodiff(x: Array) -> Literal["torch", "jax"] | None:
    """Name the library that differentiates functions of x, if it is one that does."""
    library = _library(x)
    if library in _TORCH:
        return "torch"
    return "jax" if library == "jax" else None


def is_traced(x: Array) -> bool:
    """Whether x is what a compiler or a transformation of functions puts in the place of an array."""
    library = _library(x)
    if library in _TORCH:
        return not _torch.is_plain(x)
    return library == "jax" and _is_tracer(x)


def is_lazy(x: Array) -> bool:
    """Whether looking at x's values would start a computation, or cannot be done."""
    return is_traced(x) or is_chunked(x)


def is_differentiated(x: Array) -> bool:
    """Whether a derivative may be asked of the formula that is written down for x."""
    return is_traced(x) or (_library(x) in _TORCH and _torch.would_record(x))


def detach(x: Array) -> Array:
    """Return x as a constant of automatic differentiation."""
    library = _library(x)
    if library in _TORCH:
        return x.detach()
    return _loaded("jax").lax.stop_gradient(x) if library == "jax" else x


def compiled(function: Callable[..., Any], x: Array, static: Iterable[str]) -> Callable[..., Any]:
    """Return the function, compiled where x is a JAX array that would be worked on one operation at a time."""
    if _library(x) != "jax" or _is_tracer(x):
        return function
    if function not in _JITTED:
        _JITTED[function] = _loaded("jax").jit(function, static_argnames=tuple(static))
    return _JITTED[function]


def run_compiled(function: Callable[..., Any], x: Array, *args: Any, **static: Any) -> Any:
    """Call it, compiled in the same case; what is static is compiled into it."""
    return compiled(function, x, static)(*args, **static)
