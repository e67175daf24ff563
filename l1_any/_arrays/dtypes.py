"""The names of dtypes, and the dtype of a result for each of them."""

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
    # Instances of NumPy's have a name, classes of NumPy's and JAX's a __name__, those of torch and strict a text.
    return getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or str(dtype).rpartition(".")[2]
