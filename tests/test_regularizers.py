"""The contract's rows on regularizers: targets, masks, data in every form, metrics, special values, errors."""

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


def test_a_list_of_two_references_is_no_uniform(library):
    logprobs = [library.asarray([-1.0, -2.0], "float32"), library.asarray([-3.0, -4.0], "float32")]
    reg = l1.L1Regularizer(("delta", logprobs))
    assert number(reg.compute(None, logprobs)[0]) == 0


@pytest.mark.parametrize(
    ("target", "penalty", "gradient"),
    [
        ("logprobs", INF, [-1, 0]),
        ("probs", 1, [0, 1]),
        (("delta", l1.Uniform(2)), INF, [-1, 1]),
        (l1.Delta(l1.Uniform(1)), INF, [-1, 0]),
    ],
)
def test_log_probabilities_of_minus_infinity(library, target, penalty, gradient):
    lp, reg = library.asarray([-INF, 0.0], "float32"), l1.L1Regularizer(target)
    assert number(reg.compute(None, lp)[0]) == penalty
    np.testing.assert_array_equal(to_numpy(reg.subgradient(None, lp)), gradient)
    close(reg.subgradient_norm(None, lp), np.linalg.norm(gradient))


@pytest.mark.only("torch", "jax")
@pytest.mark.parametrize("target", ["probs", ("delta", "r")])
def test_autodiff_where_nan_lies_under_the_mask(library, target):
    lp = library.asarray([NAN, -INF, -1.0], "float32")
    data = {"m": library.bool([False, False, True]), "r": library.asarray([0.0, -INF, -2.0], "float32")}
    reg = l1.L1Regularizer(target, where="m")
    if library.name == "torch":
        lp.requires_grad_()
        reg.compute(data, lp)[0].backward()
        gradient = lp.grad
    else:
        import jax

        gradient = jax.grad(lambda lp: reg.compute(data, lp)[0])(lp)
    np.testing.assert_array_equal(to_numpy(gradient), to_numpy(reg.subgradient(data, lp)))
    assert np.isfinite(to_numpy(gradient)).all()


def test_result_dtypes(library):
    for dtype in library.dtypes:
        if dtype.startswith("complex"):
            continue
        lp = library.asarray([-1.0, -2.0], dtype)
        for target in ("logprobs", "probs", ("delta", "r")):
            reg = l1.L1Regularizer(target, "mean")
            penalty, metrics = reg.compute({"r": [0.0, 0.0]}, lp)
            expected = library.asarray([0.0], "float64" if dtype == "float64" else "float32").dtype
            assert {penalty.dtype, metrics["l1_raw"].dtype, metrics["l1_mean"].dtype} == {expected}
            assert reg.subgradient({"r": [0.0, 0.0]}, lp).dtype == lp.dtype


def test_the_mean_of_nothing(library):
    lp = library.asarray([-1.0], "float32")
    metrics = l1.L1Regularizer(where="m").compute({"m": [0]}, lp)[1]
    assert number(metrics["l1_raw"]) == 0
    assert math.isnan(number(metrics["l1_mean"]))
    mean = l1.L1Regularizer(reduce="mean", where="m")
    assert math.isnan(number(mean.compute({"m": [0]}, lp)[0]))
    assert to_numpy(mean.subgradient({"m": [0]}, lp)).tolist() == [0]
    assert number(mean.subgradient_norm({"m": [0]}, lp)) == 0
    empty = library.asarray(np.empty(0, "float32"))
    penalty, metrics = l1.L1Regularizer().compute(None, empty)
    assert number(penalty) == 0
    assert math.isnan(number(metrics["l1_mean"]))
    with pytest.raises(ValueError, match="empty"):
        l1.L1Regularizer(reduce="mean").compute(None, empty)


