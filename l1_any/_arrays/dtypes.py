"""The names of dtypes, and the dtype of the result for each of them."""

from l1_any._typing import DType

RESULT_DTYPES = {
    "float16": "float32",
    "bfloat16": "float32",
    "float32": "float32",
    "float64": "float64",
    "complex64": "float32",
    "complex128": "float64",
}
"""The dtype of a reduction, for each dtype that the package accepts."""


def dtype_name(dtype: DType) -> str:
    """Return the standard's name of a dtype."""
    # NumPy's dtype objects have a `name`; type classes of NumPy and JAX have a `__name__`; dtypes of torch and
    # array-api-strict have neither, but their str() ends with the name.
    return getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or str(dtype).rpartition(".")[2]
