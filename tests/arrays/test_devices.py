"""JAX's own devices, of which a CPU has one unless JAX is told otherwise before it starts."""

import os
import subprocess
import sys
import textwrap

import pytest

ON_THE_SECOND = """
import jax
import numpy as np
import l1_any as l1

_, device = jax.devices()
for length in (3, 0):
    x = jax.device_put(jax.numpy.ones((2, length)), device)
    where = x > 0
    results = [
        l1.value(x), l1.value(x, where=where), l1.value(x, axis=1), l1.subgradient(x),
        *l1.value_and_subgradient(x, where=where), l1.value([x, x], where=[where, None]),
    ]
    if length:
        results += [l1.value(x, reduce="mean", where=where), l1.subgradient([x], reduce="mean")[0]]
        results += [l1.subgradient_norm(x)]
    assert all(each.devices() == {device} for each in results), length
# What is committed to no device goes where x is: masks, weights, steps, radii, numbers of schedules, fields.
x = jax.device_put(jax.numpy.asarray([-3.0, 1.0]), device)
free = jax.numpy.asarray([1.0, 0.5])
assert not free.committed
results = [
    l1.value(x, where=free > 0.7), l1.value(x, weights=free), l1.value([free, x]), l1.value([free, x, free]),
    l1.prox(x, free), l1.prox(x, free[0]), l1.project(x, free[0]), l1.prox_max(x, free[0]), l1.huber(x, 0.5),
    l1.prox_elastic_net(x, free[0], l1_ratio=0.5), l1.prox_group(x, free[0], axis=0),
    l1.group_value(x, axis=0, weights=free[0]), l1.subdiff_distance(x, x, free[0]),
]
assert all(each.devices() == {device} for each in results), [each.devices() for each in results]
reg = l1.L1Regularizer(target=("delta", "reference"), where="mask")
for mask, reference in (([True, False], [0.0, 1.0]), (np.asarray([1, 0]), np.zeros(2)), (free > 0.7, free)):
    term = l1.Term(reg, weight=lambda step: jax.numpy.asarray(0.5))
    pipe = l1.Pipeline(lambda data, lp: (jax.numpy.sum(lp), {}), [term])
    loss, _ = pipe({"mask": mask, "reference": reference}, x, step=3)
    assert loss.devices() == {device}, loss.devices()
bound = jax.device_put(free, jax.devices()[0])
assert bound.committed
for call in (
    lambda: l1.value(x, weights=bound), lambda: l1.value(x, where=bound > 0), lambda: l1.prox(x, bound),
    lambda: l1.value([free, bound, x]),
):
    try:
        call()
    except ValueError as error:
        assert "must be on the device of `x" in str(error), error
    else:
        raise AssertionError("took an array on another device")
"""


SHARDED = """
import re

import jax
import numpy as np
import l1_any as l1
from jax.sharding import Mesh, NamedSharding, PartitionSpec

mesh = Mesh(np.asarray(jax.devices()), ("d",))
x = jax.device_put(jax.numpy.ones((4096, 8)), NamedSharding(mesh, PartitionSpec("d")))
for axis, results in ((None, 1), (0, 8)):
    program = jax.jit(lambda x: l1.value(x, axis=axis)).lower(x).compile().as_text()
    sent = re.findall(r"= f32\\[([0-9,]*)\\]\\S* (?:all-|collective-|reduce-scatter)", program)
    assert sent
    # a few partial sums of each result, and nothing of the size of a device's own part
    assert sum(int(np.prod([int(n) for n in shape.split(",") if n])) for shape in sent) <= 16 * results
"""

UNEVEN = """
import re

import jax
import numpy as np
import l1_any as l1
from jax.sharding import Mesh, NamedSharding, PartitionSpec

devices = np.asarray(jax.devices())
flat, square = Mesh(devices, ("d",)), Mesh(devices.reshape(2, -1), ("a", "d"))
for mesh, spec, shape in (
    (flat, ("d",), (4 * 1009,)), (flat, ("d",), (4 * 9, 1009)), (flat, (None, "d"), (1009, 4 * 9)),
    (square, ("a", "d"), (2 * 101, 2 * 103)), (square, ("d",), (2 * 1009,)), (square, (("a", "d"),), (4 * 101,)),
):
    x = np.random.default_rng(0).standard_normal(shape).astype("float32")
    where = x > -1
    y, m, w = (
        jax.device_put(a, NamedSharding(mesh, PartitionSpec(*spec))) for a in (x, where, x)
    )
    for axis in (None, *range(x.ndim)):
        total = l1.value(y, where=m, weights=w * w, axis=axis)
        exact = np.sum(np.where(where, np.abs(x.astype(float)) * (x * x), 0), axis=axis)
        assert np.allclose(total, exact, rtol=1e-6, atol=0)
    program = jax.jit(l1.value).lower(y).compile().as_text()
    sent = re.findall(r"= f32\\[([0-9,]*)\\]\\S* (?:all-|collective-|reduce-scatter)", program)
    assert sent
    assert sum(int(np.prod([int(n) for n in shape.split(",") if n])) for shape in sent) <= 16
"""


def run(code, devices):
    flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=os.environ | flags,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.only("jax")
@pytest.mark.parametrize(
    ("code", "devices"), [(ON_THE_SECOND, 2), (SHARDED, 8), (UNEVEN, 4)], ids=["second", "sharded", "uneven"]
)
def test_results_stay_on_their_devices(library, code, devices):
    if library.variant.x64:
        pytest.skip("the mode of the process that this one starts is the default one")
    run(code, devices)
