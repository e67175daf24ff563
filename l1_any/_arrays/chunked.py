"""What is asked of a library whose arrays are lazy and made of chunks. All others have none."""

from collections.abc import Callable
from typing import Any, ClassVar

from l1_any._typing import Array, DType


class Chunked:
    """Questions about chunks, answered for a library without them."""

    is_chunked: ClassVar[bool] = False
    """Whether the arrays are lazy and made of chunks."""

    def meta(self, x: Array) -> Array:
        """Return an empty array of the type and dtype of the chunks of x."""
        raise NotImplementedError

    def map_chunks(
        self, function: Callable[..., Array], *arrays: Array, dtype: DType, meta: Array, **lengths: Any
    ) -> Array:
        """Return the lazy array of what a function gives for the chunks of arrays that are cut alike.

        ``chunks=`` says the lengths of the new chunks, where they differ from those of the first array.
        """
        raise NotImplementedError
