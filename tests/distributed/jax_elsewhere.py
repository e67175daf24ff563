"""`shard_map`, `pmap`, masks of another sharding, sixteen devices, float64: everything is asserted here.

It needs XLA_FLAGS=--xla_force_host_platform_device_count=16.
"""

import functools

import jax
import numpy as np
from jax import numpy as jnp
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jax_traffic import sent

import l1_any as l1

AUTO, EXPLICIT = ((kind,) * 2 for kind in (AxisType.Auto, AxisType.Explicit))


def distance(got, exact):
    """Return the distance in units in the last place."""
    return np.max(abs(np.asarray(got, np.float64) - exact) / np.spacing(np.asarray(exact).astype(got.dtype)))


def sixteen_devices(mesh):
    """Equal numbers are the worst case; sixteen partial sums along each axis are added by the devices."""
    for shape in ((48, 112), (160, 16), (16 * 997,)):
        x = np.full(shape, 0.1, "float32")
        wide = x.astype("float64")
        for spec in (("a", "b"), (("a", "b"),), (None, ("b", "a")), ("b",)):
            if len(spec) > x.ndim:
                continue
            y = jax.device_put(x, NamedSharding(mesh, P(*spec)))
            program = jax.jit(l1.value).lower(y).compile()
            assert 0 < sent(program) <= 64, spec
            assert distance(program(y), wide.sum()) <= 2, spec
    x = np.random.default_rng(0).standard_normal((160, 16)).astype("float32")
    y = jax.device_put(x, NamedSharding(mesh, P(("a", "b"))))
    for scale in (1.0, 1e-36, 1e34):  # beside the range in which partial sums are divided too
        assert distance(l1.value(y * scale), np.abs(np.asarray(y * scale, "float64")).sum()) <= 4
    assert np.isnan(l1.value(y.at[3, 3].set(np.nan)))
    assert np.isinf(l1.value(y.at[3, 3].set(np.inf)))
    m = jax.device_put(x > 0, y.sharding)
    mean = jax.jit(lambda y, m: l1.value(y, axis=0, reduce="mean", where=m)).lower(y, m).compile()
    assert sent(mean) <= 4 * 16  # three numbers for each sum, one for each count
    assert distance(mean(y, m), np.where(x > 0, x, 0).sum(0, "float64") / (x > 0).sum(0)) <= 4
    with jax.enable_x64(new_val=True):
        z = jax.device_put(x.astype("float64"), y.sharding)
        assert distance(l1.value(z), np.abs(x.astype("float64")).sum()) <= 4
        assert distance(l1.value(y), np.abs(x.astype("float64")).sum()) <= 0.501  # rounded once


def masks(mesh, *, explicit):
    """A mask or weight with any sharding gives what it gives with that of x."""
    x = np.random.default_rng(0).standard_normal((16, 16, 3)).astype("float32")
    y = jax.device_put(x, NamedSharding(mesh, P("a", "b")))
    total = (np.abs(x.astype("float64")) * np.where(x > 0, np.abs(x), 0)).sum()
    for spec in (P(), P("b"), P(None, "a"), P(("a", "b"))):
        own = NamedSharding(mesh, spec)
        m, w = jax.device_put(x > 0, own), jax.device_put(np.abs(x), own)
        for call in (l1.value, jax.jit(lambda y, m, w: l1.value(y, where=m, weights=w))):
            got = call(y, where=m, weights=w) if call is l1.value else call(y, m, w)
            assert distance(got, total) <= 4, spec
        s = l1.subgradient(y, where=m)
        assert np.array_equal(s, np.where(x > 0, 1, 0)), spec
        assert s.sharding.is_equivalent_to(y.sharding, 3) or not explicit, spec
        p = l1.prox(y, w)
        assert not np.any(p), spec
        d = l1.subdiff_distance(y, w, 0.5)
        assert np.array_equal(d, np.abs(np.abs(x) + np.float32(0.5) * np.sign(x))), spec
    for spec in (P(None, "a"), P()):  # a row of weights, and steps of groups
        row = jax.device_put(np.abs(x[:1]), NamedSharding(mesh, spec))
        assert distance(l1.value(y, weights=row), (np.abs(x.astype("float64")) * np.abs(x[:1])).sum()) <= 4
        assert not np.any(l1.prox_group(y, row * 0 + 100, axis=0))


