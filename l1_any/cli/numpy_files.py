"""Reads .npy and .npz files, without running pickles."""

import zipfile
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from .errors import CommandError
from .files import ALONE, Arrays, refuse_bomb

_LONGEST_HEADER = 10_000  # bytes; NumPy refuses longer ones too, but after it has read them
_BLOCK = 1 << 20


def npy(path: Path) -> Arrays:
    """Return the array of a .npy file, mapped from it."""
    with path.open("rb") as stream:
        _refuse_long_header(stream)
    # unlike numpy.load, this accepts neither another format nor an array of Python objects
    return {ALONE: partial(np.lib.format.open_memmap, path, mode="r")}


def npz(path: Path) -> Arrays:
    """Return the arrays of a .npz file, which are read into memory."""
    if not zipfile.is_zipfile(path):
        raise CommandError(f"cannot read {str(path)!r}: it is not a zip archive.")
    with zipfile.ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    return {name: partial(_member, path, name, member) for name, member in members.items()}


def _member(path: Path, name: str, member: zipfile.ZipInfo) -> npt.NDArray[Any]:
    if not member.filename.endswith(".npy"):
        raise CommandError(f"{name!r} in {str(path)!r} is no array.")
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise ValueError("it is compressed by a method that NumPy does not use.")
    refuse_bomb(member.file_size, member.compress_size)
    with zipfile.ZipFile(path) as archive:
        with archive.open(member) as stream:
            _refuse_long_header(stream)
        with archive.open(member) as stream:
            array: npt.NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
            while stream.read(_BLOCK):  # zipfile compares the checksum at the end
                pass
    return array


def _refuse_long_header(stream: IO[bytes]) -> None:
    """Raise ValueError if a .npy file's header is longer than NumPy accepts; versions 2 and 3 allow 4 GB."""
    start = stream.read(12)
    if start[6:7] > b"\x01" and int.from_bytes(start[8:12], "little") > _LONGEST_HEADER:
        raise ValueError(f"its header is longer than {_LONGEST_HEADER} bytes.")
