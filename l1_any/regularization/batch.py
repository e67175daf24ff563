"""The batch that a regularizer gets: log-probabilities and the fields of the examples."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from l1_any._arguments.arrays import cast_of, floating
from l1_any._arguments.leaves import together
from l1_any._arguments.pytrees import LEAF, Treedef, flatten
from l1_any._arrays.lookup import is_array, known
from l1_any._arrays.shapes import is_known
from l1_any._arrays.state import State
from l1_any._typing import Array, ArrayTree, Leaf, Namespace

from . import exchange
from .masks import FieldMask, refuse_negative

if TYPE_CHECKING:
    from l1_any._arrays.standard import ArrayOps


class MissingFieldError(KeyError):
    """A field that is missing. Its text is a sentence; `KeyError` itself would print it in quotes."""

    def __str__(self) -> str:
        return str(self.args[0])


class Batch:
    """Log-probabilities and the fields of their examples, converted once to the library and device of the former."""

    def __init__(self, data: Any, logprobs: ArrayTree) -> None:
        if not (is_array(logprobs) or isinstance(logprobs, list | tuple)):
            raise TypeError(
                "`logprobs` must be one array, or a list with one array per example, got "
                f"{type(logprobs).__name__}."
            )
        self.data = data
        self.logprobs: ArrayTree = logprobs
        self.arrays: list[Array]
        self.treedef: Treedef
        self.arrays, kinds, self.treedef = flatten(logprobs, "logprobs")
        together(logprobs, self.treedef, self.arrays, kinds, "logprobs")
        around = kinds[0].around()
        for ops in kinds:
            floating(ops, "logprobs")
            if ops.is_complex:
                raise TypeError(f"`logprobs` must be real, got {ops.dtype_name}.")
        self.leaves: list[Leaf] = [
            Leaf(ops.settled(x) if ops.has_shards else x, ops.at(around, x))
            for x, ops in zip(self.arrays, kinds, strict=True)
        ]
        self.ops: ArrayOps = self.leaves[0].ops
        for leaf in self.leaves:  # the operations for all arrays are those in the state furthest from plain
            if leaf.ops.state > self.ops.state:
                self.ops = self.ops.in_state(leaf.ops.state)
        self.xp: Namespace = self.ops.xp
        self.constant_ops: ArrayOps = self.ops
        """The operations for constants like the log-probabilities, such as their gradients."""
        if self.ops.is_recorded:
            self.constant_ops = self.ops.in_state(State.PLAIN)
        self._columns: dict[str, list[tuple[str, Array]]] = {}

    def field(self, key: str) -> ArrayTree:
        """Return a field of every example, in its own shapes."""
        column = self._column(key)
        for name, array in column:
            ops = known(array)
            if not ops.is_floating:
                raise TypeError(
                    f"{name} must have a real or complex floating dtype, got {ops.dtype_name}; cast it first, "
                    f"for example to {cast_of(ops.dtype_name)}."
                )
        arrays = [array for _, array in column]
        return arrays[0] if self._is_whole(key) else arrays

    def aligned(self, key: str, arrays: Sequence[Array], *, single: bool) -> list[Array]:
        """Return a field with one value for each element of some arrays, or of a single one."""
        column = self._column(key)
        if not single or self._is_whole(key):
            for (name, value), array in zip(column, arrays, strict=True):
                _same_shape(name, value, tuple(array.shape))
            return [value for _, value in column]
        (array,) = arrays
        for name, value in column:
            _same_shape(name, value, tuple(array.shape[1:]))
        return [self.xp.stack([value for _, value in column])]

    def mask(self, mask: FieldMask, arrays: Sequence[Array], *, single: bool) -> list[Array]:
        """Return an aligned field as a mask that is true where the field is not zero, or not the value to ignore."""
        key = mask.key
        values = self.aligned(key, arrays, single=single)
        if mask.ignored is None and not self.ops.is_traced:
            for name, raw in self._values(key):
                refuse_negative(raw, name, key)
        kinds = [known(v) for v in values]  # torch.compile refuses a name that is bound in the list itself
        return [mask.of(v, ops, f"`data[{key!r}]`") for v, ops in zip(values, kinds, strict=True)]

    def numbers(self, key: str, arrays: Sequence[Array], *, single: bool) -> list[Array]:
        """Return an aligned field with a floating dtype."""
        dtype = self.ops.result_dtype
        values = self.aligned(key, arrays, single=single)
        return [v if known(v).is_floating else self.xp.astype(v, dtype) for v in values]

    def _is_whole(self, key: str) -> bool:
        """Whether the field is one array for all examples."""
        fields = _fields(self.data)
        return fields is not None and self.treedef is LEAF and not _holds_arrays(fields[key])

    def _column(self, key: str) -> list[tuple[str, Array]]:
        if key not in self._columns:
            self._columns[key] = [(name, self._brought(name, value)) for name, value in self._values(key)]
        return self._columns[key]

    def _brought(self, name: str, value: Any) -> Array:
        try:
            array = exchange.bring(value, self.arrays[0], self.ops)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"{name} must be an array, a list of numbers or an object with `to_torch` or `to_numpy`, got "
                f"{error}."
            ) from error
        if exchange.is_convertible(value):
            return array
        own = known(array)  # made of a list of Python numbers, which may be ints
        return array if own.is_floating or own.is_boolean else self.xp.astype(array, self.ops.result_dtype)

    def _values(self, key: str) -> list[tuple[str, Any]]:
        """Return the values of the field, one for each example or one for all of them, with their names for errors."""
        fields = _fields(self.data)
        if fields is not None:
            name = f"`data[{key!r}]`"
            value = _entry(fields, key, "data")
            if self._is_whole(key):
                return [(name, value)]
            if not isinstance(value, list | tuple):
                raise TypeError(
                    f"{name} must be a list with one value per example, as `logprobs` is, got "
                    f"{type(value).__name__}."
                )
            self._check_examples(len(value), name)
            return [(f"`data[{key!r}][{i}]`", v) for i, v in enumerate(value)]
        if self.data is None:
            raise MissingFieldError(f"`data` is None, and has no field {key!r}.")
        if not isinstance(self.data, Sequence) or isinstance(self.data, str | bytes):
            raise TypeError(
                "`data` must be None, a mapping of fields, or a sequence of examples (mappings, or objects "
                f"with `loss_fn_inputs`), got {type(self.data).__name__}."
            )
        self._check_examples(len(self.data), "`data`")
        values = []
        for i, example in enumerate(self.data):
            fields = _fields(example)
            if fields is None:
                raise TypeError(
                    f"`data[{i}]` must be a mapping of fields or an object with `loss_fn_inputs`, got "
                    f"{type(example).__name__}."
                )
            values.append((f"`data[{i}][{key!r}]`", _entry(fields, key, f"data[{i}]")))
        return values

    def _check_examples(self, n: int, name: str) -> None:
        if self.treedef is not LEAF:
            if n != len(self.arrays):
                raise ValueError(
                    f"{name} must have one example for each of the {len(self.arrays)} arrays in `logprobs`, "
                    f"got {n}."
                )
            return
        shape = tuple(self.arrays[0].shape)
        if not shape or (is_known(shape[0]) and shape[0] != n):
            raise ValueError(
                f"{name} must have one example for each row of `logprobs`, of shape {shape}, got {n}; for "
                "examples of their own lengths pass `logprobs` as a list with one array each."
            )


def _fields(example: Any) -> Mapping[str, Any] | None:
    """Return the fields of an example or of a whole batch, or None if it has no fields."""
    inner = getattr(example, "loss_fn_inputs", example)
    return inner if isinstance(inner, Mapping) else None


def _entry(fields: Mapping[str, Any], key: str, name: str) -> Any:
    if key not in fields:
        raise MissingFieldError(f"`{name}` has no field {key!r}; it has {sorted(map(str, fields))}.")
    return fields[key]


def _holds_arrays(value: Any) -> bool:
    return isinstance(value, list | tuple) and any(map(exchange.is_convertible, value))


def _same_shape(name: str, value: Array, shape: tuple[int, ...]) -> None:
    got = tuple(value.shape)
    pairs = zip(got, shape, strict=False)
    if len(got) != len(shape) or any(n != m for n, m in pairs if is_known(n) and is_known(m)):
        raise ValueError(f"{name} must have the shape of its log-probabilities, {shape}, got {got}.")
