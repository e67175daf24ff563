"""Temporaries of one block after another in the same memory."""

import contextlib
from collections.abc import Callable
from typing import Any

from ._typing import Array, DType, Namespace

_KEPT_BYTES = 1 << 24  # of one call, which leaves them to the next
_PIECE_BYTES = 1 << 23  # of one temporary: a block of the largest kind in float64
_KEPT_VIEWS = 64
_KEPT_CALLS = 4
_FREE: list["_Memory"] = []  # of calls that have ended, as many as ran at one time


class _Memory:
    """Pieces of memory, and the arrays that were seen in them."""

    def __init__(self) -> None:
        self.pieces: list[Array] = []
        self.views: dict[tuple[Any, ...], Array] = {}


class Scratch:
    """The namespace of torch on the CPU, whose temporaries lie where those of the block before lay.

    Left to themselves they would be freed and taken anew for each block, of pages that the system has to clear
    first. Of the functions that return elements of a block those are here that reductions call; what they return
    is overwritten by the next block, which sums are not: a walk returns or writes nothing else. Others are
    torch's own.
    """

    def __init__(self, xp: Namespace, torch: Any) -> None:
        self._xp = xp
        self._torch = torch
        self._memory = _Memory()
        self._taken = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._xp, name)

    def __enter__(self) -> Callable[[], "Scratch"]:
        with contextlib.suppress(IndexError):
            self._memory = _FREE.pop()
        return self._for_next_block

    def __exit__(self, *_: object) -> None:
        memory = self._memory
        if len(memory.views) > _KEPT_VIEWS:
            memory.views.clear()
        if len(_FREE) < _KEPT_CALLS:
            _FREE.append(memory)

    def _for_next_block(self) -> "Scratch":
        self._taken = 0
        return self

    def empty_like(self, x: Array, *, dtype: DType | None = None) -> Array:
        """Return uninitialised memory of x's shape."""
        index, dtype = self._taken, x.dtype if dtype is None else dtype
        self._taken += 1
        pieces, views = self._memory.pieces, self._memory.views
        key = index, dtype, x.shape
        if key not in views:
            size = x.numel() * dtype.itemsize
            with self._torch.inference_mode(mode=False):  # what is made in that mode is written in it alone
                if index >= len(pieces) or len(pieces[index]) < size:
                    others = sum(len(piece) for i, piece in enumerate(pieces) if i != index)
                    if index > len(pieces) or size > _PIECE_BYTES or others + size > _KEPT_BYTES:
                        return self._torch.empty(x.shape, dtype=dtype, device="cpu")
                    pieces[index : index + 1] = [
                        self._torch.empty(size, dtype=self._torch.uint8, device="cpu")
                    ]
                    views.clear()
                views[key] = pieces[index][:size].view(dtype).view(x.shape)
        return views[key]

    def abs(self, x: Array) -> Array:
        """Return the magnitudes."""
        fits = x.is_contiguous() and not x.dtype.is_complex
        return self._torch.abs(x, out=self.empty_like(x)) if fits else self._xp.abs(x)

    def add(self, x: Array, y: Array) -> Array:
        """Return x + y, of one shape and dtype."""
        return self._torch.add(x, y, out=self.empty_like(x))

    def astype(self, x: Array, dtype: DType, *, copy: bool = True) -> Array:
        """Cast to a dtype."""
        if x.dtype == dtype and not copy:
            return x
        fits = x.is_contiguous()
        return self.empty_like(x, dtype=dtype).copy_(x) if fits else self._xp.astype(x, dtype, copy=copy)

    def where(self, condition: Array, x: Array, y: Array) -> Array:
        """Return elements of x, or of y where the condition is false."""
        fits = (
            y.ndim == 0
            and x.is_contiguous()
            and x.shape == self._torch.broadcast_shapes(condition.shape, x.shape)
        )
        if not fits:
            return self._xp.where(condition, x, y)
        return self._torch.where(condition, x, y, out=self.empty_like(x))

    def sum(self, x: Array, *, dtype: DType, **options: Any) -> Array:
        """Sum in a dtype, to which torch would cast into memory of its own."""
        return self._xp.sum(self.astype(x, dtype, copy=False), dtype=dtype, **options)
