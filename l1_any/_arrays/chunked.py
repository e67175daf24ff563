"""Questions about lazy arrays that are made of chunks, with the answers for a library without chunks."""

from collections.abc import Callable
from typing import Any, ClassVar

from l1_any._typing import Array, DType


class Chunked:
    """Questions about chunks, with the answers for a library without chunks."""

    is_chunked: ClassVar[bool] = False
    """Whether the arrays are lazy and made of chunks."""
    fuses: ClassVar[bool] = True
    """Whether the library fuses elementwise operations on chunks. If not, formulas are applied to each chunk."""

    def meta(self, x: Array) -> Array:
        """Return an empty array of the type and dtype of the chunks of x."""
        raise NotImplementedError

    def map_chunks(
        self,
        function: Callable[..., Array],
        *arrays: Array,
        dtype: DType,
        meta: Array,
        copies: int = 0,
        **lengths: Any,
    ) -> Array:
        """Return the lazy array of the results of a function on the chunks of arrays with equal chunks.

        ``copies`` is how many arrays as long as a chunk, in the accumulator's precision, the function needs for itself.
        ``chunks=`` gives the lengths of the new chunks if they differ from those of the first array.
        """
        raise NotImplementedError

    def sum_of_chunks(self, sums: Array, axes: tuple[int, ...], *, keepdims: bool) -> Array:
        """Add the sums of chunks along some axes, along each of which a chunk has the length 1."""
        raise NotImplementedError

    def rechunk(self, x: Array, lengths: dict[int, Any]) -> Array:
        """Return x with other lengths of chunks along some axes; -1 is one chunk."""
        raise NotImplementedError
