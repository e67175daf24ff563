"""What to pass in the place of a value that is neither an array nor a pytree of arrays.

Types are recognized by the names of their modules and by their methods, so that no library is imported or named.
"""

import numbers
from collections.abc import Iterable, Iterator

from l1_any._arrays import containers


def hint(value: object) -> str:
    """Return the end of an error, such as "; pass `np.asarray` of it", or ""."""
    advice = containers.instead_of(type(value))
    if advice:
        return f"; pass {advice}"
    if isinstance(value, numbers.Number):
        return "; make an array of numbers first, by `np.asarray`"
    if not isinstance(value, Iterable) and hasattr(value, "named_parameters"):
        return "; pass the model's `parameters()`"
    return ""


def why_empty(tree: object) -> str:
    """Return the end of an error for a pytree without arrays: an iterator gives its arrays only once."""
    return (
        "an iterator without arrays; was it already consumed?"
        if isinstance(tree, Iterator)
        else "an empty structure."
    )
