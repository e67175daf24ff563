"""Work in forked processes, each of which may crash, wait for ever or take too long."""

import contextlib
import os
import resource
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Job(NamedTuple):
    """What a process does, and how many seconds of a processor it may take."""

    key: Any
    work: Callable[[], str]
    seconds: float


def answers(jobs: deque[Job], processes: int, tmp: Path) -> Iterator[tuple[Any, str]]:
    """Yield the key and the answer of each job, "crash" if there is none; jobs may be added in between."""
    running: dict[int, tuple[Job, float, Path]] = {}
    started = 0
    while running or jobs:
        while jobs and len(running) < processes:
            job, started = jobs.popleft(), started + 1
            output = tmp / str(started)
            # More time than any busy machine needs, for a process that waits.
            running[_forked(job, output)] = job, time.monotonic() + 600 + 10 * job.seconds, output
        for child, (job, end, output) in list(running.items()):
            done = os.waitpid(child, os.WNOHANG)[0] == child
            if done or time.monotonic() > end:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child, signal.SIGKILL)  # what a test started ends too
                if not done:
                    os.waitpid(child, 0)
                del running[child]
                yield job.key, output.read_text() if output.exists() else "crash"
        time.sleep(0.02)


def _forked(job: Job, output: Path) -> int:
    child = os.fork()
    if child:
        return child
    os.setsid()
    resource.setrlimit(resource.RLIMIT_CPU, (int(job.seconds), int(job.seconds)))
    with output.with_suffix(".txt").open("w") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
        with contextlib.suppress(BaseException):
            output.write_text(job.work())
    os._exit(0)
