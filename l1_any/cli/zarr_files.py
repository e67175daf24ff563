"""Reads the arrays of .zarr folders through Dask, so that an array may be larger than memory."""

import importlib
import json
import math
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .errors import CommandError
from .files import ALONE, Arrays, needed, refuse_bomb
from .memory import reserve

_IN_MEMORY = 1 << 28
_MOST_CHUNKS = 1_000_000
_MOST_EXPANDED = 1000  # chunks that were never written take no place; more than this is taken for a trap
_LONGEST_METADATA = 1 << 20
_SAFE_CODECS = {
    *("blosc", "zlib", "gzip", "zstd", "lz4", "bz2", "lzma", "shuffle", "delta", "bitround"),
    *("crc32", "crc32c", "adler32", "fletcher32", "bytes", "transpose", "sharding_indexed"),
}
"""Codecs that turn bytes into bytes; others, such as `pickle`, can run code."""


def zarr(folder: Path) -> Arrays:
    """Return the arrays of a .zarr folder, of version 2 or 3; it may be an array, or groups of arrays."""
    needed("zarr", folder, "l1_any[files]")
    needed("dask", folder, "l1_any[dask]")
    found: Arrays = {}
    for place, metadata in _metadata(folder):
        found[place] = partial(_array, folder / place, metadata)
    if not found:
        raise CommandError(f"{str(folder)!r} holds no arrays.")
    return found


def _metadata(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the path of each array within the folder, and its metadata; refuse what is no folder or regular file."""
    count = 0
    for parent, folders, files in os.walk(folder):
        count += len(folders) + len(files)
        if count > 10 * _MOST_CHUNKS:
            raise ValueError(f"it holds more than {10 * _MOST_CHUNKS} files.")
        with os.scandir(parent) as entries:  # a link could lead to a device, which is read for ever
            for entry in entries:
                if not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)):
                    raise ValueError(f"{entry.name!r} is no regular file.")
        for name in ("zarr.json", ".zarray"):
            if name not in files:
                continue
            file = Path(parent, name)
            if file.stat().st_size > _LONGEST_METADATA:
                raise ValueError(f"{name} has {file.stat().st_size} bytes.")
            content = json.loads(file.read_text(encoding="utf-8"))
            if not isinstance(content, dict):
                raise TypeError(f"{name} is no mapping.")
            if name == ".zarray" or content.get("node_type") == "array":
                place = Path(parent).relative_to(folder).as_posix()
                yield ALONE if place == "." else place, content
                folders.clear()  # its chunks
                break


def _array(folder: Path, metadata: dict[str, Any]) -> Any:
    refused = set(_codecs(metadata)) - _SAFE_CODECS
    if refused:
        raise ValueError(f"its codecs {', '.join(map(repr, sorted(refused)))} are not read here.")
    zarr, da = importlib.import_module("zarr"), importlib.import_module("dask.array")
    version = 2 if "zarr_format" in metadata and metadata["zarr_format"] == 2 else 3  # noqa: PLR2004
    array = zarr.open_array(str(folder), mode="r", zarr_format=version)
    if array.dtype.kind not in "fc":
        return np.empty(0, array.dtype)  # refused by its dtype, without reading it
    size = math.prod(array.shape) * array.dtype.itemsize
    chunks = math.prod(
        math.ceil(n / max(chunk, 1)) for n, chunk in zip(array.shape, array.chunks, strict=True)
    )
    if chunks > _MOST_CHUNKS:
        raise ValueError(f"it has {chunks} chunks, at most {_MOST_CHUNKS} are read.")
    reserve(math.prod(array.chunks) * array.dtype.itemsize)
    stored = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    if size <= _IN_MEMORY:
        refuse_bomb(math.prod(array.chunks) * array.dtype.itemsize, stored)
        return np.asarray(array[...])
    if size > max(1 << 30, _MOST_EXPANDED * stored):
        raise ValueError(f"{size / 1e9:.1f} GB are stored in {stored / 1e6:.1f} MB: chunks are missing.")
    return da.from_array(array, chunks="auto", name=False)


def _codecs(metadata: dict[str, Any]) -> Iterator[str]:
    """Yield the names of all codecs of an array, those within other codecs too."""
    pending: list[Any] = [metadata.get(name) for name in ("compressor", "filters", "codecs")]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending += item
        elif isinstance(item, dict):
            yield from (str(item[name]) for name in ("name", "id") if name in item)  # version 3, version 2
            options = item.get("configuration")
            if isinstance(options, dict):
                pending += [options.get("codecs"), options.get("index_codecs")]
