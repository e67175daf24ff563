"""JAX: what devices and processes send each other, and the digits, for sharded arrays.

XLA_FLAGS must be set before JAX is loaded. Therefore programs of their own compute, and print what they found.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SECONDS = 400  # a few times what the longest program needs on a busy machine


def started(name, *args, devices):
    environment = os.environ | {
        "JAX_ENABLE_X64": "0",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
    }
    return subprocess.Popen(
        [sys.executable, str(HERE / name), *map(str, args)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def printed(*programs):
    """Return what each program printed; end all of them when one fails or takes too long."""
    try:
        out = []
        for program in programs:
            text, errors = program.communicate(timeout=SECONDS)
            assert program.returncode == 0, errors
            out.append(text)
        return out
    finally:
        for program in programs:
            program.kill()
            program.communicate()


@pytest.fixture(scope="module")
def found():
    (text,) = printed(started("jax_cases.py", devices=4))
    return json.loads(text)


class TestFourDevices:
    """Rows of `jax_cases.py`: name, numbers sent, numbers allowed, whether sharded like the usual expression, ulps."""

    def test_what_is_sent_does_not_grow_with_the_array(self, found):
        assert sum(len(rows) for rows in found.values()) > 80
        more = [(mesh, row) for mesh, rows in found.items() for row in rows if row[1] > row[2]]
        assert not more
        assert any(row[1] for rows in found.values() for row in rows)

    def test_results_are_sharded_as_those_of_the_usual_expressions(self, found):
        assert not [(mesh, row) for mesh, rows in found.items() for row in rows if not row[3]]

    def test_digits_are_those_of_one_device(self, found):
        assert not [(mesh, row) for mesh, rows in found.items() for row in rows if not row[4] <= 4]


def test_masks_transformations_and_sixteen_devices():
    printed(started("jax_elsewhere.py", devices=16))


def test_two_processes():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    texts = printed(*(started("jax_process.py", port, index, devices=2) for index in range(2)))
    for text in texts:
        of_one = json.loads(text.splitlines()[-1])  # gloo prints a line too
        assert of_one["devices"] == 4
        assert len(of_one["errors"]) == 8
        assert all(error <= 4 for error in of_one["errors"].values()), of_one["errors"]
