"""The default for every array library: questions and operations, answered with the array API standard."""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar

import array_api_compat as compat
import numpy as np

from l1_any._typing import Array, Device, DType

from .chunked import Chunked
from .description import Description
from .differentiation import Differentiation
from .dtypes import dtype_name
from .sharded import Sharded
from .state import State

T = TypeVar("T")


def _cores() -> int:
    available = getattr(os, "sched_getaffinity", None)
    return len(available(0)) if available else os.cpu_count() or 1


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class ArrayOps(Description, Differentiation, Chunked, Sharded):
    """Questions about arrays of one type and dtype in one state, and operations on them.

    `lookup.find` makes one object for each type and dtype. `at` returns the object for the state of a call; the
    fields `state`, `accumulator_name` and `place` describe that state. Each object exists only once, because
    compilers compare it by identity.
    """

    @classmethod
    def of(cls, x: Array) -> Self:
        """Return the operations for the type and dtype of an array, in the plain state."""
        return cls(xp=compat.array_namespace(x), dtype=x.dtype, dtype_name=dtype_name(x.dtype))

    @classmethod
    def table(cls) -> dict[Any, Self]:
        """Return a table of operations by dtype. `lookup` keeps one for each type of array, and fills it."""
        return {}

    # Questions about an array.

    def at(self, around: State | None, x: Array, *others: Array | None) -> Self:
        """Return the operations for x in the state that it has in a call together with other arrays.

        ``around`` is the result of `around()`; None means that the caller has not called it.
        """
        del around, others
        return self.sibling(State.PLAIN, self.accumulator_of(x))

    def around(self) -> State:
        """Return the state that a compiler or another mode of the library gives to all arrays of a call."""
        return State.PLAIN

    def sibling(self, state: State, accumulator_name: str = "float64", place: str = "") -> Self:
        """Return the operations for the same type and dtype in another state."""
        key = state, accumulator_name, place
        found = self._siblings.get(key)
        if found is None:
            found = self._siblings[key] = dataclasses.replace(
                self, state=state, accumulator_name=accumulator_name, place=place, kernels={}
            )
        return found

    def in_state(self, state: State) -> Self:
        """Return the operations that differ only in the state."""
        found = self._siblings.get((state, self.accumulator_name, self.place))
        return found or self.sibling(state, self.accumulator_name, self.place)

    def accumulator_of(self, x: Array) -> str:
        """Name the widest real dtype, up to float64, that the device of x has."""
        real = self.xp.__array_namespace_info__().dtypes(device=compat.device(x), kind="real floating")
        return "float64" if "float64" in real else "float32"

    def device(self, x: Array) -> Device:
        """Return the device of x, as an argument for the creation of arrays."""
        return compat.device(x)

    def devices(self, x: Array) -> Any:
        """Return an object that is equal for arrays on the same devices, or None if the devices are unknown."""
        return self.device(x)

    def most_devices(self, x: Array) -> int:
        """Return a number that is a multiple of the number of devices over which an axis of x may be spread."""
        del x
        return 1

    def aligned(self, a: Array, x: Array) -> Array:
        """Return an array, which broadcasts to x, spread over devices such that it can be combined with x."""
        del x
        return a

    def as_array(self, x: Array) -> Array:
        """Return a 0-d array for a scalar of the library, and an array unchanged."""
        return x

    def converted(self, value: Any) -> Any:
        """Return an object converted by its own method for this library, and any other value unchanged."""
        return value

    def finished(self, total: Array | float) -> Array:
        """Round a total to the dtype of results, as an array. It is a float if a kernel on a CPU computed it."""
        return self.cast(total, self.result_dtype)

    def to_device(self, x: Array, like: Array) -> Array:
        """Move x to the device of another array of its library."""
        return compat.to_device(x, compat.device(like))

    def to_host(self, x: Array) -> np.ndarray[Any, Any]:
        """Return the values as a NumPy array, bfloat16 in float32."""
        host = np.asarray(x)
        return host.astype(np.float32) if host.dtype.name == "bfloat16" else host

    def memory(self, x: Array) -> Any:
        """Return the memory of x for kernels on a CPU, as a contiguous array of one dimension that is no copy.

        float16 comes as its bits in uint16, bfloat16 as its bits in int16. None if kernels cannot read the memory.
        """
        del x
        return None

    def address(self, x: Array) -> int | None:
        """Return where the memory of x begins, or None if kernels on a CPU cannot read it."""
        own = self.memory(x)
        return None if own is None else int(own.__array_interface__["data"][0])

    def written(self, x: Array) -> None:
        """Tell the library that a kernel has written to the memory of x."""
        del x

    def threads(self) -> int:
        """Return the number of threads for a kernel on a CPU: OMP_NUM_THREADS, or the available cores."""
        wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
        return int(wanted) if wanted.isdecimal() and int(wanted) else _cores()

    def quiet(self) -> contextlib.AbstractContextManager[Any]:
        """Return a context in which the library does not warn of overflow, NaN and infinity."""
        return contextlib.nullcontext()

    # Creation and casts.

    def full(self, shape: tuple[int, ...], value: complex, dtype: DType, like: Array) -> Array:
        """Return an array filled with one value, on the device of another array."""
        return self.xp.full(shape, value, dtype=dtype, device=self.device(like))

    def zero(self, x: Array) -> Array:
        """Return a 0-d zero of x's dtype and device."""
        return self.full((), 0, x.dtype, x)

    def empty_like(self, x: Array, dtype: DType | None = None) -> Array:
        """Return a new contiguous array of x's shape and device, and of x's dtype or another."""
        return self.xp.empty(x.shape, dtype=x.dtype if dtype is None else dtype, device=self.device(x))

    def cast(self, x: Array, dtype: DType) -> Array:
        """Return x in a dtype, without a copy if x already has it."""
        return x if x.dtype == dtype else self.xp.astype(x, dtype)

    def result(self, x: Array) -> Array:
        """Cast x to the dtype of results."""
        return self.cast(x, self.result_dtype)

    def wide(self, x: Array) -> Array:
        """Cast x to the dtype as wide as the accumulator; complex x stays complex."""
        return self.cast(x, self.wide_dtype)

    def accumulated(self, x: Array) -> Array:
        """Cast real x to the accumulator's dtype."""
        return self.cast(x, self.accumulator)

    # Operations on the elements.

    def abs(self, x: Array) -> Array:
        """Return the magnitudes."""
        return self.xp.abs(x)

    def abs_to_sum(self, x: Array) -> Array:
        """Return the magnitudes of a real array in x's dtype or a wider one, as terms of a sum."""
        return self.abs(x)

    def where(self, condition: Array, x: Array, y: Array) -> Array:
        """Return the elements of x where the condition is true, else those of y."""
        return self.xp.where(condition, x, y)

    def selected(self, x: Array, where: Array | None) -> Array:
        """Return x with zeros where the mask is false, so that the elements there have no influence."""
        return x if where is None else self.where(where, x, self.zero(x))

    def sign(self, x: Array) -> Array:
        """Return the sign of a real array: NaN at NaN, and +0.0 at both zeros."""
        return self.xp.sign(x) + 0.0

    def differentiable_abs(self, x: Array) -> Array:
        """Return |x| of a real array as x·s with a constant s, so that its derivative is s everywhere."""
        return x * self.sign(self.detach(x))

    def quotient(self, a: Array | float, n: Array | float) -> Array | float:
        """Return a / n, rounded once. For a number over a tensor, torch itself would multiply by the reciprocal."""
        if isinstance(a, float) and not isinstance(n, float):
            a = self.full((), a, n.dtype, n)
        return a / n

    def positive_zeros(self, own: Array) -> Array:
        """Return the array with +0.0 for every zero. It may be overwritten: no one else uses it."""
        return self.xp.where(own == 0, self.zero(own), own)

    def clip(self, x: Array, least: float, most: float) -> Array:
        """Bound a real array by numbers."""
        return self.xp.clip(x, least, most)

    def times(self, own: Array, factor: Array | float) -> Array:
        """Multiply an array, which may be overwritten, by a factor of its dtype that broadcasts to it."""
        return own * factor

    def largest(
        self, x: Array, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False
    ) -> Array:
        """Return the largest of real numbers, or NaN if one of them is NaN."""
        return self.xp.max(x, axis=axis, keepdims=keepdims)

    def sort_descending(self, x: Array, axis: int) -> Array:
        """Sort an array of numbers >= 0 along an axis, NaN first."""
        return self.xp.sort(x, axis=axis, descending=True, stable=False)

    def flat(self, x: Array) -> Array:
        """Return an array that is not empty as a vector."""
        return self.xp.reshape(x, (-1,))

    def take_along(self, x: Array, order: Array, axis: int) -> Array:
        """Return the elements of x along an axis in an order, which has the shape of x."""
        return self.xp.take_along_axis(x, order, axis=axis)

    def cumulative_sum(self, x: Array, axis: int, dtype: DType) -> Array:
        """Return the cumulative sum along an axis."""
        return self.xp.cumulative_sum(x, axis=axis, dtype=dtype)

    def sum(self, x: Array, axes: tuple[int, ...], *, keepdims: bool, dtype: DType) -> Array:
        """Sum along some axes in a dtype, with the library's own sum."""
        return self.xp.sum(x, axis=None if len(axes) == x.ndim else axes, dtype=dtype, keepdims=keepdims)

    def sum_of_few(self, x: Array, axes: tuple[int, ...]) -> Array | float:
        """Sum the magnitudes of a few real elements along all axes, in the accumulator's dtype or as a float."""
        return self.sum(self.abs(x), axes, keepdims=False, dtype=self.accumulator)

    def parts(self, x: Array, axis: int, cuts: Sequence[slice]) -> list[Array]:
        """Return parts of x along an axis, in x's dtype or a wider one."""
        before = (slice(None),) * axis
        return [x[(*before, cut)] for cut in cuts]

    def number(self, n: Any, like: Array) -> Array:
        """Return a count, which may be a symbol, as a 0-d array of the accumulator's dtype."""
        return self.full((), n, self.accumulator, like)

    # Compilation.

    def compiled(self, function: Callable[..., T], *static: str) -> Callable[..., T]:
        """Return the function compiled, if the library compiles functions of eager arrays; else unchanged.

        `static` names the keyword arguments that are compiled into the function.
        """
        del static
        return function