def transformations(mesh):
    """`shard_map` computes on each device's part."""
    x = np.random.default_rng(0).standard_normal((8, 16)).astype("float32")
    y = jax.device_put(x, NamedSharding(mesh, P("a", "b")))
    for function, exact in (
        (lambda part: l1.value(part, where=part > 0), x[x > 0].astype("float64").sum()),
        (lambda part: l1.huber(part, 1e-9), np.abs(x.astype("float64")).sum()),
    ):

        def whole(part, function=function):
            return jax.lax.psum(function(part), ("a", "b"))

        with jax.set_mesh(mesh):
            mapped = jax.jit(jax.shard_map(whole, mesh=mesh, in_specs=P("a", "b"), out_specs=P()))
            program = mapped.lower(y).compile()
            assert distance(program(y), exact) <= 6  # jax.lax.psum adds 16 values
            assert sent(program) in {1, 2}  # nothing but the psum
            one = jax.shard_map(
                lambda part, function=function: jax.lax.psum(function(part), "a"),
                in_specs=P("a"),
                out_specs=P(),
                axis_names={"a"},
            )
            assert distance(jax.jit(one)(y), exact) <= 6  # the other axis is not manual
    mapped = jax.jit(
        jax.shard_map(jax.grad(l1.value), mesh=mesh, in_specs=P("a", "b"), out_specs=P("a", "b"))
    )
    assert np.array_equal(mapped(y), np.sign(x))


def mapped_by_pmap():
    """`pmap`, and an array that it spread."""
    x = np.random.default_rng(0).standard_normal((8, 16)).astype("float32")
    assert np.array_equal(jax.pmap(jax.grad(l1.value))(x), np.sign(x))
    totals = jax.pmap(l1.value)(x)
    assert distance(totals, np.abs(x.astype("float64")).sum(1)) <= 4
    spread = jax.pmap(lambda row: row)(x)
    assert distance(l1.value(spread), np.abs(x.astype("float64")).sum()) <= 4


def fewer_devices():
    """A mesh of three of the devices."""
    mesh = Mesh(np.asarray(jax.devices()[:3]), ("d",))
    x = np.random.default_rng(0).standard_normal((9, 8)).astype("float32")
    y = jax.device_put(x, NamedSharding(mesh, P("d")))
    program = jax.jit(functools.partial(l1.value, axis=0)).lower(y).compile()
    assert sent(program) == 8
    assert distance(program(y), np.abs(x.astype("float64")).sum(0)) <= 4


def traffic_is_counted(mesh):
    """The counter sees what XLA's collectives send: a sum, a gathered array, a shift, an exchange of axes."""
    y = jax.device_put(jnp.ones((16, 32)), NamedSharding(mesh, P("a", "b")))
    assert sent(jax.jit(jnp.abs).lower(y).compile()) == 0
    assert sent(jax.jit(lambda y: jnp.abs(y).sum()).lower(y).compile()) in (1, 2)
    for spec in (P(), P("b", "a"), P(None, "a")):
        moved = jax.jit(lambda y: y + 1, out_shardings=NamedSharding(mesh, spec))
        assert sent(moved.lower(y).compile()) >= 32, spec
    assert sent(jax.jit(lambda y: jnp.roll(y, 1, axis=0)).lower(y).compile()) > 0


def main():
    """Run all of them."""
    auto, explicit = (jax.make_mesh((2, 8), ("a", "b"), axis_types=kind) for kind in (AUTO, EXPLICIT))
    traffic_is_counted(auto)
    sixteen_devices(auto)
    masks(auto, explicit=False)
    masks(explicit, explicit=True)
    transformations(auto)
    transformations(explicit)
    mapped_by_pmap()
    fewer_devices()


if __name__ == "__main__":
    main()
