"""What torch alone tells of its tensors, and operations of its own. Called where it is known that x is torch's."""

import sys
from typing import Any

from ._typing import Array, DType, Namespace

_BEYOND_INT = 1 << 31


def _torch() -> Any:
    return sys.modules["torch"]


def is_plain(x: Array) -> bool:
    """Whether a tensor holds data now: not compiled, transformed, traced or a subclass of its own."""
    torch = _torch()
    if torch.compiler.is_compiling() or type(x) not in (torch.Tensor, torch.nn.Parameter):
        return False
    # Within torch.func also a tensor that is not wrapped may meet one that is: a mask, weights, the n of a mean.
    # The one test for it; were it to go, every tensor would count as traced.
    transforming = getattr(torch._C, "_are_functorch_transforms_active", lambda: True)  # noqa: SLF001
    if transforming() or x.is_meta or torch.jit.is_tracing():
        return False
    return torch.autograd.forward_ad.unpack_dual(x).tangent is None


def holds_data(x: Array) -> bool:
    """Whether a tensor is plain and has its data in memory that can be asked for."""
    if not is_plain(x):
        return False
    try:  # the tensors of torch.autograd.grad(is_grads_batched=True) look like any other but for this
        x.untyped_storage()
    except NotImplementedError:
        return False
    return True


def would_record(x: Array) -> bool:
    """Whether what is done to a tensor is to be recorded for its gradient."""
    return bool(x.requires_grad) and bool(_torch().is_grad_enabled())


def is_watched() -> bool:
    """Whether a mode of torch's records or replaces what is done; it may keep a result as it is now."""
    # The one test for it; were it to go, there would always seem to be one.
    modes = getattr(_torch().utils, "_python_dispatch", None)
    mode = getattr(modes, "_get_current_dispatch_mode", lambda: "unknown")
    return mode() is not None


def sign(x: Array, xp: Namespace) -> Array:
    """Return the sign with NaN at NaN: torch gives 0, and compat's mending by a masked write cannot be traced."""
    torch = _torch()
    if not is_plain(x) or would_record(x):  # with a derivative of 0, which that of clamp is not
        return torch.add(torch.sign(x), torch.clamp(x, -1, 1), alpha=0)
    in_place = not is_watched()
    s = torch.sign(x, out=xp.empty_like(x)) if in_place and x.is_contiguous() else torch.sign(x)
    return torch.clamp(x, s, s, out=s if in_place else None)  # s but for NaN, which clamp lets through


def abs_sum(x: Array, axes: tuple[int, ...], *, keepdims: bool, dtype: DType) -> Array:
    """Return Σ|x| in a wider dtype with one copy of x at most, where abs and sum would make two."""
    torch = _torch()
    # Of all that torch has, this alone casts as it reads; were it to go, a norm that casts first would serve.
    foreach_norm = getattr(torch, "_foreach_norm", None)
    # Before 2025 it counted elements in 32 bits.
    if foreach_norm is None or len(axes) < x.ndim or x.numel() >= _BEYOND_INT:
        return torch.linalg.vector_norm(x.detach(), 1, dim=axes, keepdim=keepdims, dtype=dtype)
    (total,) = foreach_norm([x.detach()], 1, dtype=dtype)
    return total.reshape((1,) * x.ndim) if keepdims else total
