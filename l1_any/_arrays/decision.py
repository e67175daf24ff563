"""Tells `explain` what a call is about to do: the code that is about to do it raises `Told` instead.

So the explanation comes from the same decision as the result.
"""

import threading
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

How = Literal["kernel", "blocks", "whole", "jit", "chunks", ""]
"""How a call is computed, in one word; empty if it made no decision."""


class Explanation(NamedTuple):
    """What a call would do."""

    how: How
    text: str


class Told(Exception):  # noqa: N818 - no error: it ends a call that only explains itself
    """What a call would do. Only `explained` catches it."""

    def __init__(self, explanation: Explanation) -> None:
        super().__init__(explanation.text)
        self.explanation = explanation


class _Asking(threading.local):
    """Whether this thread asks."""

    now = False
    state = ""


_asking = _Asking()
asked = 0
"""How many calls of `explained` are running on all threads: a test of it is all that other calls pay."""


def tell(ops: Any, how: How, way: Callable[[], str]) -> None:
    """End the call if this thread asks what it would do. Callers test `asked` first."""
    if _asking.now:
        state = _asking.state or ops.state.name.lower()
        text = f"{ops.title or ops.library_name} {ops.dtype_name}, {state}: {way()}"
        raise Told(Explanation(how, text))


def inside(state: str) -> None:
    """Name the state of the arrays, if what follows works on them in another state."""
    _asking.state = state


def explained(call: Callable[[], object]) -> Explanation:
    """Return what a call would do, or empty strings if it made no decision."""
    global asked  # noqa: PLW0603
    before, _asking.now = _asking.now, True
    _asking.state = ""
    asked += 1
    try:
        call()
    except Told as told:
        return told.explanation
    finally:
        _asking.now, _asking.state = before, ""
        asked -= 1
    return Explanation("", "")
