"""Runs the calls of a pipeline: in turn, in threads beside it, or on an event loop."""

import contextvars
from collections.abc import Callable, Sequence
from typing import TypeVar

from l1_any._arrays.standard import ArrayOps
from l1_any._arrays.state import State

from .calls import Call
from .evaluation import Evaluation


T = TypeVar("T")


def run(calls: Sequence[Call], ops: ArrayOps) -> list[Evaluation]:
    """Run all calls; those that were begun end before the first result or error is given."""
    if ops.state is State.TRACED or not any(call.background for call in calls):
        return [call.run() for call in calls]
    from concurrent.futures import ThreadPoolExecutor  # loads more than the package itself

    done: dict[int, Evaluation] = {}
    errors: list[Exception] = []
    with ThreadPoolExecutor(thread_name_prefix="l1_any") as pool:
        futures = {
            i: pool.submit(carried(call.run, ops))
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


async def run_async(calls: Sequence[Call], ops: ArrayOps) -> list[Evaluation]:
    """Run all calls on the running event loop."""
    import asyncio  # loads more than the package itself

    background = ops.state is not State.TRACED

    async def started(call: Call) -> Evaluation:
        if call.is_async:
            return await call.run_async()
        if call.background and background:
            return await asyncio.to_thread(carried(call.run, ops))
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


def carried(function: Callable[[], T], ops: ArrayOps) -> Callable[[], T]:
    """Return the function, to be called in another thread with the context and the library's modes of this one."""
    context, modes = contextvars.copy_context(), ops.carried_modes()

    def run() -> T:
        with modes():
            return context.run(function)

    return run


def _raise(errors: list[Exception]) -> None:
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup(f"{len(errors)} terms of the pipeline failed", errors)
