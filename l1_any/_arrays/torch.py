"""torch: the states of a tensor, sums in a given dtype, and a sign that is NaN at NaN."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar

import array_api_compat.torch as xp
import numpy as np
import torch

from l1_any._typing import Array, Device, DType

from . import huge_pages, torch_autograd
from .dtypes import dtype_name
from .standard import ArrayOps
from .state import State
from .torch_private import current_mode, forward_ad

T = TypeVar("T")

_WHOLE = (torch.Tensor, torch.nn.Parameter)
_WITH_DOUBLE = ("cpu", "cuda")
_LARGE = 1 << 16
_CPU = torch.device("cpu")
_FLOAT64 = np.dtype(np.float64)
_FLOAT32 = torch.finfo(torch.float32).max
_REFUSED = "a sparse or nested tensor; pass its values, or a list of dense tensors"


class TorchOps(ArrayOps):
    """Operations for torch's tensors."""

    library = "torch"
    title = "PyTorch"
    counters = (
        " (a model's `parameters()` have no counters such as num_batches_tracked, its `state_dict()` does)"
    )
    differentiates = "by graph"
    sums_in_halves = True
    abs = staticmethod(torch.abs)
    where = staticmethod(torch.where)
    clip = staticmethod(torch.clamp)

    @classmethod
    def of(cls, x: Array) -> Self:
        """Return the operations for the dtype of a tensor."""
        return cls._of_dtype(x.dtype)

    @classmethod
    def table(cls) -> dict[Any, Self]:
        """Return the operations for all dtypes: under torch.compile they must exist already, made by the import."""
        return _BY_DTYPE  # type: ignore[return-value]

    @classmethod
    def _of_dtype(cls, dtype: DType) -> Self:
        ops = cls(xp=xp, dtype=dtype, dtype_name=dtype_name(dtype))
        for state in (State.PLAIN, State.RECORDED, State.TRACED):
            for place in _WITH_DOUBLE:
                ops.sibling(state, "float64", place)
        return ops

    def around(self) -> State:
        """Return TRACED under a compiler or a dispatch mode, else PLAIN."""
        at_work = torch.compiler.is_compiling() or torch.jit.is_tracing() or current_mode() is not None
        return State.TRACED if at_work else State.PLAIN

    def at(self, around: State | None, x: Array, *others: Array | None) -> Self:
        """Return the operations for tensors that may be recorded, transformed or distributed."""
        state = State.PLAIN
        if around is State.TRACED or (
            around is None
            and (torch.compiler.is_compiling() or torch.jit.is_tracing() or current_mode() is not None)
        ):
            state = State.TRACED
        else:
            grad = torch.is_grad_enabled()
            for a in (x, *others):
                if not isinstance(a, torch.Tensor):
                    continue
                if grad and a.requires_grad:
                    state = State.RECORDED
                if a.layout is not torch.strided or a.is_nested:
                    return dataclasses.replace(self, refused=_REFUSED)
                if type(a) not in _WHOLE:
                    state = State.TRACED
                    break
                try:  # torch.func and torch.autograd.grad(is_grads_batched=True) pass tensors without storage
                    a.untyped_storage()
                except NotImplementedError:
                    state = State.TRACED
                    break
                if a.is_meta or (
                    getattr(forward_ad, "_current_level", 0) >= 0
                    and a.dtype is not torch.bool
                    and forward_ad.unpack_dual(a).tangent is not None
                ):
                    state = State.TRACED
                    break
        try:
            # Tensors are asked for their device's type only if it is not the usual one: that takes four times as long.
            place = "cpu" if x.is_cpu else x.device.type
            return self._siblings[state, "float64", place]  # type: ignore[no-any-return]
        except KeyError:
            return self.sibling(state, self.accumulator_of(x), x.device.type)

    def accumulator_of(self, x: Array) -> str:
        """Name float64 on a CPU and on CUDA, else the widest dtype of the device."""
        return "float64" if x.device.type in _WITH_DOUBLE else super().accumulator_of(x)

    def device(self, x: Array) -> Device:
        """Return the device of a tensor."""
        return x.device

    devices = device

    def converted(self, value: Any) -> Any:
        """Return the result of an object's ``to_torch()``, and any other value unchanged."""
        return value.to_torch() if hasattr(value, "to_torch") else value

    def refuses(self, other: Any, name: str) -> str:
        """Say that a DTensor cannot be beside a plain tensor."""
        return (
            f"a DTensor beside a plain tensor; pass {name}.full_tensor(), or its to_local()"
            if other.has_shards
            else ""
        )

    def to_host(self, x: Array) -> np.ndarray[Any, Any]:
        """Return the values as a NumPy array, bfloat16 in float32."""
        x = x.detach().cpu()
        return np.asarray(x.float() if x.dtype is torch.bfloat16 else x)

    def memory(self, x: Array) -> Any:
        """Return the memory as a NumPy array, or None for a tensor that is not contiguous or is lazily conjugated."""
        if not x.is_contiguous():
            return None
        if x.requires_grad:
            x = x.detach()
        try:
            if x.dtype is torch.bfloat16:
                x = x.view(torch.int16)
            own = x.numpy()
        except RuntimeError:  # conjugate and negative bits
            return None
        if x.dtype is torch.float16:
            own = own.view(np.uint16)
        return own if own.ndim == 1 else own.reshape(-1)

    def address(self, x: Array) -> int | None:
        """Return where the memory begins, or None for a tensor that is not contiguous or is lazily conjugated."""
        return int(x.data_ptr()) if x.is_contiguous() and not x.is_conj() and not x.is_neg() else None

    def threads(self) -> int:
        """Return the number of threads of torch's own operations."""
        return int(torch.get_num_threads())

    def written(self, x: Array) -> None:
        """Tell autograd that a kernel has written to a tensor."""
        torch.autograd.graph.increment_version(x)

    def detach(self, x: Array) -> Array:
        """Return x as a constant of autograd."""
        return x.detach()

    def full(self, shape: tuple[int, ...], value: complex, dtype: DType, like: Array) -> Array:
        """Return a tensor filled with one value, on the device of another tensor."""
        if self.is_traced and isinstance(value, float) and torch.compiler.is_compiling():
            # torch.compile may keep the old value of a number that changes between calls:
            # https://github.com/pytorch/pytorch/issues/197889
            return torch.zeros(shape, dtype=dtype, device=like.device) + value
        return torch.full(shape, value, dtype=dtype, device=like.device)

    def empty_like(self, x: Array, dtype: DType | None = None) -> Array:
        """Return a new contiguous tensor of x's shape and device, in huge pages if it is large."""
        out = torch.empty_like(x, dtype=dtype, memory_format=torch.contiguous_format)
        if self.place == "cpu" and out.nbytes >= huge_pages.FEWEST_BYTES:
            huge_pages.ask_for(out.data_ptr(), out.nbytes)
        return out

    def zero(self, x: Array) -> Array:
        """Return a 0-d zero."""
        return torch.zeros((), dtype=x.dtype, device=x.device)

    def cast(self, x: Array, dtype: DType) -> Array:
        """Return x in a dtype, without a copy if x already has it."""
        return x if x.dtype == dtype else x.to(dtype)

    def finished(self, total: Array) -> Array:
        """Round a total to the dtype of results."""
        if type(total) is float:
            fits = abs(total) < _FLOAT32 or self.result_name == "float64"
            if fits:  # torch refuses finite numbers that are infinite in float32
                return torch.full((), total, dtype=self.result_dtype, device=_CPU)
            total = torch.full((), total, dtype=torch.float64, device=_CPU)
        return total.to(self.result_dtype)

    def abs_to_sum(self, x: Array) -> Array:
        """Return the magnitudes in the dtype of their sum, in which torch would make another copy."""
        if not self.is_plain or x.numel() < _LARGE or x.dtype is self.accumulator:
            return torch.abs(x)
        if self.place != "cpu" or not x.is_contiguous():
            return x.to(self.accumulator).abs_()
        # NumPy's allocation can be reused for the next block. torch asks for aligned memory, for which glibc before
        # 2.38 takes new pages each time: https://sourceware.org/bugzilla/show_bug.cgi?id=14581
        return torch.from_numpy(np.empty(x.shape)).copy_(x).abs_()

    def sign(self, x: Array) -> Array:
        """Return the sign, with a derivative of 0, and NaN at NaN (torch's own sign is 0 there).

        array-api-compat writes NaN through a mask, which torch.compile and vmap do not allow.
        """
        s = torch.sign(x)
        if self.is_plain:  # s can be written in place
            return torch.clamp(x, s, s, out=s).add_(0.0)  # s, but NaN at NaN; then +0.0 for -0.0
        return torch.add(s, torch.clamp(x, -1, 1), alpha=0)

    def times(self, own: Array, factor: Array | float) -> Array:
        """Multiply, in place if nothing records the operations."""
        return own.mul_(factor) if self.is_plain else own * factor

    def differentiable_abs(self, x: Array) -> Array:
        """Return |x|. Its derivative is s, and NaN at NaN, where the derivative of torch's abs is 0.

        In eager autograd it is x·s, since the second derivative of torch's abs is a tensor without memory. In forward
        mode it is not, since there an infinite x would be multiplied by the tangent 0 of s.
        """
        if not self.is_recorded:
            return torch.abs(x) * torch.clamp(x.detach(), 1, 1)  # the factor is 1, and NaN at NaN
        s = torch.sign(x)
        own = s.detach()  # the same memory, to which autograd lets us write before it keeps s
        torch.clamp(x.detach(), own, own, out=own)
        return x * s

    def positive_zeros(self, own: Array) -> Array:
        """Add 0.0."""
        return own.add_(0.0) if self.is_plain else own + 0.0

    def take_along(self, x: Array, order: Array, axis: int) -> Array:
        """Gather along an axis: torch.take_along_dim compares sizes as numbers, so that they are not exported."""
        return torch.gather(x, axis, order)

    def cumulative_sum(self, x: Array, axis: int, dtype: DType) -> Array:
        """Return the cumulative sum along an axis."""
        return torch.cumsum(x, dim=axis, dtype=dtype)

    def sum_of_few(self, x: Array, axes: tuple[int, ...]) -> Array | float:
        """Sum the magnitudes of a few elements; in float32 by NumPy, whose operations take a third of the time."""
        if self.dtype is torch.float32:
            try:
                return float(np.add.reduce(np.abs(x.numpy()), None, _FLOAT64))
            except RuntimeError:  # a lazily negated tensor, such as the imaginary part of a conjugate
                pass
        return torch.sum(torch.abs(x), dim=axes, dtype=self.accumulator)

    def sum(self, x: Array, axes: tuple[int, ...], *, keepdims: bool, dtype: DType) -> Array:
        """Sum along some axes in a dtype."""
        return torch.sum(x, dim=axes, keepdim=keepdims, dtype=dtype)

    def records_alone(self, x: Array, *others: Array | None) -> bool:
        """Whether autograd records the operations on x, but not the operations on the other tensors."""
        return bool(x.requires_grad) and not any(a is not None and a.requires_grad for a in others)

    def tied(
        self,
        value: Callable[..., tuple[Array, ...]],
        gradient: Callable[..., Sequence[Array]],
        count: int,
        *arrays: Array | None,
    ) -> tuple[Array, ...]:
        """Return ``value(*arrays)``; its first item has the gradients ``gradient(g, *arrays)`` for the first arrays."""
        try:
            found: tuple[Array, ...] = torch_autograd.TiedInEagerMode.apply(value, gradient, count, *arrays)
        except RuntimeError:  # a transformation of torch.func is active, but does not concern these tensors
            found = torch_autograd.Tied.apply(value, gradient, count, *arrays)
        return found

    def why_not_recording(self) -> str:
        """Say why autograd could not record operations now: in inference mode it records nothing."""
        if not torch.is_inference_mode_enabled():
            return ""
        return "autograd records nothing under torch.inference_mode(), but would under torch.no_grad()"

    graph_inputs = staticmethod(torch_autograd.inputs)
    recording = staticmethod(torch.enable_grad)
    graph_gradient = staticmethod(torch_autograd.gradient)
    without_inputs = staticmethod(torch_autograd.without_inputs)

    def value_and_gradient(
        self, function: Callable[[list[Array]], tuple[Array, T]], arrays: Sequence[Array]
    ) -> tuple[Array, T, list[Array]]:
        """Return value, auxiliary output and gradient of ``function(arrays)``, by torch.func."""
        return torch_autograd.value_and_gradient(function, arrays, self._is_traced)

    def _is_traced(self, x: Array) -> bool:
        return self.at(self.around(), x).state is State.TRACED


_BY_DTYPE = {d: TorchOps._of_dtype(d) for d in vars(torch).values() if isinstance(d, torch.dtype)}  # noqa: SLF001
