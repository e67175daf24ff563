"""The peak GPU memory of a call beyond the memory in use before it, as the library's allocator counts it."""

import sys
from collections.abc import Callable
from typing import Any

import _cases


def peak_extra(library: _cases.Library, case: _cases.Case, dtype: str, shape: tuple[int, ...]) -> int | None:
    """Return the extra bytes at the peak of a case, measured in a second call.

    None for JAX: its compiler takes memory to try kernels, and JAX cannot reset its record of the peak afterwards.
    """
    if library.name not in _MARKS:
        return None

    def prepared() -> Callable[[], None]:
        x = library.make(_cases.data("equal", shape), dtype, case.kind)
        return lambda: library.wait(case.run(x))

    prepared()()
    return _MARKS[library.name](prepared)  # of a new array, which has no gradient from the first call


def _torch(prepared: Callable[[], Callable[[], None]]) -> int:
    cuda: Any = sys.modules["torch"].cuda
    run = prepared()
    cuda.reset_peak_memory_stats()
    before = cuda.memory_allocated()
    run()
    return cuda.max_memory_allocated() - before


def _cupy(prepared: Callable[[], Callable[[], None]]) -> int:
    pool: Any = sys.modules["cupy"].get_default_memory_pool()
    pool.free_all_blocks()  # or memory cached by another case would not be counted
    run = prepared()
    pool.free_all_blocks()
    before = pool.total_bytes()
    run()
    return pool.total_bytes() - before


_MARKS = {"torch": _torch, "cupy": _cupy}
