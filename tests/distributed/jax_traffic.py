"""What the devices of a compiled JAX program send each other."""

import math
import re

COLLECTIVES = (
    "all-gather",
    "all-reduce",
    "all-to-all",
    "collective-broadcast",
    "collective-permute",
    "ragged-all-to-all",
    "reduce-scatter",
)
_SENT = re.compile(rf"= (\(.*?\)|\S+) ({'|'.join(COLLECTIVES)})(-start)?\(")


def sent(compiled):
    """Return how many numbers each device gets from collectives; a loop's body is counted once."""
    numbers = 0
    for results, _, is_start in _SENT.findall(compiled.as_text()):
        shapes = [
            math.prod(map(int, filter(None, s.split(",")))) for s in re.findall(r"\[([\d,]*)\]", results)
        ]
        numbers += shapes[-1] if is_start else sum(shapes)  # a start also returns its operands
    return numbers


def per_device(sharding, shape):
    """Return how many numbers of an array of this shape each device holds."""
    return math.prod(sharding.shard_shape(shape))
