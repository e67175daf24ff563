"""Runs the calls of a pipeline: in turn, in threads beside it, or on an event loop."""

from collections.abc import Sequence

from . import _array, _autodiff
from ._typing import Array
from .gradients import Call, Evaluation


def run(calls: Sequence[Call], like: Array) -> list[Evaluation]:
    """Run all calls; those that were begun end before the first result or error is given."""
    if _array.is_traced(like) or not any(call.background for call in calls):
        return [call.run() for call in calls]
    from concurrent.futures import ThreadPoolExecutor  # loads more than the package itself

    done: dict[int, Evaluation] = {}
    errors: list[Exception] = []
    with ThreadPoolExecutor(thread_name_prefix="l1_any") as pool:
        futures = {
            i: pool.submit(_autodiff.carried(call.run, like))
            for i, call in enumerate(calls)
            if call.background
        }
        try:
            for i, call in enumerate(calls):
                if not call.background:
                    done[i] = call.run()
        except Exception as error:  # noqa: BLE001 - raised below, with those of the threads
            errors.append(error)
        for i, future in futures.items():
            try:
                done[i] = future.result()
            except Exception as error:  # noqa: BLE001
                errors.append(error)
    _raise(errors)
    return [done[i] for i in range(len(calls))]


async def run_async(calls: Sequence[Call], like: Array) -> list[Evaluation]:
    """Run all calls on the running event loop."""
    import asyncio  # loads more than the package itself

    background = not _array.is_traced(like)

    async def started(call: Call) -> Evaluation:
        if call.is_async:
            return await call.run_async()
        if call.background and background:
            return await asyncio.to_thread(_autodiff.carried(call.run, like))
        return call.run()

    # Those in turn come last: what waits elsewhere has begun by then.
    order = sorted(calls, key=lambda call: not (call.is_async or call.background))
    tasks = {id(call): asyncio.ensure_future(started(call)) for call in order}
    found = await asyncio.gather(*(tasks[id(call)] for call in calls), return_exceptions=True)
    _raise([result for result in found if isinstance(result, Exception)])
    done: list[Evaluation] = []
    for result in found:
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return done


def _raise(errors: list[Exception]) -> None:
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup(f"{len(errors)} terms of the pipeline failed", errors)
