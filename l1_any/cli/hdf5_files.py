"""Reads the datasets of .h5 files: mapped if they lie in one piece, else in memory."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .files import MOST_NAMES, Arrays, needed, refuse_bomb


def hdf5(path: Path) -> Arrays:
    """Return the datasets of an HDF5 file, in groups too; links to other files are not followed."""
    h5py = needed("h5py", path, "l1_any[files]")
    found: Arrays = {}

    def visit(name: str, item: Any) -> None:
        if len(found) >= MOST_NAMES:
            raise ValueError(f"it holds more than {MOST_NAMES} datasets.")
        if isinstance(item, h5py.Dataset):
            found[name] = partial(_dataset, path, name)

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


def _dataset(path: Path, name: str) -> npt.NDArray[Any]:
    h5py = needed("h5py", path, "l1_any[files]")
    with h5py.File(path, "r") as file:
        dataset = file[name]
        if dataset.external or dataset.is_virtual:
            raise ValueError(f"{name!r} lies in other files.")
        if dataset.dtype.kind not in "fc":
            return np.empty(0, dataset.dtype)  # refused by its dtype, without reading it
        offset = dataset.id.get_offset()
        size = int(np.prod(dataset.shape, dtype=object)) * dataset.dtype.itemsize
        if dataset.chunks is None and offset is not None and size:
            return np.memmap(path, dataset.dtype, mode="r", offset=offset, shape=dataset.shape)
        refuse_bomb(size, dataset.id.get_storage_size())
        return np.asarray(dataset[()])
