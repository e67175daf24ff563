"""The default for every array library: each question and operation answered by the array API standard."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, Literal, Self, TypeVar

import array_api_compat as compat
import numpy as np

from l1_any._typing import Array, Device, DType, Namespace

from .chunked import Chunked
from .differentiation import Differentiation
from .dtypes import RESULT_DTYPES, dtype_name
from .state import State

_COMPLEX = {"float32": "complex64", "float64": "complex128"}
Summation = Literal["library", "halves", "tree"]
T = TypeVar("T")


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class ArrayOps(Differentiation, Chunked):
    """What can be asked of, and done with, arrays of one type and dtype in one state.

    `lookup.find` makes one object for each type and dtype. `at` gives the one for the state of a call, in which
    the fields `state`, `accumulator_name` and `place` hold. Each object exists once, so that compilers know it
    by its identity.
    """

    xp: Namespace
    """The namespace, wrapped by array-api-compat where the library itself falls short of the standard."""
    dtype: DType
    dtype_name: str
    state: State = State.PLAIN
    accumulator_name: str = "float64"
    """The real dtype of sums: float64 where library and device have it, else float32."""
    refused: str | None = None
    """Why arrays of this type cannot be read, or None."""
    place: str = ""
    """"cpu" where the data lie in the CPU's memory and a slice costs nothing, "cuda" on such a GPU, else empty."""
    _siblings: dict[Any, Self] = dataclasses.field(default_factory=dict, repr=False)

    library: ClassVar[str] = ""
    """The name of the library in the table of kernels."""
    has_one_state: ClassVar[bool] = False
    """Whether `at` need not be asked."""
    has_one_device: ClassVar[bool] = False
    has_scalars: ClassVar[bool] = False
    """Whether operations on 0-d arrays return scalars, which `as_array` turns back."""
    compiles: ClassVar[bool] = False
    """Whether eager arrays are worked on by compiled functions."""
    sums_by_tree: ClassVar[bool] = False
    """Whether the library adds up runs of terms one by one, whatever their dtype."""
    sums_in_halves: ClassVar[bool] = False
    """Whether the library's own sum of terms as wide as the accumulator may leave the contract's error."""

    @classmethod
    def of(cls, x: Array) -> Self:
        """Return the operations for the type and dtype of an array, in the plain state."""
        return cls(xp=compat.array_namespace(x), dtype=x.dtype, dtype_name=dtype_name(x.dtype))

    @classmethod
    def table(cls) -> dict[Any, Self]:
        """Return a table of the operations by dtype, which `lookup` fills and keeps for one type of array."""
        return {}

    # What follows from the dtype and the accumulator.
    is_floating: bool = dataclasses.field(init=False)
    """Whether the dtype is one of the contract's real or complex floating dtypes."""
    is_complex: bool = dataclasses.field(init=False)
    is_boolean: bool = dataclasses.field(init=False)
    result_name: str = dataclasses.field(init=False)
    """The standard's name of the real dtype in which a reduction is given."""
    result_dtype: DType = dataclasses.field(init=False)
    is_result: bool = dataclasses.field(init=False)
    """Whether the dtype is the one of results."""
    accumulator: DType = dataclasses.field(init=False)
    wide_dtype: DType = dataclasses.field(init=False)
    """The dtype of the arrays' kind, real or complex, that is as wide as the accumulator."""
    is_differentiated: bool = dataclasses.field(init=False)
    """Whether a derivative may be asked of the expression that is written down."""
    is_symbolic: bool = dataclasses.field(init=False)
    """Whether there may be no values to look at."""
    summation: Summation = dataclasses.field(init=False)
    """The way of summing terms of the dtype of results that keeps to the contract's error."""
    wide_summation: Summation = dataclasses.field(init=False)
    """The same of terms as wide as the accumulator.

    Libraries add up terms one by one along any axis but the one of neighbours in memory, and on a GPU in runs along
    that one. The error matters where the terms are as wide as the accumulator.
    """

    def __post_init__(self) -> None:
        is_complex = self.dtype_name in ("complex64", "complex128")
        result = RESULT_DTYPES.get(self.dtype_name, "float32")
        wide = self.accumulator_name
        derived = {
            "is_floating": self.dtype_name in RESULT_DTYPES,
            "is_complex": is_complex,
            "is_boolean": self.dtype_name == "bool",
            "result_name": result,
            "result_dtype": self.dtype_named(result),
            "is_result": self.dtype_name == result,
            "accumulator": self.dtype_named(wide),
            "wide_dtype": self.dtype_named(_COMPLEX[wide] if is_complex else wide),
            "is_differentiated": self.state in (State.RECORDED, State.TRACED, State.SHARDED),
            "is_symbolic": self.state in (State.TRACED, State.LAZY),
            "wide_summation": "library",
            "summation": "library",
        }
        if self.sums_by_tree:
            derived["summation"] = derived["wide_summation"] = "tree"
        elif self.sums_in_halves and self.state in (State.PLAIN, State.RECORDED):
            derived["wide_summation"] = "halves"
            derived["summation"] = "halves" if result == wide else "library"
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def dtype_named(self, name: str) -> DType:
        """Return the library's dtype of a standard name."""
        return getattr(self.xp, name)

    @property
    def library_name(self) -> str:
        """The name of the library as users know it."""
        return library_name(self.xp)

    # What an array is.

    def at(self, around: State | None, x: Array, *others: Array | None) -> Self:
        """Return the operations for x, given the arrays that x meets in a call, and what `around` returned.

        Without the latter it is asked.
        """
        del around, others
        return self.sibling(State.PLAIN, self.accumulator_of(x))

    def around(self) -> State:
        """Return the state that a compiler, or another mode of the library, puts all of a call in."""
        return State.PLAIN

    def sibling(self, state: State, accumulator_name: str = "float64", place: str = "") -> Self:
        """Return the operations for the same type and dtype in some state."""
        key = state, accumulator_name, place
        found = self._siblings.get(key)
        if found is None:
            found = self._siblings[key] = dataclasses.replace(
                self, state=state, accumulator_name=accumulator_name, place=place
            )
        return found

    def in_state(self, state: State) -> Self:
        """Return the operations that differ by the state alone."""
        found = self._siblings.get((state, self.accumulator_name, self.place))
        return found or self.sibling(state, self.accumulator_name, self.place)

    def accumulator_of(self, x: Array) -> str:
        """Name the widest real dtype, up to float64, that the device of x has."""
        real = self.xp.__array_namespace_info__().dtypes(device=compat.device(x), kind="real floating")
        return "float64" if "float64" in real else "float32"

    def device(self, x: Array) -> Device:
        """Return the device to create arrays on beside x."""
        return compat.device(x)

    def devices(self, x: Array) -> Any:
        """Return what can be compared to tell whether two arrays share their devices; None if it is not known."""
        return self.device(x)

    def as_array(self, x: Array) -> Array:
        """Return a 0-d array for a scalar, where the library has such."""
        return x

    def converted(self, value: Any) -> Any:
        """Return what an object's own conversion to the library gives, and any other value as it is."""
        return value

    def finished(self, total: Array) -> Array:
        """Round a total to the dtype of results, as an array."""
        return self.cast(total, self.result_dtype)

    def to_device(self, x: Array, like: Array) -> Array:
        """Move x to the device of another array of its library."""
        return compat.to_device(x, compat.device(like))

    def to_host(self, x: Array) -> np.ndarray[Any, Any]:
        """Return the values of an array in NumPy; of bfloat16 in float32."""
        host = np.asarray(x)
        return host.astype(np.float32) if host.dtype.name == "bfloat16" else host

    # How arrays are made and cast.

    def full(self, shape: tuple[int, ...], value: float, dtype: DType, like: Array) -> Array:
        """Return an array of one value beside another array."""
        return self.xp.full(shape, value, dtype=dtype, device=self.device(like))

    def zero(self, x: Array) -> Array:
        """Return a 0-d zero of x's dtype and device."""
        return self.full((), 0, x.dtype, x)

    def empty_like(self, x: Array, dtype: DType | None = None) -> Array:
        """Return a new contiguous array of x's shape and device, and of x's dtype or another."""
        return self.xp.empty(x.shape, dtype=x.dtype if dtype is None else dtype, device=self.device(x))

    def cast(self, x: Array, dtype: DType) -> Array:
        """Return x in a dtype, without a copy where it has that."""
        return x if x.dtype == dtype else self.xp.astype(x, dtype)

    def result(self, x: Array) -> Array:
        """Cast x to the dtype of results."""
        return self.cast(x, self.result_dtype)

    def wide(self, x: Array) -> Array:
        """Cast x to the dtype of its kind that is as wide as the accumulator."""
        return self.cast(x, self.wide_dtype)

    def accumulated(self, x: Array) -> Array:
        """Cast real x to the accumulator's dtype."""
        return self.cast(x, self.accumulator)

    # What is done with the elements.

    def abs(self, x: Array) -> Array:
        """Return the magnitudes."""
        return self.xp.abs(x)

    def abs_to_sum(self, x: Array) -> Array:
        """Return the magnitudes of a real array in x's dtype or a wider one, as terms of a sum."""
        return self.abs(x)

    def where(self, condition: Array, x: Array, y: Array) -> Array:
        """Return elements of x, or of y where the condition is false."""
        return self.xp.where(condition, x, y)

    def selected(self, x: Array, where: Array | None) -> Array:
        """Return x with zeros where the mask is false: what lies there takes no part in anything that follows."""
        return x if where is None else self.where(where, x, self.zero(x))

    def sign(self, x: Array) -> Array:
        """Return the sign of a real array: NaN at NaN, and +0.0 at both zeros."""
        return self.xp.sign(x) + 0.0

    def differentiable_abs(self, x: Array) -> Array:
        """Return |x| of a real array as x·s with s held constant, so that its derivative is s everywhere."""
        return x * self.sign(self.detach(x))

    def quotient(self, a: Array | float, n: Array | float) -> Array | float:
        """Return a / n, rounded once: torch would multiply a number by the reciprocal of a tensor."""
        if isinstance(a, float) and not isinstance(n, float):
            a = self.full((), a, n.dtype, n)
        return a / n

    def positive_zeros(self, own: Array) -> Array:
        """Return an array that nobody else has, with +0.0 for every zero."""
        return self.xp.where(own == 0, self.zero(own), own)

    def clip(self, x: Array, least: float, most: float) -> Array:
        """Bound a real array by numbers."""
        return self.xp.clip(x, least, most)

    def times(self, own: Array, factor: Array | float) -> Array:
        """Multiply an array that nobody else has by a factor of its dtype that broadcasts to it."""
        return own * factor

    def largest(
        self, x: Array, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False
    ) -> Array:
        """Return the largest of real numbers, and NaN if there is one among them."""
        return self.xp.max(x, axis=axis, keepdims=keepdims)

    def sort_descending(self, x: Array, axis: int) -> Array:
        """Sort an array of numbers >= 0 along an axis, NaN first."""
        return self.xp.sort(x, axis=axis, descending=True, stable=False)

    def cumulative_sum(self, x: Array, axis: int, dtype: DType) -> Array:
        """Sum along an axis up to each element."""
        return self.xp.cumulative_sum(x, axis=axis, dtype=dtype)

    def sum(self, x: Array, axes: tuple[int, ...], *, keepdims: bool, dtype: DType) -> Array:
        """Sum along some axes in a dtype, as the library does."""
        return self.xp.sum(x, axis=None if len(axes) == x.ndim else axes, dtype=dtype, keepdims=keepdims)

    def number(self, n: Any, like: Array) -> Array:
        """Return a number of elements, which may be a symbol, as a 0-d array of the accumulator's dtype."""
        return self.full((), n, self.accumulator, like)

    # What the library does with functions.

    def compiled(self, function: Callable[..., T], *static: str) -> Callable[..., T]:
        """Return the function, compiled where eager arrays would be worked on one operation at a time.

        The keyword arguments that are named are compiled into it.
        """
        del static
        return function


def library_name(xp: Namespace) -> str:
    """Return the name of a namespace as users know it."""
    return str(getattr(xp, "__name__", type(xp).__name__)).removeprefix("array_api_compat.")
