"""Real log-probabilities without a download: a byte-level n-gram model of the Python standard library."""

import sysconfig
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .errors import CommandError

EVALUATED = "heapq.py"
_ORDER = 4
_VOCABULARY = 256


def standard_library_logprobs() -> npt.NDArray[np.float32]:
    """
    Fit a model on the source of the standard library, and evaluate it on one of its files, `EVALUATED`.

    The training text is all other top-level modules in alphabetical order. The result depends only on the
    installed Python.

    Returns
    -------
    numpy.ndarray
        Shape ``[T, 256]``, float32.
    """
    folder = Path(sysconfig.get_path("stdlib"))
    # modules in capitals or with a leading underscore may be generated for the platform
    modules = sorted(folder.glob("[a-z]*.py"))
    held_out = folder / EVALUATED
    if held_out not in modules or len(modules) == 1:
        raise CommandError(f"no Python source in {str(folder)!r} to make log-probabilities of: give a FILE.")
    training = b"".join(module.read_bytes() for module in modules if module != held_out)
    return ngram_logprobs(training, held_out.read_bytes(), order=_ORDER)


def ngram_logprobs(training: bytes, text: bytes, *, order: int) -> npt.NDArray[np.float32]:
    r"""
    Compute the log-probability of each byte value at each position of `text`.

    With :math:`h` the last :math:`k` bytes, :math:`h'` the last :math:`k - 1`, :math:`n` counts in `training`
    and :math:`t(h)` the number of distinct bytes that followed :math:`h` there, Witten-Bell interpolation is

    .. math:: p_k(c \mid h) = \frac{n(h c) + t(h)\, p_{k-1}(c \mid h')}{n(h) + t(h)},
              \qquad p_{-1}(c) = 1 / 256,

    If :math:`h` never occurs in `training`, :math:`p_k` is :math:`p_{k-1}`.

    Parameters
    ----------
    training, text
        The bytes to count and the bytes to evaluate. Each of them is treated as if zero bytes preceded it.
    order
        Number of bytes in the longest n-grams, at most 7.

    Returns
    -------
    numpy.ndarray
        Shape ``[len(text), 256]``, float32; each row is a normalised distribution.

    Notes
    -----
    Witten and Bell (1991), in the interpolated form of Chen and Goodman (1999), "An empirical study of
    smoothing techniques for language modeling", section 2.5.
    """
    followed = np.frombuffer(training, np.uint8)
    probabilities = np.full((1, _VOCABULARY), 1 / _VOCABULARY)
    of_position = np.zeros(len(text), np.intp)  # the row of `probabilities` for each position of `text`
    for length in range(order):
        contexts, first, row = np.unique(_contexts(text, length), return_index=True, return_inverse=True)
        seen = _contexts(training, length)
        index = np.minimum(np.searchsorted(contexts, seen), len(contexts) - 1)
        known = contexts[index] == seen
        pairs = index[known] * _VOCABULARY + followed[known]
        counts = np.bincount(pairs, minlength=len(contexts) * _VOCABULARY).reshape(-1, _VOCABULARY)
        distinct = np.count_nonzero(counts, axis=1, keepdims=True)
        total = counts.sum(axis=1, keepdims=True) + distinct
        shorter = probabilities[of_position[first]]
        probabilities = np.where(total > 0, (counts + distinct * shorter) / np.maximum(total, 1), shorter)
        of_position = row
    logprobs = np.log(probabilities).astype(np.float32)
    return np.asarray(logprobs[of_position])


def _contexts(text: bytes, length: int) -> npt.NDArray[np.int64]:
    """Return, for each position of `text`, the `length` bytes before it as one number."""
    padded = np.frombuffer(bytes(length) + text, np.uint8)
    numbers = np.zeros(len(text), np.int64)
    for start in range(length):
        numbers = numbers * _VOCABULARY + padded[start : start + len(text)]
    return numbers
