"""Validate the docstrings of all public functions, classes and methods, as `[tool.numpydoc_validation]` says."""

import importlib
import inspect
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from numpydoc.validate import get_validation_checks, validate

# `l1_any.optim` needs torch and JAX: `numpydoc lint` reads its files without importing them.
MODULES = ("l1_any", "l1_any.schedules", "l1_any.testing", "l1_any.tinker")


def public_names(module: str) -> Iterator[str]:
    """Yield the names of functions and classes in ``__all__``, and of what each class defines itself."""
    parent, _, last = module.rpartition(".")
    holder = getattr(importlib.import_module(parent), last, None) if parent else None
    holder = holder or importlib.import_module(module)
    for name in holder.__all__:
        if name == "optim":
            continue
        found = getattr(holder, name)
        if inspect.isclass(found):
            yield f"{module}.{name}"
            yield from (f"{module}.{name}.{member}" for member in _members(found))
        elif inspect.isfunction(found):
            yield f"{module}.{name}"


def _members(cls: type) -> Iterator[str]:
    for name in dir(cls):
        member = inspect.getattr_static(cls, name)
        is_own = str(getattr(member, "__module__", "")).startswith("l1_any") and inspect.isfunction(member)
        if is_own and (name == "__call__" or not name.startswith("_")):
            yield name


def main() -> None:
    """Print what numpydoc finds; exit with 1 if that is anything."""
    settings = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "numpydoc_validation"
    ]
    checks = get_validation_checks(set(settings["checks"]))
    excluded = re.compile("|".join(settings["exclude"]))
    names = [name for module in MODULES for name in public_names(module) if not excluded.search(name)]
    found = [
        f"{name}: {code} {message}"
        for name in names
        for code, message in validate(name)["errors"]
        if code in checks
    ]
    print("\n".join([*found, f"numpydoc validated {len(names)} public names and found {len(found)} errors."]))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
