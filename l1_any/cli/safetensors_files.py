"""Maps the arrays of .safetensors files, and of folders of them with an index."""

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import CommandError, printable
from .files import FLOATING, MOST_NAMES, Arrays, named_dtype, needed

INDEX = ".safetensors.index.json"
_DTYPES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64", "C64": "complex64"}
_LONGEST_HEADER = 1 << 25  # bytes, for 500 000 tensors; Python objects take ten times as much


def safetensors(path: Path) -> Arrays:
    """Return the arrays of a .safetensors file."""
    module = needed("safetensors", path, "l1_any[cli]")
    with path.open("rb") as stream:
        header_size = int.from_bytes(stream.read(8), "little")
    if header_size > _LONGEST_HEADER:
        raise CommandError(f"cannot read {str(path)!r}: its header has {header_size} bytes.")
    # safe_open checks the header (sizes, offsets, overlaps); the tensors that it returns would be copies in memory
    with module.safe_open(path, framework="numpy") as file:
        names = list(file.keys())
    with path.open("rb") as stream:
        stream.seek(8)
        header = json.loads(stream.read(header_size))
    return {name: partial(_mapped, path, name, header[name], 8 + header_size) for name in names}


def sharded(folder: Path) -> Arrays:
    """
    Return the arrays of a folder of .safetensors files, by the index that says which file holds which array.

    Without an index, the arrays of all .safetensors files in the folder.
    """
    indices = sorted(folder.glob(f"*{INDEX}"))
    if len(indices) > 1:
        raise CommandError(f"{str(folder)!r} holds {len(indices)} indices: name one of these files.")
    if indices:
        return indexed(indices[0])
    files = sorted(path for path in folder.glob("*.safetensors") if path.is_file())
    if not files:
        raise CommandError(f"cannot read {str(folder)!r}: no .safetensors files in this folder.")
    found: Arrays = {}
    for file in files:
        for name, read in safetensors(file).items():
            if name in found:
                raise CommandError(f"{name!r} is in several files of {str(folder)!r}: name one of the files.")
            found[name] = read
    return found


def indexed(index: Path) -> Arrays:
    """Return the arrays that an index of .safetensors files lists; the files lie beside it."""
    if index.stat().st_size > _LONGEST_HEADER:
        raise ValueError(f"its index has {index.stat().st_size} bytes.")
    content = json.loads(index.read_text(encoding="utf-8"))
    where = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(where, dict) or not all(isinstance(name, str) for name in where.values()):
        raise ValueError('its index has no "weight_map" of names and files.')
    if len(where) > MOST_NAMES:
        raise ValueError(f"its index lists {len(where)} arrays.")
    shards: dict[str, Arrays] = {}
    for name in sorted(set(where.values())):
        file = index.parent / name
        if os.path.basename(name) != name or not name.endswith(".safetensors") or not file.is_file():  # noqa: PTH119 - no path is wanted
            raise CommandError(f"{str(index)!r} names {printable(name[:100])!r}, which is no file beside it.")
        shards[name] = safetensors(file)
    absent = [key for key, name in where.items() if key not in shards[name]]
    if absent:
        raise CommandError(f"{str(index)!r} lists {absent[0][:100]!r}, which {where[absent[0]]!r} lacks.")
    return {key: shards[name][key] for key, name in where.items()}


def _mapped(path: Path, name: str, entry: dict[str, Any], start: int) -> npt.NDArray[Any]:
    dtype = _DTYPES.get(entry["dtype"])
    if dtype is None:
        raise CommandError(f"{name!r} in {str(path)!r} is {entry['dtype']}, expected {', '.join(FLOATING)}.")
    shape = tuple(entry["shape"])
    if 0 in shape:
        return np.empty(shape, named_dtype(dtype))
    return np.memmap(path, named_dtype(dtype), mode="r", offset=start + entry["data_offsets"][0], shape=shape)
