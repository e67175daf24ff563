"""Runs the calls of a pipeline: one after the other, in threads, or on an event loop."""

from collections.abc import Coroutine, Sequence
from typing import Any

from l1_any._arrays.modes import carried
from l1_any._arrays.standard import ArrayOps

from .calls import Call
from .evaluation import Evaluation


def run(calls: Sequence[Call], ops: ArrayOps) -> list[Evaluation]:
    """Run all calls. All calls that were started end before this function returns or raises."""
    # Sums over processes must come in the same order in all of them.
    if ops.is_traced or ops.has_shards or not [call for call in calls if call.background]:
        return [call.run() for call in calls]
    from concurrent.futures import ThreadPoolExecutor  # slower to import than this package itself

    done: dict[int, Evaluation] = {}
    errors: list[Exception] = []
    # The modes are read before the first term starts. A term may import a library, and a library that is being
    # imported in another thread is incomplete.
    jobs = {i: carried(call.run) for i, call in enumerate(calls) if call.background}
    with ThreadPoolExecutor(thread_name_prefix="l1_any") as pool:
        futures = {i: pool.submit(job) for i, job in jobs.items()}
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


async def run_async(calls: Sequence[Call], ops: ArrayOps) -> list[Evaluation]:
    """Run all calls on the running event loop."""
    import asyncio  # slower to import than this package itself

    background = not (ops.is_traced or ops.has_shards)

    def started(call: Call) -> Coroutine[Any, Any, Evaluation]:
        if call.is_async:
            return call.run_async()
        if call.background and background:
            # The modes are read now: before the task starts, another task may change the modes of this thread.
            return asyncio.to_thread(carried(call.run))
        return _in_turn(call)

    # Calls that block the event loop come last. The other calls have started by then.
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


async def _in_turn(call: Call) -> Evaluation:
    return call.run()


def _raise(errors: list[Exception]) -> None:
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup(f"{len(errors)} terms of the pipeline failed", errors)
