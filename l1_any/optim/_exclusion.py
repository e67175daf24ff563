"""Excludes parameters from L1: by patterns of their names, or by a function."""

import fnmatch
from collections.abc import Callable, Iterable, Sequence

import torch

Exclusion = str | Sequence[str] | Callable[[str | None, torch.Tensor], bool]


def is_excluded(exclude: Exclusion | None, name: str | None, p: torch.Tensor, where: str) -> bool:
    """Whether a parameter is excluded. Its name is None if the optimizer knows no names."""
    if exclude is None:
        return False
    if callable(exclude):
        return bool(exclude(name, p))
    if name is None:
        raise _without_names(where)
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in _patterns(exclude))


def check_patterns(exclude: Exclusion | None, names: Sequence[str]) -> None:
    """Raise an error for a pattern that matches none of the names."""
    for pattern in () if exclude is None or callable(exclude) else _patterns(exclude):
        if not names:
            raise _without_names("`inner_optimizer`")
        if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
            raise ValueError(f"`exclude` must fit the name of a parameter, got {pattern!r} for {names}.")


def _without_names(where: str) -> ValueError:
    return ValueError(
        f"`exclude` must be a function where parameters have no names, as in {where}, got a pattern; "
        "give the inner optimizer model.named_parameters()."
    )


def _patterns(exclude: str | Sequence[str]) -> Iterable[str]:
    patterns = (exclude,) if isinstance(exclude, str) else exclude
    if not isinstance(patterns, Sequence) or not all(isinstance(pattern, str) for pattern in patterns):
        raise TypeError(f"`exclude` must be a pattern, several or a function, got {exclude!r}.")
    return patterns
