"""Reads floating-point arrays from files: memory-mapped if the format allows, and without running pickles."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import CommandError, UnavailableError, one_line
from .files import FLOATING, Arrays, chosen
from .hdf5_files import hdf5
from .memory import reserve
from .numpy_files import npy, npz
from .safetensors_files import INDEX, indexed, safetensors, sharded
from .torch_files import torch_file
from .zarr_files import zarr

_FILES: dict[str, Callable[[Path], Arrays]] = {
    ".npy": npy,
    ".npz": npz,
    ".safetensors": safetensors,
    ".pt": torch_file,
    ".pth": torch_file,
    ".ckpt": torch_file,
    ".h5": hdf5,
    ".hdf5": hdf5,
}
KINDS = ", ".join([*_FILES, ".zarr, or a folder of .safetensors"])
_REFUSED = {
    ".csv": "a text file has no dtype: read it once, for example by `np.loadtxt(file, delimiter=',')`, and save "
    "it by `np.save`.",
    ".parquet": "a table has columns of several dtypes: take the ones that you mean, for example by "
    "`pandas.read_parquet(file)['column'].to_numpy()`, and save them by `np.save`.",
    ".bin": "a pickle can run any code: if you trust it, load it with torch and save its state dict as .safetensors.",
    ".pkl": "a pickle can run any code: if you trust it, load it in Python and save the array by `np.save`.",
}


def read(path: Path, *, key: str | None = None) -> Any:
    """
    Read an array of a real or complex floating dtype.

    Parameters
    ----------
    path
        A file of a kind in `KINDS`, an index of sharded .safetensors files, or a folder with one. All but ``.npz``,
        and the chunks of ``.h5`` and ``.zarr``, are memory-mapped, so a file larger than memory can be read in parts.
    key
        The array's name in a file that holds several. Names in nested mappings and groups are joined by "/".

    Returns
    -------
    numpy.ndarray or dask.array.Array
        A NumPy array, read-only if it is memory-mapped; bfloat16 data have the dtype ``ml_dtypes.bfloat16``. A Dask
        array for a large array of a .zarr folder.

    Raises
    ------
    CommandError
        If the file is of another kind or damaged, the key is missing, or the array has another dtype. Also if it
        is made to do harm: a zip bomb, a view of more elements than are stored, a header of many megabytes.
    """
    with _errors_in_one_line(path):
        found = _open(path)
        return _floating(path, found[chosen(found, key, path)]())


def read_all(path: Path) -> Iterator[tuple[str, Any]]:
    """
    Yield the name of each array of a file, and the array; or the error of an array that cannot be read.

    Parameters
    ----------
    path
        As for `read`.

    Raises
    ------
    CommandError
        If the file cannot be read at all.
    """
    with _errors_in_one_line(path):
        found = _open(path)
        if not found:
            raise CommandError(f"{str(path)!r} holds no arrays.")
    for name, read_array in found.items():
        try:
            with _errors_in_one_line(path):
                array = _floating(path, read_array())
        except CommandError as error:
            yield name, error
        else:
            yield name, array


def _open(path: Path) -> Arrays:
    suffix = path.suffix.lower()
    if suffix in _REFUSED:
        raise CommandError(f"cannot read {str(path)!r}: {_REFUSED[suffix]}")
    if path.is_dir():
        if suffix == ".zarr" or (path / "zarr.json").is_file() or (path / ".zgroup").is_file():
            return zarr(path)
        if suffix not in _FILES:
            return sharded(path)
    reader = indexed if path.name.endswith(INDEX) else _FILES.get(suffix)
    if reader is None and suffix != ".zarr":
        raise CommandError(f"cannot read {str(path)!r}: expected a file named {KINDS}.")
    if reader is None or not path.is_file():  # a pipe or a device could make the reader wait for ever
        raise CommandError(f"cannot read {str(path)!r}: no such file.")
    return reader(path)


def _floating(path: Path, array: Any) -> Any:
    if array.dtype.name not in FLOATING:
        raise CommandError(
            f"{str(path)!r} holds {array.dtype.name}, expected one of {', '.join(FLOATING)}: "
            "cast it first, for example by `x.astype('float32')`."
        )
    native = array.dtype.newbyteorder("=")
    if not isinstance(array, np.ndarray):
        return array.astype(native)
    if not array.dtype.isnative:
        reserve(array.nbytes)
    result: npt.NDArray[Any] = np.asarray(array, dtype=native)
    return result


@contextmanager
def _errors_in_one_line(path: Path) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            # such as deprecations in a library, which do not concern the file
            warnings.simplefilter("ignore")
            yield
    except CommandError:
        raise
    except UnavailableError as error:
        raise CommandError(f"cannot read {str(path)!r}: it {error}.") from error
    except Exception as error:  # a damaged file can make its parser raise anything
        raise CommandError(f"cannot read {str(path)!r}: {one_line(error)}") from error
