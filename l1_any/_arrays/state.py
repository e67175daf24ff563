"""The states in which an array meets a call."""

import enum


class State(enum.IntEnum):
    """What may be done with arrays in this call."""

    PLAIN = 0
    """The arrays hold data, and nobody records what is done to them."""

    RECORDED = 1
    """torch's eager autograd records what is done to some of the arrays."""

    TRACED = 2
    """What is done is written down whole: by a compiler, a transformation of functions, or an autograd graph."""

    LAZY = 3
    """The arrays are chunks of work that run when the user computes (Dask)."""

    SHARDED = 4
    """The arrays are spread over several devices or processes."""
