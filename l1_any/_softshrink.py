"""torch's softshrink on the CPU, with +0.0 for every zero.

Where torch does not vectorise, its zeros have the sign of x: that is at the end of the part that each of its
threads takes, less than a vector. To add 0.0 everywhere would take an eighth of softshrink's time; to add it there
takes none. How torch parts an array is not documented, so that it is tried out before it is relied upon.
"""

import functools
import sys
from collections.abc import Iterator

from ._typing import Array, DType

TAIL = 128
"""More elements than torch leaves to be worked one by one."""

LARGE = 1 << 21
"""Elements from which a few tails are worth more than one pass."""

_MOST_THREADS = 16
_PER_THREAD = 1 << 15  # torch gives no thread less


def softshrink(x: Array, t: float) -> Array:
    """Soft-threshold a tensor that holds its data in the CPU's memory, with no mode of torch's around."""
    torch = sys.modules["torch"]
    p = torch.nn.functional.softshrink(x, t)
    threads = torch.get_num_threads()
    by_tails = p.numel() >= LARGE and x.is_contiguous() and threads <= _MOST_THREADS
    if by_tails and _zeros_are_positive(threads, x.dtype):
        return _mended(p, threads)
    return p.add_(0.0)


def _mended(p: Array, threads: int) -> Array:
    flat = p.view(-1)
    for end in _ends(p.numel(), threads):
        flat[max(0, end - TAIL) : end].add_(0.0)
    return p


def _ends(n: int, threads: int) -> Iterator[int]:
    """Yield where the parts of n elements end, for as many threads or fewer."""
    for parts in range(1, threads + 1):
        part = -(-n // parts)
        yield from (min(n, k * part) for k in range(1, parts + 1))


@functools.cache
def _zeros_are_positive(threads: int, dtype: DType) -> bool:
    """Try it out on -0.0, for which every element that is worked by itself gives -0.0."""
    torch = sys.modules["torch"]
    uneven = threads * (2 * _PER_THREAD + 23)
    x = torch.full((uneven,), -0.0, dtype=dtype, device="cpu")
    return not bool(torch.signbit(_mended(torch.nn.functional.softshrink(x, 1.0), threads)).any())
