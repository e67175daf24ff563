"""Reads a floating-point array from a file: memory-mapped if the format allows, and without running pickles."""

import importlib
import importlib.util
import json
import pickle
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from l1_any.testing import DOUBLE, HALF, SINGLE

from .errors import CommandError, UnavailableError, one_line, printable
from .memory import reserve

FLOATING = (*HALF, *SINGLE, *DOUBLE)
_SAFETENSORS_DTYPES = {
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "C64": "complex64",
}
_LISTED = 12
_LONGEST_NAME = 100
_LONGEST_NPY_HEADER = 10_000  # bytes; NumPy refuses longer ones too, but after it has read them
_LONGEST_SAFETENSORS_HEADER = 1 << 25  # bytes, for 500 000 tensors; Python objects take ten times as much
_BLOCK = 1 << 20
_EXPANDED, _RATIO = 1 << 30, 16  # floating-point numbers of a model or of its outputs compress less


def read(path: Path, *, key: str | None = None) -> npt.NDArray[Any]:
    """
    Read an array of a real or complex floating dtype.

    Parameters
    ----------
    path
        A ``.npy``, ``.npz``, ``.safetensors``, ``.pt`` or ``.pth`` file. All but ``.npz`` are memory-mapped,
        so a file larger than memory can be read block by block.
    key
        The array's name in a file that holds several.

    Returns
    -------
    numpy.ndarray
        Read-only if it is memory-mapped. bfloat16 data have the dtype ``ml_dtypes.bfloat16``.

    Raises
    ------
    CommandError
        If the file is of another kind or damaged, the key is missing, or the array has another dtype. Also if it
        is made to do harm: a zip bomb, a view of more elements than are stored, a header of many megabytes.
    """
    try:
        reader = _reader_of(path)
        with warnings.catch_warnings():
            # such as deprecations in a library, which do not concern the file
            warnings.simplefilter("ignore")
            array = reader(path, key)
        if array.dtype.name in FLOATING and not array.dtype.isnative:
            reserve(array.nbytes)
    except CommandError:
        raise
    except UnavailableError as error:
        raise CommandError(f"cannot read {str(path)!r}: it {error}.") from error
    except Exception as error:  # a damaged file can make its parser raise anything
        raise CommandError(f"cannot read {str(path)!r}: {one_line(error)}") from error
    if array.dtype.name not in FLOATING:
        raise CommandError(
            f"{str(path)!r} holds {array.dtype.name}, expected one of {', '.join(FLOATING)}: "
            "cast it first, for example by `x.astype('float32')`."
        )
    return np.asarray(array, dtype=array.dtype.newbyteorder("="))


def named_dtype(name: str) -> np.dtype[Any]:
    """Return NumPy's dtype of this name; bfloat16, which NumPy lacks, comes from ml_dtypes."""
    if name != "bfloat16":
        return np.dtype(name)
    if importlib.util.find_spec("ml_dtypes") is None:
        raise CommandError('bfloat16 needs ml_dtypes: pip install "l1_any[cli]"')
    dtype: np.dtype[Any] = np.dtype(importlib.import_module("ml_dtypes").bfloat16)
    return dtype


def _reader_of(path: Path) -> Callable[[Path, str | None], npt.NDArray[Any]]:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise CommandError(f"cannot read {str(path)!r}: expected a file named {', '.join(_READERS)}.")
    if not path.is_file():  # a pipe or a device could make the reader wait for ever
        raise CommandError(f"cannot read {str(path)!r}: no such file.")
    return reader


def _read_npy(path: Path, key: str | None) -> npt.NDArray[Any]:
    if key is not None:
        raise CommandError(f"--key names an array within a file, but {str(path)!r} holds a single one.")
    with path.open("rb") as stream:
        _refuse_long_header(stream)
    # unlike numpy.load, this accepts neither another format nor an array of Python objects
    return np.lib.format.open_memmap(path, mode="r")


def _read_npz(path: Path, key: str | None) -> npt.NDArray[Any]:
    if not zipfile.is_zipfile(path):
        raise CommandError(f"cannot read {str(path)!r}: it is not a zip archive.")
    with zipfile.ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        name = _chosen(members, key, path)
        member = members[name]
        if not member.filename.endswith(".npy"):
            raise CommandError(f"{name!r} in {str(path)!r} is no array.")
        _refuse_bomb(member)
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
    if start[6:7] > b"\x01" and int.from_bytes(start[8:12], "little") > _LONGEST_NPY_HEADER:
        raise ValueError(f"its header is longer than {_LONGEST_NPY_HEADER} bytes.")


