"""Questions about arrays whose parts are in several processes, with the answers for a library without such arrays."""

from collections.abc import Sequence
from typing import Any, ClassVar

from l1_any._typing import Array


class Sharded:
    """Questions about arrays of which each process holds a shard, with the answers for arrays that are whole."""

    has_shards: ClassVar[bool] = False
    """Whether each process holds a shard of an array, and formulas run on the shards."""
    is_part: ClassVar[bool] = False
    """Whether the operations are those of a shard whose sums and maxima along some axes are those of the whole."""

    def refuses(self, other: Any, name: str) -> str:
        """Say why an array with the operations `other` cannot be beside one of these; "" if it can."""
        del other, name
        return ""

    def settled(self, x: Array) -> Array:
        """Return x without sums that are still to be taken over processes."""
        return x

    def gathered(self, x: Array) -> Array:
        """Return x as an array that this process holds whole."""
        return x

    def placed(self, x: Array, like: Array) -> Array:
        """Return an array that is the same in all processes, placed beside another array."""
        del like
        return x

    def constant_number(self, number: Array) -> Array:
        """Return a 0-d array, made by `detach`, as an array that this process holds whole."""
        return number

    # The following are asked only if `has_shards`.

    def shards(self, *arrays: Array | None, alike: tuple[int, ...] = ()) -> list[Array | None]:
        """Return this process's shards of arrays, all of them placed like the first.

        Along the axes of the mesh in ``alike`` all processes compute the same from the others.
        """
        raise NotImplementedError

    def from_shard(self, shard: Array, x: Array) -> Array:
        """Return the array that has this process's shard and is placed like x, whose shape it has."""
        raise NotImplementedError

    def from_sums(
        self,
        sums: Array,
        x: Array,
        axes: tuple[int, ...],
        *,
        keepdims: bool,
        counted: tuple[int, ...] = (),
    ) -> Array:
        """Add up the sums of the shards of x along some axes. Along axes in ``counted`` they are those of the whole.

        A 0-d result may be left to `settled` or `added`, so that those of many arrays travel together.
        """
        raise NotImplementedError

    def added(self, totals: Sequence[Array]) -> Array:
        """Add up 0-d results of `from_sums`."""
        raise NotImplementedError

    def from_largest(self, largest: Array, x: Array) -> Array:
        """Return the largest of the 0-d results of all shards of x, or NaN if one is NaN."""
        raise NotImplementedError

    def cuts(self, axes: tuple[int, ...], *arrays: Array) -> tuple[int, ...]:
        """Return the axes of the mesh over which some axes of one of the arrays are spread."""
        raise NotImplementedError

    def uncut(self, x: Array, cuts: tuple[int, ...]) -> Array:
        """Return x replicated along some axes of the mesh."""
        raise NotImplementedError

    def cut(self, x: Array, cuts: tuple[int, ...]) -> Array:
        """Return x spread over some axes of the mesh, also where it was replicated there."""
        raise NotImplementedError

    def replaced(self, x: Array, like: Array) -> Array:
        """Return x, of the shape of another array, placed like it."""
        raise NotImplementedError

    def part(self, own: Any, like: Array, cuts: tuple[int, ...], *, alike: bool = False) -> Any:
        """Return operations for a shard, with sums and maxima over all shards along some axes of the mesh.

        ``own`` are the operations for the shard alone. ``alike`` says that all processes compute the same from a
        sum, so that its gradient is the same in each of them; otherwise the gradient is added up.
        """
        raise NotImplementedError

    # The following are asked only if `is_part`.

    @property
    def alone(self) -> Any:
        """The operations for the shard alone."""
        raise NotImplementedError

    def over_shards(self, total: Array) -> Array:
        """Add up the totals of all shards."""
        raise NotImplementedError

    def number_below(self, ascending: Array, bounds: Array) -> Array:
        """Count, along the last axis, the sorted elements below each bound."""
        raise NotImplementedError

    def sorted_with(self, keys: Array, *others: Array) -> tuple[Array, ...]:
        """Sort keys along the last axis, and order other arrays as the keys."""
        raise NotImplementedError
