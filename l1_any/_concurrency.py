"""Runs the jobs of one call: in turn, in threads beside it, or on an event loop."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from . import _autodiff
from ._typing import Array

T = TypeVar("T")
Job = Callable[[], T]


def run(jobs: Sequence[tuple[Job[T], bool]], like: Array) -> list[T]:
    """Run (job, background) pairs; all that were begun end before the first result or error is given."""
    if not any(background for _, background in jobs):
        return [job() for job, _ in jobs]
    results: dict[int, T] = {}
    errors: list[Exception] = []
    with ThreadPoolExecutor(thread_name_prefix="l1_any") as pool:
        futures = {
            i: pool.submit(_autodiff.carried(job, like))
            for i, (job, background) in enumerate(jobs)
            if background
        }
        try:
            for i, (job, background) in enumerate(jobs):
                if not background:
                    results[i] = job()
        except Exception as error:  # noqa: BLE001 - raised below, with those of the threads
            errors.append(error)
        for i, future in futures.items():
            error = future.exception()
            if error is None:
                results[i] = future.result()
            elif isinstance(error, Exception):
                errors.append(error)
            else:
                raise error
    _raise(errors)
    return [results[i] for i in range(len(jobs))]


async def run_async(
    jobs: Sequence[tuple[Job[T] | Job[Coroutine[Any, Any, T]], bool, bool]], like: Array
) -> list[T]:
    """Run (job, background, awaited) triples on the running event loop."""

    async def started(job: Any, *, background: bool, awaited: bool) -> T:  # noqa: ANN401
        if awaited:
            return await job()  # type: ignore[no-any-return]
        if background:
            return await asyncio.to_thread(_autodiff.carried(job, like))
        return job()  # type: ignore[no-any-return]

    # Those in turn come last: what waits elsewhere has begun by then.
    order = sorted(range(len(jobs)), key=lambda i: not (jobs[i][1] or jobs[i][2]))
    tasks = {}
    for i in order:
        job, background, awaited = jobs[i]
        tasks[i] = asyncio.ensure_future(started(job, background=background, awaited=awaited))
    found = await asyncio.gather(*(tasks[i] for i in range(len(jobs))), return_exceptions=True)
    _raise([result for result in found if isinstance(result, Exception)])
    for result in found:
        if isinstance(result, BaseException):
            raise result
    return found  # type: ignore[return-value]


def _raise(errors: list[Exception]) -> None:
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup(f"{len(errors)} terms of the pipeline failed", errors)
