"""JAX: functions of eager arrays are compiled, and sums are computed in pairs, as a tree."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar

import jax
import numpy as np
from jax import numpy as xp
from jax.sharding import NamedSharding, PartitionSpec

from l1_any._typing import Array, Device

from . import decision
from .standard import ArrayOps
from .state import State

T = TypeVar("T")

_BITS = {"float32": "int32", "float64": "int64"}
_COMPILED: dict[Callable[..., Any], Callable[..., Any]] = {}


class JaxOps(ArrayOps):
    """Operations for JAX's arrays."""

    library = "jax"
    title = "JAX"
    compiles = True
    sums_by_tree = True
    differentiates = "by transformation"

    @classmethod
    def of(cls, x: Array) -> Self:
        """Return the operations for the dtype of an array."""
        return cls(xp=xp, dtype=x.dtype, dtype_name=np.dtype(x.dtype).name)

    def at(self, around: State | None, x: Array, *others: Array | None) -> Self:
        """Return the operations for arrays that may be traced or sharded."""
        del around
        state = State.PLAIN
        for a in (x, *others):
            if isinstance(a, jax.core.Tracer):
                state = State.TRACED
                break
            if isinstance(a, jax.Array) and len(a.devices()) > 1:
                state = State.SHARDED
        return self.sibling(state, self.accumulator_of(x))

    def accumulator_of(self, x: Array) -> str:
        """Name float64 if `jax_enable_x64` is on, else float32."""
        del x
        return "float64" if jax.config.jax_enable_x64 else "float32"

    def device(self, x: Array) -> Device:
        """Return None: JAX itself chooses the device of a new array, traced or not."""
        del x

    def devices(self, x: Array) -> Any:
        """Return the set of devices, or None if x is traced or JAX may move it: it is then committed to none.

        https://docs.jax.dev/en/latest/faq.html#controlling-data-and-computation-placement-on-devices
        """
        return None if isinstance(x, jax.core.Tracer) or not x.committed else x.devices()

    def most_devices(self, x: Array) -> int:
        """Return the size of the mesh of x, or the number of all devices if x is traced without a mesh.

        Which axes are spread may not be known while x is traced. Axes of a mesh that are manual, as in `shard_map`,
        spread no array.
        """
        mesh = jax.typeof(x).sharding.mesh
        if mesh.empty:
            return int(jax.device_count())
        manual = {*mesh.manual_axes}
        return math.prod([n for name, n in mesh.shape.items() if name not in manual])

    def aligned(self, a: Array, x: Array) -> Array:
        """Give an array the sharding of x, if JAX would refuse to combine them: in a mesh with explicit axes.

        https://docs.jax.dev/en/latest/notebooks/explicit-sharding.html
        """
        own, other = jax.typeof(a).sharding, jax.typeof(x).sharding
        if other.mesh.empty or own.mesh != other.mesh:
            return a
        spec = [*other.spec][x.ndim - a.ndim :]
        wanted = PartitionSpec(*(axes if n > 1 else None for axes, n in zip(spec, a.shape, strict=True)))
        return a if own.spec == wanted else jax.sharding.reshard(a, NamedSharding(other.mesh, wanted))

    def detach(self, x: Array) -> Array:
        """Return x as a constant of automatic differentiation."""
        found = jax.lax.stop_gradient(x)  # of a Python number that is differentiated, this is a number
        return found if isinstance(found, jax.Array) else xp.asarray(found)

    def sign(self, x: Array) -> Array:
        """Return the sign. JAX's own sign keeps -0.0, and XLA may remove an addition of 0.0."""
        return jax.lax.select(x == 0, xp.zeros_like(x), xp.sign(x))

    def quotient(self, a: Array | float, n: Array | float) -> Array | float:
        """Return a / n, rounded once. Without the barrier XLA would multiply by the reciprocal of a scalar n."""
        if self.is_traced or (isinstance(a, float) and isinstance(n, float)):
            return a / n
        a, n = xp.broadcast_arrays(a, n)
        return a / jax.lax.optimization_barrier(n)

    def positive_zeros(self, own: Array) -> Array:
        """Return +0.0 for every zero."""
        return jax.lax.select(own == 0, xp.zeros_like(own), own)

    def largest(
        self, x: Array, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False
    ) -> Array:
        """Return the largest, or NaN if there is one. On a CPU XLA's maximum of many elements may ignore NaN."""
        bits = _BITS.get(x.dtype.name)
        if bits is None or self.most_devices(x) == 1:
            m = xp.max(x, axis=axis, keepdims=keepdims)
            nan = xp.any(xp.isnan(x), axis=axis, keepdims=keepdims)
            return xp.where(nan, xp.full_like(m, float("nan")), m)
        # Devices send one number instead of two: the largest of integers that have the order of the numbers.
        order = xp.where(xp.isnan(x), xp.full_like(x, float("nan")), x).view(bits)
        m = xp.max(_flipped(order), axis=axis, keepdims=keepdims)
        return _flipped(m).view(x.dtype)

    def sort_descending(self, x: Array, axis: int) -> Array:
        """Sort numbers >= 0 by their bits, which have the same order. XLA sorts integers 6 times faster on a CPU."""
        bits = _BITS.get(x.dtype.name)
        if bits is None:
            return super().sort_descending(x, axis)
        return xp.flip(xp.sort(x.view(bits), axis=axis), axis=axis).view(x.dtype)

    def parts(self, x: Array, axis: int, cuts: Sequence[slice]) -> list[Array]:
        """Return parts of x, bfloat16 in float32.

        XLA's CPU compiler does not slice bfloat16. It would convert all of x to float32 first, and store that.
        """
        if x.dtype != xp.bfloat16:
            return super().parts(x, axis, cuts)
        bits = super().parts(jax.lax.bitcast_convert_type(x, xp.uint16), axis, cuts)
        return [xp.astype(jax.lax.bitcast_convert_type(each, xp.bfloat16), xp.float32) for each in bits]

    def compiled(self, function: Callable[..., T], *static: str) -> Callable[..., T]:
        """Return the compiled function, which is kept. Therefore the function must not be created for each call."""
        if self.is_traced:
            return function
        if decision.asked:
            decision.tell(self, "jit", lambda: "the formula on the whole array, compiled by jax.jit")
        if function not in _COMPILED:
            _COMPILED[function] = jax.jit(function, static_argnames=static)
        return _COMPILED[function]

    def value_and_gradient(
        self, function: Callable[[list[Array]], tuple[Array, T]], arrays: Sequence[Array]
    ) -> tuple[Array, T, list[Array]]:
        """Return value, auxiliary output and gradient of ``function(arrays)``, from one forward pass.

        The gradient of a constant is 0: inside the transformation, only what JAX traces can depend on the arrays.
        """
        value, pull_back, aux = jax.vjp(lambda *own: function(list(own)), *arrays, has_aux=True)
        return value, aux, list(pull_back(xp.ones((), value.dtype)))

    def tied_sum(
        self, value: Callable[..., Array], simple: Callable[..., Array], *arrays: Array | None
    ) -> Array:
        """Return ``value(*arrays)``, with the derivative of ``simple(*arrays)``.

        Both compute the same sum. In the simple one XLA chooses the order of the additions; forward mode sums
        its tangents in that way too.
        """
        if not self.is_traced:
            return value(*arrays)
        tied = jax.custom_jvp(lambda *arrays: value(*_as_arrays(arrays)))

        def derivative(
            primals: tuple[Array | None, ...], tangents: tuple[Array | None, ...]
        ) -> tuple[Array, Array]:
            # Arguments without a tangent are left out: a tangent of 0 times an infinite |x| would be NaN.
            still = (type(None), jax.custom_derivatives.SymbolicZero)
            moving = [i for i, tangent in enumerate(tangents) if not isinstance(tangent, still)]

            def of_moving(*own: Array) -> Array:
                given = dict(zip(moving, own, strict=True))
                return simple(*(given.get(i, a) for i, a in enumerate(_as_arrays(primals))))

            own, directions = ([of[i] for i in moving] for of in (_as_arrays(primals), tangents))
            return tied(*primals), jax.jvp(of_moving, own, directions)[1]

        tied.defjvp(derivative, symbolic_zeros=True)
        return tied(*arrays)


def _flipped(bits: Array) -> Array:
    """Reverse the order of the bits of negative numbers, as integers; this is its own inverse."""
    return xp.where(bits < 0, bits ^ xp.iinfo(bits.dtype).max, bits)


def _as_arrays(values: Sequence[Any]) -> tuple[Any, ...]:
    """Return constants as arrays: under a transformation JAX may pass a 0-d array as a Python number."""
    return tuple([a if a is None or isinstance(a, jax.Array) else xp.asarray(a) for a in values])
