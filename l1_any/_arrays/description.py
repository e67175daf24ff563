"""What is known of arrays of one type, dtype and state without looking at one."""

import dataclasses
from typing import Any, ClassVar, Literal

from l1_any._typing import DType, Namespace

from .dtypes import RESULT_DTYPES
from .state import State

_COMPLEX = {"float32": "complex64", "float64": "complex128"}
Summation = Literal["library", "halves", "tree"]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Description:
    """The facts about arrays of one type and dtype in one state, which all calls share."""

    xp: Namespace
    """The namespace. array-api-compat wraps it if the library itself does not follow the standard."""
    dtype: DType
    dtype_name: str
    state: State = State.PLAIN
    accumulator_name: str = "float64"
    """The real dtype of sums: float64 if library and device have it, else float32."""
    refused: str | None = None
    """Why arrays of this type cannot be read, or None."""
    place: str = ""
    """"cpu" if the data are in the CPU's memory and slices are views, "cuda" for a CUDA GPU, else empty."""
    kernels: dict[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """The rows of the table of kernels, by operation, as far as they were looked up."""
    _siblings: dict[Any, Any] = dataclasses.field(default_factory=dict, repr=False)

    library: ClassVar[str] = ""
    """The name of the library in the table of kernels."""
    title: ClassVar[str] = ""
    """The name of the library in prose, if `library_name` is not that."""
    counters: ClassVar[str] = ""
    """What to say of integers among the arrays of a model."""
    has_one_state: ClassVar[bool] = False
    """Whether all calls have the same state, so that `at` need not be called."""
    has_one_device: ClassVar[bool] = False
    has_scalars: ClassVar[bool] = False
    """Whether operations on 0-d arrays return scalars. `as_array` converts these to arrays."""
    compiles: ClassVar[bool] = False
    """Whether functions of eager arrays are compiled."""
    sums_by_tree: ClassVar[bool] = False
    """Whether the library adds runs of terms one by one, in every dtype."""
    sums_in_halves: ClassVar[bool] = False
    """Whether the library's own sum of terms as wide as the accumulator may exceed the error of the contract."""

    # Fields that follow from the dtype and the accumulator.
    is_floating: bool = dataclasses.field(init=False)
    """Whether the dtype is one of the contract's real or complex floating dtypes."""
    is_complex: bool = dataclasses.field(init=False)
    is_boolean: bool = dataclasses.field(init=False)
    is_integer: bool = dataclasses.field(init=False)
    result_name: str = dataclasses.field(init=False)
    """The standard's name of the real dtype of the result of a reduction."""
    result_dtype: DType = dataclasses.field(init=False)
    is_result: bool = dataclasses.field(init=False)
    """Whether the dtype is the dtype of results."""
    accumulator: DType = dataclasses.field(init=False)
    wide_dtype: DType = dataclasses.field(init=False)
    """The dtype as wide as the accumulator: complex for complex arrays, else real."""
    is_plain: bool = dataclasses.field(init=False)
    is_recorded: bool = dataclasses.field(init=False)
    is_traced: bool = dataclasses.field(init=False)
    is_lazy: bool = dataclasses.field(init=False)
    """Whether the state is this one, for each of the four: a field is faster than a comparison with `State.LAZY`."""
    is_differentiated: bool = dataclasses.field(init=False)
    """Whether the library may differentiate the expression."""
    is_symbolic: bool = dataclasses.field(init=False)
    """Whether the arrays may have no values yet."""
    summation: Summation = dataclasses.field(init=False)
    """How to sum terms of the dtype of results within the error of the contract."""
    wide_summation: Summation = dataclasses.field(init=False)
    """How to sum terms that are as wide as the accumulator.

    Libraries add terms one by one along an axis that is not contiguous in memory, and on a GPU also in runs along a
    contiguous axis. Narrower terms are summed in the accumulator's dtype, in which these rounding errors do not matter.
    """

    def __post_init__(self) -> None:
        is_complex = self.dtype_name in ("complex64", "complex128")
        result = RESULT_DTYPES.get(self.dtype_name, "float32")
        wide = self.accumulator_name
        derived = {
            "is_floating": self.dtype_name in RESULT_DTYPES,
            "is_complex": is_complex,
            "is_boolean": self.dtype_name == "bool",
            "is_integer": self.dtype_name.startswith(("int", "uint")),
            "result_name": result,
            "result_dtype": self.dtype_named(result),
            "is_result": self.dtype_name == result,
            "accumulator": self.dtype_named(wide),
            "wide_dtype": self.dtype_named(_COMPLEX[wide] if is_complex else wide),
            "is_plain": self.state is State.PLAIN,
            "is_recorded": self.state is State.RECORDED,
            "is_traced": self.state is State.TRACED,
            "is_lazy": self.state is State.LAZY,
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
        """Return the library's dtype for a name of the standard."""
        return getattr(self.xp, name)

    @property
    def library_name(self) -> str:
        """The name of the library as users know it."""
        return library_name(self.xp)


def library_name(xp: Namespace) -> str:
    """Return the name of a namespace as users know it."""
    return str(getattr(xp, "__name__", type(xp).__name__)).removeprefix("array_api_compat.")
