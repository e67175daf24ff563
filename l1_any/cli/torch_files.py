"""Maps the tensors of files that torch.save wrote, also in nested mappings, without running pickles."""

import importlib
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import CommandError
from .files import ALONE, MOST_NAMES, Arrays, named_dtype, needed

_DEEPEST = 50


def torch_file(path: Path) -> Arrays:
    """Return the tensors of a .pt, .pth or .ckpt file; the keys of nested mappings are joined by "/"."""
    torch = needed("torch", path, "l1_any[torch]")
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
        raise CommandError(
            f"cannot read {str(path)!r}: it holds more than plain tensors, which could run any code. If you trust "
            "it, load it in Python and save its state dict."
        ) from error
    if torch.is_tensor(loaded):
        return {ALONE: partial(_as_numpy, path, loaded)}
    if not isinstance(loaded, Mapping):
        raise CommandError(f"{str(path)!r} holds neither a tensor nor a mapping of tensors.")
    found: dict[str, Any] = {}
    for number, (name, item) in enumerate(_items(loaded)):
        if number >= MOST_NAMES:  # a small file can hold one mapping many times, in itself too
            raise ValueError(f"it holds more than {MOST_NAMES} items.")
        if torch.is_tensor(item):
            if name in found:
                raise ValueError(f"it holds two tensors named {name!r}.")
            found[name] = item
    return {name: partial(_as_numpy, path, item) for name, item in found.items()}


def _items(mapping: Mapping[Any, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    if depth > _DEEPEST:
        raise ValueError(f"its mappings are nested more than {_DEEPEST} times.")
    for key, item in mapping.items():
        name = f"{prefix}{key}"
        yield name, item
        if isinstance(item, Mapping):
            yield from _items(item, f"{name}/", depth + 1)


def _as_numpy(path: Path, loaded: Any) -> npt.NDArray[Any]:
    torch = importlib.import_module("torch")
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
