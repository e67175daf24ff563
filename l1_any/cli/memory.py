"""How much memory a library may take before the system kills the process."""

import math
from pathlib import Path

from .errors import UnavailableError

_PROC = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> float:
    """Return the bytes of memory that are free or hold file caches, or inf if the system does not report them."""
    return min(_of_machine(), _of_container())


def reserve(size: int) -> None:
    """Raise UnavailableError if an allocation of `size` bytes would exceed the available memory."""
    available = available_memory()
    if size > available:
        raise UnavailableError(f"needs {size / 1e9:.1f} GB more, {available / 1e9:.1f} GB is available")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a library's error says that it could not allocate."""
    if isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__:
        return True
    message = str(error).lower()
    return any(words in message for words in ("resource_exhausted", "out of memory", "allocate memory"))


def _of_machine() -> float:
    if not _PROC.is_file():
        return math.inf
    fields = dict(line.split(":", 1) for line in _PROC.read_text().splitlines())
    return int(fields["MemAvailable"].split()[0]) * 1024


def _of_container() -> float:
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        used = int((_CGROUP / "memory.current").read_text())
        kinds = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # not in a version 2 cgroup, or its limit is "max"
        return math.inf
    return limit - used + int(kinds.get("active_file", 0)) + int(kinds.get("inactive_file", 0))
