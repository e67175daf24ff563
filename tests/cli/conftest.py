import subprocess
import sys

import pytest


@pytest.fixture
def run_python():
    """Run Python code in a process of its own."""

    def run(code, *arguments, **options):
        return run_process("-c", code, *arguments, **options)

    return run


@pytest.fixture
def command():
    """Run the command in a process of its own."""

    def run(*arguments, **options):
        return run_process("-m", "l1_any", *arguments, **options)

    return run


def run_process(*arguments, **options):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        **options,
    )
