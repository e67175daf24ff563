"""What the readers of all formats share: names, dtypes, and the refusal of files that were made to do harm."""

import importlib
import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from l1_any.testing import DOUBLE, HALF, SINGLE

from .errors import CommandError, printable
from .memory import reserve

FLOATING = (*HALF, *SINGLE, *DOUBLE)
ALONE = ""
"""The name of the array of a file that holds a single one, without a name."""
MOST_NAMES = 500_000

Arrays = dict[str, Callable[[], Any]]
"""The names of a file's arrays, and functions that read them: NumPy arrays, or a Dask array if it is large."""

_LISTED = 12
_LONGEST_NAME = 100
_EXPANDED, _RATIO = 1 << 30, 16  # floating-point numbers of a model or of its outputs compress less


def named_dtype(name: str) -> np.dtype[Any]:
    """Return NumPy's dtype of this name; bfloat16, which NumPy lacks, comes from ml_dtypes."""
    if name != "bfloat16":
        return np.dtype(name)
    if importlib.util.find_spec("ml_dtypes") is None:
        raise CommandError('bfloat16 needs ml_dtypes: pip install "l1_any[cli]"')
    dtype: np.dtype[Any] = np.dtype(importlib.import_module("ml_dtypes").bfloat16)
    return dtype


def needed(module: str, path: Path, requirement: str) -> Any:
    """Import what reads a file, or raise an error that says how to install it."""
    if importlib.util.find_spec(module) is None:
        raise CommandError(f'reading {path.suffix} needs {module}: pip install "{requirement}"')
    return importlib.import_module(module)


def refuse_bomb(size: int, stored: int) -> None:
    """Raise an error if an array is much larger than its compressed data, or larger than the memory at hand."""
    if size > max(_EXPANDED, _RATIO * stored):
        raise ValueError(
            f"{size / 1e9:.1f} GB are compressed to {stored / 1e6:.1f} MB, as in a zip bomb. "
            "If you trust it, unpack it and read the .npy file."
        )
    reserve(size)


def chosen(names: Iterable[str], key: str | None, path: Path) -> str:
    """Return `key` if it is among `names`; without a key, the only name."""
    names = list(names)
    if names == [ALONE]:
        if key is not None:
            raise CommandError(f"--key names an array within a file, but {str(path)!r} holds a single one.")
        return ALONE
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    listed = ", ".join(printable(name[:_LONGEST_NAME]) for name in names[:_LISTED]) + more
    if not names:
        raise CommandError(f"{str(path)!r} holds no arrays.")
    if key is None and len(names) > 1:
        raise CommandError(
            f"{str(path)!r} holds {len(names)} arrays, choose one by --key, or --all: {listed}"
        )
    if key is not None and key not in names:
        raise CommandError(f"{str(path)!r} has no array {key!r}, it holds: {listed}")
    return names[0] if key is None else key
