"""JAX's own devices, of which a CPU has one unless JAX is told otherwise before it starts."""

import os
import subprocess
import sys
import textwrap

import pytest

ON_THE_SECOND = """
import jax
import l1_any as l1

_, device = jax.devices()
for length in (3, 0):
    x = jax.device_put(jax.numpy.ones((2, length)), device)
    where = x > 0
    results = [
        l1.value(x), l1.value(x, where=where), l1.value(x, axis=1), l1.subgradient(x),
        l1.subgradient_norm(x), *l1.value_and_subgradient(x, where=where), l1.value([x, x], where=[where, None]),
    ]
    if length:
        results += [l1.value(x, reduce="mean", where=where), l1.subgradient([x], reduce="mean")[0]]
    assert all(each.devices() == {device} for each in results), length
try:
    l1.value(x, weights=jax.numpy.ones(()))
except ValueError as error:
    assert "must be on the device of `x`" in str(error)
else:
    raise AssertionError("took weights on another device")
"""


@pytest.mark.only("jax")
def test_results_stay_on_the_device(library):
    if library.variant.x64:
        pytest.skip("the mode of the process that this one starts is the default one")
    devices = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(ON_THE_SECOND)],
        env=os.environ | devices,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
