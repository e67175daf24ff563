"""Huge pages for large arrays, as NumPy asks for them. Linux then makes 512 times fewer pages for new memory.

`madvise` is a hint: https://man7.org/linux/man-pages/man2/madvise.2.html. Where it is missing or refused, nothing
happens.
"""

import ctypes
import functools
import mmap
from collections.abc import Callable

FEWEST_BYTES = 1 << 24
"""The size of the smallest array for which it pays."""


def ask_for(address: int, nbytes: int) -> None:
    """Ask for huge pages for the whole pages in a range of memory that was not written to yet."""
    advise, advice = _madvise()
    if advise is not None:
        start = -(-address // mmap.PAGESIZE) * mmap.PAGESIZE
        advise(start, (address + nbytes - start) // mmap.PAGESIZE * mmap.PAGESIZE, advice)


@functools.cache
def _madvise() -> tuple[Callable[[int, int, int], int] | None, int]:
    advice = getattr(mmap, "MADV_HUGEPAGE", None)
    if advice is None:
        return None, 0
    try:
        advise = ctypes.CDLL(None).madvise
    except (AttributeError, OSError, TypeError):
        return None, 0
    advise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    return advise, advice
