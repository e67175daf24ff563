"""The most memory that a call takes from a GPU beyond what is taken before, as the library's allocator counts it."""

import sys
from collections.abc import Callable
from typing import Any

import _cases


def peak_extra(library: _cases.Library, case: _cases.Case, dtype: str, shape: tuple[int, ...]) -> int | None:
    """Return the bytes at the peak of a case, after a call that does not count.

    None for JAX, whose mark cannot be set back after what its compiler takes to try kernels.
    """
    if library.name not in _MARKS:
        return None

    def prepared() -> Callable[[], None]:
        x = library.make(_cases.data("equal", shape), dtype, case.kind)
        return lambda: library.wait(case.run(x))

    prepared()()
    return _MARKS[library.name](prepared)  # of an array without the gradient of the first call


def _torch(prepared: Callable[[], Callable[[], None]]) -> int:
    cuda: Any = sys.modules["torch"].cuda
    run = prepared()
    cuda.reset_peak_memory_stats()
    before = cuda.memory_allocated()
    run()
    return cuda.max_memory_allocated() - before


def _cupy(prepared: Callable[[], Callable[[], None]]) -> int:
    pool: Any = sys.modules["cupy"].get_default_memory_pool()
    pool.free_all_blocks()  # what is kept of another case would be given out for nothing
    run = prepared()
    pool.free_all_blocks()
    before = pool.total_bytes()
    run()
    return pool.total_bytes() - before


_MARKS = {"torch": _torch, "cupy": _cupy}
