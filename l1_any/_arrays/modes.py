"""Carries the modes of a thread, such as torch's autocast or JAX's x64, into another thread.

Python can copy context variables, in which NumPy keeps its errstate. Most libraries keep their modes per thread
instead. For each of these libraries a function reads the modes of this thread and returns a second function. Called
in another thread, the second function returns a context manager that sets the same modes.
"""

import contextlib
import contextvars
import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any, TypeVar

T = TypeVar("T")
Entry = Callable[[], AbstractContextManager[Any]]

# Device types with an autocast mode that a term may use. torch has no public list of them.
_AUTOCAST_DEVICES = ("cpu", "cuda", "hpu", "mps", "mtia", "xla", "xpu")


def carried(function: Callable[[], T]) -> Callable[[], T]:
    """Return a function to call once in another thread. It runs in the context and the modes of this thread."""
    context = contextvars.copy_context()
    # A term may use other libraries than the library of the log-probabilities.
    entries = [capture() for library, capture in _CAPTURES.items() if library in sys.modules]

    def run() -> T:
        with ExitStack() as stack:
            for entry in entries:
                stack.enter_context(entry())
            return function()

    return functools.partial(context.run, run)


def _of_cupy() -> Entry:
    """Carry CuPy's current device, and the current stream of that device."""
    cupy = sys.modules["cupy"]
    if not cupy.is_available():
        return contextlib.nullcontext
    device, stream = cupy.cuda.Device().id, cupy.cuda.get_current_stream()

    @contextlib.contextmanager
    def entered() -> Iterator[None]:
        with cupy.cuda.Device(device), stream:  # a stream can be entered only on its own device
            yield

    return entered


def _of_jax() -> Entry:
    """Carry the options that JAX's context managers set, and the mesh of `jax.set_mesh`."""
    jax = sys.modules["jax"]
    options, mesh = _jax_options(), _jax_mesh()

    @contextlib.contextmanager
    def entered() -> Iterator[None]:
        with ExitStack() as stack:
            current = _jax_options()
            # Sorted, because `jax_transfer_guard` must come first: it also sets three options with longer names.
            for name in sorted(name for name in options if options[name] != current.get(name)):
                manager = _jax_manager(name)
                if manager is not None:
                    stack.enter_context(manager(options[name]))
            if mesh is not None:
                stack.enter_context(jax.set_mesh(mesh))
            yield

    return entered


def _jax_options() -> dict[str, Any]:
    """Return the values of all options of JAX in this thread."""
    return dict(getattr(sys.modules["jax"].config, "values", {}))


def _jax_manager(option: str) -> Callable[[Any], AbstractContextManager[Any]] | None:
    """Return JAX's context manager for an option, or None where it has no public one."""
    jax, name = sys.modules["jax"], option.removeprefix("jax_")
    if hasattr(jax, name):
        return getattr(jax, name)  # type: ignore[no-any-return]
    # Before version 0.8, `enable_x64` was experimental: https://docs.jax.dev/en/latest/changelog.html
    return getattr(sys.modules.get("jax.experimental"), name, None)


def _jax_mesh() -> Any:
    """Return the mesh of `jax.set_mesh`, or None."""
    jax = sys.modules["jax"]
    if not hasattr(jax, "set_mesh") or not hasattr(jax.sharding, "get_mesh"):
        return None
    try:
        mesh = jax.sharding.get_mesh()
    except ValueError:  # under jax.jit the mesh can neither be read nor set
        return None
    return None if mesh.empty else mesh


def _of_torch() -> Entry:
    """Carry torch's gradient and inference modes, autocast, default device, and current CUDA streams and device."""
    torch = sys.modules["torch"]
    records, infers = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
    casts, device, cuda = _torch_casts(), torch.get_default_device(), _torch_cuda()

    @contextlib.contextmanager
    def entered() -> Iterator[None]:
        with ExitStack() as stack:
            if infers != torch.is_inference_mode_enabled():
                stack.enter_context(torch.inference_mode(infers))
            stack.enter_context(
                torch.set_grad_enabled(records)
            )  # after the inference mode, because that also sets the gradient mode
            current = _torch_casts()
            for kind, (enabled, dtype, cached) in casts.items():
                if casts[kind] != current[kind]:
                    stack.enter_context(torch.autocast(kind, dtype, enabled, cached))
            if device != torch.get_default_device():  # in this context every call of torch is slower
                stack.enter_context(torch.device(device))
            for context in cuda:
                stack.enter_context(context())
            yield

    return entered


def _torch_casts() -> dict[str, tuple[bool, Any, bool]]:
    """Return for each device type whether autocast is enabled, its dtype, and whether it caches the casts."""
    torch = sys.modules["torch"]
    cached = torch.is_autocast_cache_enabled()
    return {
        kind: (torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind), cached)
        for kind in _AUTOCAST_DEVICES
        if torch.amp.is_autocast_available(kind)
    }


def _torch_cuda() -> list[Entry]:
    """Return functions that enter each device's current stream, if it is not the default, and the current device."""
    cuda = sys.modules["torch"].cuda
    if not cuda.is_initialized():  # reading a stream would initialize CUDA
        return []
    pairs = [(cuda.current_stream(i), cuda.default_stream(i)) for i in range(cuda.device_count())]
    streams = [functools.partial(cuda.stream, current) for current, default in pairs if current != default]
    return [*streams, functools.partial(cuda.device, cuda.current_device())]


_CAPTURES: dict[str, Callable[[], Entry]] = {"cupy": _of_cupy, "jax": _of_jax, "torch": _of_torch}