def test_a_field_is_data(library):
    data = [{"f": library.asarray([[1.0, -2.0]], "float32")}, {"f": library.asarray([3.0], "float32")}]
    logprobs = [library.asarray([-1.0], "float32")] * 2
    reg = l1.L1Regularizer(("field", "f"))
    assert number(reg.compute(data, logprobs)[0]) == 6
    assert not any(to_numpy(g).any() for g in reg.subgradient(data, logprobs))
    assert number(reg.subgradient_norm(data, logprobs)) == 0


@pytest.mark.only("torch")
def test_metrics_are_constants_and_fields_differentiable(library):
    field = library.asarray([1.0, -2.0], "float32").requires_grad_()
    penalty, metrics = l1.L1Regularizer(("field", "f")).compute(
        {"f": field}, library.asarray([-1.0], "float32")
    )
    assert not metrics["l1_raw"].requires_grad
    penalty.backward()
    assert field.grad.tolist() == [1, -1]


class Counted(np.ndarray):
    """Counts how often it is cut."""

    cuts = 0

    def __getitem__(self, key):
        Counted.cuts += 1
        return super().__getitem__(key)


@pytest.mark.only("numpy")
@pytest.mark.parametrize("masked", [False, True])
def test_metrics_come_from_the_pass_that_makes_the_penalty(library, masked):
    lp = -np.ones(2_000_000, "float32")
    where = library.bool(lp < 0) if masked else None
    cuts = []
    for reg in (l1.L1Regularizer(where=where), l1.SoftL1Regularizer(0.5, where=where)):
        Counted.cuts = 0
        metrics = reg.compute(None, lp.view(Counted))[1]
        assert number(metrics["l1_raw"]) == lp.size
        cuts.append(Counted.cuts)
    assert cuts[0] == cuts[1] > 1


def test_a_soft_penalty_of_several_blocks(library):
    lp = np.random.default_rng(1).standard_normal((700, 1100)).astype("float32")
    mask = lp > -1
    reg = l1.SoftL1Regularizer(0.5, reduce="mean", where=library.bool(mask), weights=2.0)
    x = library.asarray(lp)
    if library.name == "torch":
        x.requires_grad_()
    penalty, metrics = reg.compute(None, x)
    a = np.abs(lp[mask].astype(float))
    close(penalty, 2 * np.where(a <= 0.5, a * a, a - 0.25).mean())
    close(metrics["l1_raw"], 2 * a.sum(), rtol=2e-7)
    close(metrics["l1_mean"], 2 * a.mean())
    if library.name == "torch":
        assert not metrics["l1_raw"].requires_grad
        penalty.backward()
        np.testing.assert_array_equal(to_numpy(x.grad), to_numpy(reg.subgradient(None, x)))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"target": "logits"}, ValueError, "`target`"),
        ({"target": ("delta",)}, ValueError, "`target`"),
        ({"target": 3}, TypeError, "`target`"),
        ({"target": ("delta", ("uniform", 0))}, ValueError, "`vocabulary_size`"),
        ({"reduce": "max"}, ValueError, "`reduce`"),
        ({"weights": -1.0}, ValueError, "`weights`"),
        ({"name": ""}, TypeError, "`name`"),
    ],
)
def test_errors_at_construction(options, error, message):
    with pytest.raises(error, match=message):
        l1.L1Regularizer(**options)


def test_a_soft_width_must_be_a_number():
    with pytest.raises(ValueError, match="`delta`"):
        l1.SoftL1Regularizer(-1.0)


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


def test_to_floats(library):
    nest = {"a": library.asarray(1.5, "float32"), "b": [library.asarray(2, "int32"), None], "c": 3}
    assert l1.to_floats(nest) == {"a": 1.5, "b": [2.0, None], "c": 3.0}
    with pytest.raises(ValueError, match=r"tree\['a'\]"):
        l1.to_floats({"a": library.asarray([1.0, 2.0], "float32")})
    with pytest.raises(TypeError, match=r"tree\['a'\]"):
        l1.to_floats({"a": "text"})


def test_the_protocol():
    assert isinstance(l1.L1Regularizer(), l1.Regularizer)
    assert isinstance(l1.SoftL1Regularizer(0.1), l1.Regularizer)
