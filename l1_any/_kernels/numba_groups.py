"""L2 norms of the rows of a real matrix, and their shrinkage, compiled by numba."""

# numba_numbers.py: sha256 cb69141e96647d5d
# With this line numba's cache notices a change in that file: it looks at the file of a compiled function alone.

import numba
import numpy as np

from .numba_numbers import OPTIONS, add, jit

# Between them a sum of squares has lost nothing to the ends of float64's range.
_LEAST, _MOST = 1e-280, 1e280
_TINY = 2.0**-64


@numba.njit(fastmath={"reassoc", "nsz"}, **OPTIONS)
def _squares_of_run(x, largest):
    total = 0.0
    for i in range(x.size):
        v = np.float64(x[i])
        if largest is not None:
            v = v / largest
        total += v * v
    return total


@numba.njit(**OPTIONS)
def _squares(x, largest, run):
    """Return the sum of squares of x, or of x / largest, from runs of at most `run` terms."""
    high, low, start = 0.0, 0.0, 0
    while start < x.size:
        end = min(start + run, x.size)
        high, low = add(high, low, _squares_of_run(x[start:end], largest))
        start = end
    return high + low if np.isfinite(low) else high


@numba.njit(**OPTIONS)
def _norm(x, run):
    squares = _squares(x, None, run)
    if _LEAST < squares < _MOST:
        return np.sqrt(squares)
    largest = 0.0
    for i in range(x.size):
        a = abs(np.float64(x[i]))
        if np.isnan(a):
            return a
        largest = max(largest, a)
    if largest == 0 or np.isinf(largest):
        return largest
    return largest * np.sqrt(_squares(x, largest, run))


@jit
def norms_of_rows(x, start, stop, columns, run, out):
    """Store the L2 norms of some rows."""
    for row in range(start, stop):
        out[row] = _norm(x[row * columns : (row + 1) * columns], run)


@numba.njit(**OPTIONS)
def _small_norm(x, run):
    """Return 2^-64·‖x‖₂ of finite numbers whose norm overflows, and infinity for others."""
    largest = 0.0
    for i in range(x.size):
        largest = max(largest, abs(np.float64(x[i])))
    return largest if np.isinf(largest) else largest * _TINY * np.sqrt(_squares(x, largest, run))


@numba.njit(**OPTIONS)
def _scale(x, factor, out):
    for i in range(x.size):
        out[i] = np.float64(x[i]) * factor + 0.0


@jit
def shrink_rows(x, step, start, stop, columns, run, out):
    """Write x·max(1 - step/‖x‖₂, 0) for some rows. The share that is left is computed as in the formula."""
    for row in range(start, stop):
        first, last = row * columns, (row + 1) * columns
        length, t = _norm(x[first:last], run), step
        if np.isinf(length):
            length, t = _small_norm(x[first:last], run), step * _TINY
        if length <= t:
            out[first:last] = 0
            continue
        share = 1.0
        if not np.isinf(length):
            small = t <= length / 2
            share = (t if small else length - t) / length
            share = 1 - share if small else share
        _scale(x[first:last], share, out[first:last])
