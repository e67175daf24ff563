"""How masks and weights lie beside the memory of an array."""


def repeats(shape: tuple[int, ...], x: tuple[int, ...]) -> bool:
    """Whether an array of a shape, which broadcasts to the shape of x, is as long as x or repeats along its memory."""
    while shape and shape[0] == 1:
        shape = shape[1:]
    return shape == x[len(x) - len(shape) :]
