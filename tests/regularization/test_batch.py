"""How a batch is read: data in every form, masks and weights in fields, errors that name example and field."""

import math
import types

import numpy as np
import pytest
from regularizer_checks import close, number

import l1_any as l1
from l1_any.testing import to_numpy

INF, NAN = math.inf, math.nan


class Tensor:
    """A field value as a fine-tuning SDK has it."""

    def __init__(self, values):
        self.values = np.asarray(values, "float32")

    def to_numpy(self):
        return self.values


def examples(library, form):
    """Two examples of different length with a reference, in each of the accepted forms."""
    rows = [[-1.0, -2.0], [-0.5]]
    values = {
        "lists": rows,
        "arrays": [library.asarray(row, "float32") for row in rows],
        "numpy": [np.asarray(row) for row in rows],
        "objects": [Tensor(row) for row in rows],
    }[form.partition(" in ")[0]]
    match form.partition(" in ")[2]:
        case "mappings":
            return [{"reference": value} for value in values]
        case "loss_fn_inputs":
            return [types.SimpleNamespace(loss_fn_inputs={"reference": value}) for value in values]
    return {"reference": values}


@pytest.mark.parametrize("container", ["mappings", "loss_fn_inputs", "columns"])
@pytest.mark.parametrize("value", ["lists", "arrays", "numpy", "objects"])
def test_data_in_every_form(library, value, container):
    data = examples(library, f"{value} in {container}")
    logprobs = [library.asarray([-1.5, -2.0], "float32"), library.asarray([-0.25], "float32")]
    reg = l1.L1Regularizer(("delta", "reference"), "mean")
    penalty, metrics = reg.compute(data, logprobs)
    assert l1.to_floats([penalty, metrics["l1_raw"], metrics["l1_mean"]]) == [0.25, 0.75, 0.25]
    for g, expected in zip(reg.subgradient(data, logprobs), ([-1, 0], [1]), strict=True):
        close(g, np.asarray(expected) / 3)


def test_one_array_has_one_example_a_row(library):
    logprobs = library.asarray([[-1.0, -2.0], [-3.0, -4.0]], "float32")
    data = [{"reference": [-1.0, -1.0], "weights": [1, 1]}, {"reference": [-1.0, 0.0], "weights": [0, 2]}]
    reg = l1.L1Regularizer(("delta", "reference"), where="weights")
    assert number(reg.compute(data, logprobs)[0]) == 5
    np.testing.assert_array_equal(to_numpy(reg.subgradient(data, logprobs)), [[0, -1], [0, -1]])


def test_masks_and_weights_as_arrays_and_fields(library):
    lp = library.asarray([-1.0, -2.0, -INF], "float32")
    mask, weights = library.bool([True, True, False]), library.asarray([0.5, 2.0, 1.0], "float32")
    data = {"m": [1, 5, 0], "w": [0.5, 2.0, 1.0]}
    for reg in (
        l1.L1Regularizer(where=mask, weights=weights),
        l1.L1Regularizer(where="m", weights="w"),
    ):
        penalty, metrics = reg.compute(data, lp)
        assert l1.to_floats([penalty, metrics["l1_raw"], metrics["l1_mean"]]) == [4.5, 4.5, 2.25]
        np.testing.assert_array_equal(to_numpy(reg.subgradient(data, lp)), [-0.5, -2, 0])
        close(reg.subgradient_norm(data, lp), math.hypot(0.5, 2))


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (None, KeyError, "None"),
        ([{"r": [0.0, 0.0]}, {}], KeyError, r"data\[1\].*'r'"),
        ([{"r": [0.0, 0.0]}, {"r": [0.0, 1.0]}], ValueError, r"data\[1\]\['r'\].*\(1,\).*\(2,\)"),
        ([{"r": [0.0, 0.0]}], ValueError, "one example for each of the 2 arrays"),
        ({"r": [[0.0, 0.0]]}, ValueError, r"data\['r'\].*2 arrays"),
        ({"r": "text"}, TypeError, r"data\['r'\]"),
        ([{"r": [0.0, 0.0]}, {"r": ["a"]}], TypeError, r"data\[1\]\['r'\]"),
        ([{"r": [0.0, 0.0]}, {"r": [[1.0], [1.0, 2.0]]}], TypeError, r"data\[1\]\['r'\]"),
        ([{"r": [0.0, 0.0]}, 3], TypeError, r"data\[1\].*int"),
        (3, TypeError, "`data`.*int"),
    ],
)
def test_errors_name_example_and_field(library, data, error, message):
    logprobs = [library.asarray([-1.0, -1.0], "float32"), library.asarray([-1.0], "float32")]
    with pytest.raises(error, match=message):
        l1.L1Regularizer(("delta", "r")).compute(data, logprobs)


def test_errors_of_arrays(library):
    lp = library.asarray([-1.0, -1.0], "float32")
    with pytest.raises(TypeError, match=r"data\['f'\].*int32"):
        l1.L1Regularizer(("field", "f")).compute({"f": library.asarray([1, 2], "int32")}, lp)
    with pytest.raises(ValueError, match="one example for each row"):
        l1.L1Regularizer(("delta", "r")).compute([{"r": [0.0, 0.0]}] * 3, lp)
    with pytest.raises(TypeError, match="`reference`"):
        l1.L1Regularizer(("delta", [1.0, 2.0])).compute(None, [lp, lp])
    with pytest.raises(TypeError, match="`logprobs`"):
        l1.L1Regularizer().compute(None, "text")
    if "complex64" in library.dtypes:
        with pytest.raises(TypeError, match="`logprobs` must be real"):
            l1.L1Regularizer().compute(None, library.asarray([1j], "complex64"))
