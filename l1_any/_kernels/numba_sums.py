"""Sums of magnitudes and of other functions of the elements, compiled by numba.

A mask or an array of weights is as long as x, or repeats along x.
"""

# numba_numbers.py: sha256 cb69141e96647d5d
# With this line numba's cache notices a change in that file: it looks at the file of a compiled function alone.

import numba
import numpy as np
from numba import types

from .numba_numbers import OPTIONS, add, array_at, end_of, jit, magnitude, overload, part_of, wide

_STREAMS_FROM = 1024
"""The number of terms from which a run is read as four streams. Runs in float64 have fewer terms."""

# Sums of m·w·h(x). The argument h is None for |x|, a float for the Huber function with this half-width, and True for
# 1 where x ≠ 0, with squared weights.


def _term(v, h):
    """Return h(v) in float64."""


def _weighted(a, w, h):
    """Return w·a, or w²·a for squares."""


@overload(_term)
def _term_of(v, h):
    if isinstance(h, types.Boolean):

        def squared_sign(v, h):
            a = magnitude(v)
            return np.nan if np.isnan(a) else np.float64(a > 0)

        return squared_sign
    if isinstance(h, types.Float):

        def huber(v, h):
            a = magnitude(v)
            return a * (a / h * 0.5) if a <= h else a - h / 2

        return huber
    return lambda v, h: magnitude(v)


@overload(_weighted)
def _weighted_of(a, w, h):
    if isinstance(h, types.Boolean):
        return lambda a, w, h: a * wide(w) * wide(w)
    return lambda a, w, h: a * wide(w)


@numba.njit(fastmath={"reassoc", "nsz"}, **OPTIONS)
def _sum_of_run(x, where, weights, h):
    """Add terms in any order, so that they are added as vectors."""
    total = 0.0
    for i in range(x.size):
        a = _term(x[i], h)
        if weights is not None:
            a = _weighted(a, weights[i], h)
        if where is not None:
            a = a if where[i] else 0.0
        total += a
    return total


@numba.njit(fastmath={"reassoc", "nsz"}, **OPTIONS)
def _sum_of_quarters(x, h):
    """Add terms of four quarters of x at once: a core reads four streams of memory faster than one."""
    n = x.size // 4
    x0, x1, x2, x3 = x[:n], x[n : 2 * n], x[2 * n : 3 * n], x[3 * n : 4 * n]
    total = 0.0
    for i in range(n):
        total += (_term(x0[i], h) + _term(x1[i], h)) + (_term(x2[i], h) + _term(x3[i], h))
    for i in range(4 * n, x.size):
        total += _term(x[i], h)
    return total


@numba.njit(**OPTIONS)
def _sum(x, where, weights, h, start, stop, run):
    """Return Σ m·w·h(x) of a part of x as a number and its rounding error, from runs of at most `run` terms."""
    high, low = 0.0, 0.0
    if where is None and weights is None:
        while stop - start >= _STREAMS_FROM and run >= _STREAMS_FROM:
            end = min(start + run, stop)
            high, low = add(high, low, _sum_of_quarters(x[start:end], h))
            start = end
    while start < stop:
        end = end_of(weights, start, end_of(where, start, min(start + run, stop)))
        term = _sum_of_run(x[start:end], part_of(where, start, end), part_of(weights, start, end), h)
        high, low = add(high, low, term)
        start = end
    return high, low


@jit
def sum_of_part(x, where, weights, h, start, stop, run, sums, i):
    """Return Σ m·w·h(x) of a part of x, and store it in ``sums[i]`` as a number and its rounding error."""
    high, low = _sum(x, where, weights, h, start, stop, run)
    sums[i, 0], sums[i, 1] = high, low
    return high + low if np.isfinite(low) else high  # the rounding error of an infinite sum is NaN


@jit
def sums_of_parts(like, addresses, sizes, h, run, sums, start, stop):
    """Store Σ h(x) of some parts of several arrays, given by their addresses, each with its rounding error."""
    for i in range(start, stop):
        x = array_at(addresses[i], sizes[i], like)
        sums[i, 0], sums[i, 1] = _sum(x, None, None, h, 0, x.size, run)


@jit
def total(sums):
    """Add up numbers that have a rounding error each."""
    high, low = 0.0, 0.0
    for i in range(sums.shape[0]):
        high, low = add(high, low, sums[i, 0])
        low += sums[i, 1]
    return high + low if np.isfinite(low) else high


@jit
def sums_of_rows(x, where, weights, h, start, stop, run, columns, out):
    """Store Σ m·w·h(x) of some rows of a matrix."""
    for row in range(start, stop):
        high, low = _sum(x, where, weights, h, row * columns, (row + 1) * columns, run)
        out[row] = high + low if np.isfinite(low) else high


@numba.njit(**OPTIONS)
def _add_row(x, where, weights, h, high, low):
    """Add m·w·h(x) to sums with their rounding errors, element by element."""
    for i in range(x.size):
        a = _term(x[i], h)
        if weights is not None:
            a = _weighted(a, weights[i], h)
        if where is not None:
            a = a if where[i] else 0.0
        high[i], low[i] = add(high[i], low[i], a)


@jit
def sums_of_columns(x, where, weights, h, start, stop, columns, left, right, sums):
    """Add m·w·h(x) of some rows and columns of a matrix to sums[0], and the rounding errors to sums[1]."""
    for row in range(start, stop):
        first, last = row * columns + left, row * columns + right
        _add_row(
            x[first:last],
            part_of(where, first, last),
            part_of(weights, first, last),
            h,
            sums[0, left:right],
            sums[1, left:right],
        )


@jit
def totals_of_columns(sums, out):
    """Add up sums of columns over the first axis."""
    for i in range(out.size):
        high, low = 0.0, 0.0
        for part in range(sums.shape[0]):
            high, low = add(high, low, sums[part, 0, i])
            low += sums[part, 1, i]
        out[i] = high + low if np.isfinite(low) else high
