"""The states that the arrays of a call can have."""

import enum


class State(enum.IntEnum):
    """The state of the arrays of a call, which decides what can be done with them."""

    PLAIN = 0
    """The arrays hold data, and nothing records the operations on them."""

    RECORDED = 1
    """torch's eager autograd records the operations on some of the arrays."""

    TRACED = 2
    """A compiler, a transformation of functions, or a mode of the library records all operations."""

    LAZY = 3
    """The arrays are lazy, and computed in chunks when the user asks for their values (Dask)."""

    SHARDED = 4
    """The arrays are sharded over several devices or processes."""
