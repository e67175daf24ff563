"""Runs the blocks of a kernel on several threads, which all kernels share.

numba's own threads are not used: under its workqueue layer two Python threads at once abort the process.
"""

import functools
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


def run(work: Callable[[int], object], blocks: int, threads: int) -> None:
    """Call ``work(i)`` for each block, also on the calling thread.

    Each thread has a run of blocks of its own, which stays in the cache of its core from call to call. A thread that
    has finished takes blocks from the ends of the other runs, so that a busy core holds up the others by at most one
    block.
    """
    count = min(threads, blocks)
    runs = [deque(range(i * blocks // count, (i + 1) * blocks // count)) for i in range(count)]

    def take(own: int) -> None:
        for block in iter(functools.partial(_next, runs, own), None):
            work(block)

    helpers = _submit(take, count)
    try:
        take(0)
    finally:
        started = [helper for helper in helpers if not helper.cancel()]
        for helper in started:
            helper.result()


def _next(runs: list[deque[int]], own: int) -> int | None:
    """Take the next block of a thread's own run, or else the last block of another run. None if all are taken."""
    try:
        return runs[own].popleft()
    except IndexError:
        pass
    for run in runs:
        try:
            return run.pop()
        except IndexError:
            continue
    return None


def _submit(function: Callable[[int], None], count: int) -> list[Future[None]]:
    """Call the function with 1, 2, ... on other threads."""
    if count < 2:  # noqa: PLR2004
        return []
    helpers = []
    try:
        for i in range(1, count):
            helpers.append(_pool().submit(function, i))  # noqa: PERF401 - those before an error must be kept
    except RuntimeError:  # no thread can be started, or Python is shutting down
        pass
    return helpers


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, (os.cpu_count() or 1) - 1), "l1_any")


if hasattr(os, "register_at_fork"):  # a child process has none of the threads
    os.register_at_fork(after_in_child=_pool.cache_clear)