def _refuse_bomb(member: zipfile.ZipInfo) -> None:
    """Raise an error if a member of an archive is much larger than its compressed data, or larger than memory."""
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise ValueError("it is compressed by a method that NumPy does not use.")
    size = member.file_size
    if size > max(_EXPANDED, _RATIO * member.compress_size):
        raise ValueError(
            f"{size / 1e9:.1f} GB are compressed to {member.compress_size / 1e6:.1f} MB, as in a zip bomb. "
            "If you trust it, unpack it and read the .npy file."
        )
    reserve(size)


def _read_safetensors(path: Path, key: str | None) -> npt.NDArray[Any]:
    if importlib.util.find_spec("safetensors") is None:
        raise CommandError('reading .safetensors needs safetensors: pip install "l1_any[cli]"')
    with path.open("rb") as stream:
        header_size = int.from_bytes(stream.read(8), "little")
    if header_size > _LONGEST_SAFETENSORS_HEADER:
        raise CommandError(f"cannot read {str(path)!r}: its header has {header_size} bytes.")
    # safe_open checks the header (sizes, offsets, overlaps); the tensors that it returns would be copies in memory
    with importlib.import_module("safetensors").safe_open(path, framework="numpy") as file:
        name = _chosen(file.keys(), key, path)
    with path.open("rb") as stream:
        stream.seek(8)
        entry = json.loads(stream.read(header_size))[name]
    dtype = _SAFETENSORS_DTYPES.get(entry["dtype"])
    if dtype is None:
        raise CommandError(f"{name!r} in {str(path)!r} is {entry['dtype']}, expected {', '.join(FLOATING)}.")
    shape = tuple(entry["shape"])
    if 0 in shape:
        return np.empty(shape, named_dtype(dtype))
    offset = 8 + header_size + entry["data_offsets"][0]
    return np.memmap(path, named_dtype(dtype), mode="r", offset=offset, shape=shape)


def _read_torch(path: Path, key: str | None) -> npt.NDArray[Any]:
    if importlib.util.find_spec("torch") is None:
        raise CommandError(f'reading {path.suffix} needs PyTorch: pip install "l1_any[torch]"')
    torch = importlib.import_module("torch")
    # PyTorch before 1.6 wrote files that are not zip archives; these cannot be memory-mapped
    zipped = zipfile.is_zipfile(path)
    if zipped:
        with zipfile.ZipFile(path) as archive:
            # torch.save compresses nothing, and torch.load would take compressed data for numbers
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise CommandError(f"cannot read {str(path)!r}: it is compressed.")
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        raise CommandError(f"cannot read {str(path)!r}: it holds more than plain tensors.") from error
    if isinstance(loaded, Mapping):
        tensors = {str(name): item for name, item in loaded.items() if torch.is_tensor(item)}
        loaded = tensors[_chosen(tensors, key, path)]
    elif key is not None:
        raise CommandError(f"--key names an array within a mapping, but {str(path)!r} holds no mapping.")
    if not torch.is_tensor(loaded):
        raise CommandError(f"{str(path)!r} holds neither a tensor nor a mapping of tensors.")
    stored = loaded.untyped_storage().nbytes()
    if loaded.numel() * loaded.element_size() > stored:
        # A file of 1 kB can hold one number that is expanded to any shape.
        raise CommandError(
            f"{str(path)!r} holds a view of {loaded.numel()} elements of {stored} bytes: save `x.contiguous()`."
        )
    tensor = loaded.detach().resolve_conj().resolve_neg()
    if tensor.dtype == torch.bfloat16:
        array: npt.NDArray[Any] = tensor.contiguous().view(torch.int16).numpy()
        return array.view(named_dtype("bfloat16"))
    return np.asarray(tensor.numpy())


def _chosen(names: Iterable[str], key: str | None, path: Path) -> str:
    """Return `key` if it is among `names`; without a key, the only name."""
    names = list(names)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    listed = ", ".join(printable(name[:_LONGEST_NAME]) for name in names[:_LISTED]) + more
    if not names:
        raise CommandError(f"{str(path)!r} holds no arrays.")
    if key is None and len(names) > 1:
        raise CommandError(f"{str(path)!r} holds {len(names)} arrays, choose one by --key: {listed}")
    if key is not None and key not in names:
        raise CommandError(f"{str(path)!r} has no array {key!r}, it holds: {listed}")
    return names[0] if key is None else key


_READERS: dict[str, Callable[[Path, str | None], npt.NDArray[Any]]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".safetensors": _read_safetensors,
    ".pt": _read_torch,
    ".pth": _read_torch,
}
