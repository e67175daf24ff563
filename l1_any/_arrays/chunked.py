"""Questions about lazy arrays that are made of chunks, with the answers for a library without chunks."""

from collections.abc import Callable
from typing import Any, ClassVar

from l1_any._typing import Array, DType


class Chunked:
    """Questions about chunks, with the answers for a library without chunks."""

    is_chunked: ClassVar[bool] = False
    """Whether the arrays are lazy and made of chunks."""

    def meta(self, x: Array) -> Array:
        """Return an empty array of the type and dtype of the chunks of x."""
        raise NotImplementedError

    def map_chunks(
        self, function: Callable[..., Array], *arrays: Array, dtype: DType, meta: Array, **lengths: Any
    ) -> Array:
        """Return the lazy array of the results of a function on the chunks of arrays with equal chunks.

        ``chunks=`` gives the lengths of the new chunks if they differ from those of the first array.
        """
        raise NotImplementedError
