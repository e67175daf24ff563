"""The shapes of the arrays that are measured."""

import _model

SIZE = 1 << 26
AXIS_SHAPE = 4096, 32000
PROJECT_SHAPE = 4096, 4096
GROUP = 256


def shape(kind: str, size: int) -> tuple[int, ...]:
    """Return the shape of the array for a kind of case; a small `size` gives fewer rows or columns."""
    if kind.startswith("model"):
        return (max(_model.size(1), min(_model.SIZE, size)),)
    if kind in ("groups", "shrink"):
        return max(1, size // GROUP), GROUP
    if kind not in ("axis", "columns", "project"):
        return (size,)
    rows, columns = PROJECT_SHAPE if kind == "project" else AXIS_SHAPE
    columns = min(columns, size)
    return max(1, min(rows, 2 * size // columns)), columns
