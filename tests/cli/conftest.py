import subprocess
import sys

import pytest


@pytest.fixture
def command():
    """Run the command in a process of its own."""

    def run(*arguments, **options):
        return subprocess.run(
            [sys.executable, "-m", "l1_any", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            **options,
        )

    return run
