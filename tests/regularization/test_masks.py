"""Masks that name a field: labels with padding, values to ignore, and masks that select nothing."""

import math
import re

import numpy as np
import pytest
from regularizer_checks import close, number

import l1_any as l1
from l1_any.testing import to_numpy

LABELS = [3, 0, -100, -100]
LP = [-1.0, -2.0, -4.0, -8.0]
NOTHING = {"m": [0, 0, 0, 0]}
LABELS_IN_A_MASK = re.escape("`labels != -100`")


class Tensor:
    """What converts itself, as Tinker's data do."""

    def __init__(self, values):
        self.values = values

    def to_numpy(self):
        return np.asarray(self.values)


class TestLabelsWithPadding:
    @pytest.mark.parametrize("form", [list, np.asarray, Tensor], ids=["list", "array", "object"])
    def test_they_are_no_mask(self, library, form):
        reg = l1.L1Regularizer(where="labels")
        lp = library.asarray(LP, "float32")
        for data in ({"labels": form(LABELS)}, [{"labels": form(LABELS)}]):
            logprobs = [lp] if isinstance(data, list) else lp
            with pytest.raises(ValueError, match=LABELS_IN_A_MASK) as caught:
                reg.compute(data, logprobs)
            assert "`where=('labels', -100)`" in str(caught.value)
            assert "'labels'" in str(caught.value).partition("must")[0]

    @pytest.mark.only("numpy", "torch")
    def test_arrays_of_the_library_are_no_mask(self, library):
        labels = library.asarray(LABELS, "int64")
        with pytest.raises(ValueError, match=LABELS_IN_A_MASK):
            l1.L1Regularizer(where="labels").compute({"labels": labels}, library.asarray(LP, "float32"))

    @pytest.mark.only("torch")
    def test_values_that_cannot_be_seen_are_not_looked_at(self):
        import torch

        labels, lp = torch.zeros(4, dtype=torch.int64, device="meta"), torch.zeros(4, device="meta")
        penalty, _ = l1.L1Regularizer(where="labels").compute({"labels": labels}, lp)
        assert penalty.device.type == "meta"

    @pytest.mark.only("jax", "dask")
    def test_arrays_that_would_have_to_be_waited_for_are_not_looked_at(self, library):
        labels = library.asarray(LABELS, "int32")
        penalty, _ = l1.L1Regularizer(where="labels").compute(
            {"labels": labels}, library.asarray(LP, "float32")
        )
        assert number(penalty) == 13

    def test_floats_may_be_negative(self, library):
        lp = library.asarray(LP, "float32")
        assert number(l1.L1Regularizer(where="f").compute({"f": [0.5, -0.5, 0.0, 0.0]}, lp)[0]) == 3


class TestAValueToIgnore:
    @pytest.mark.parametrize("ignored", [-100, np.int64(-100)])
    def test_it_does_not_count(self, library, ignored):
        reg = l1.L1Regularizer(where=("labels", ignored), reduce="mean")
        lp = library.asarray(LP, "float32")
        data = {"labels": LABELS}
        close(reg.compute(data, lp)[0], 1.5)
        np.testing.assert_array_equal(to_numpy(reg.subgradient(data, lp)), [-0.5, -0.5, 0, 0])

    def test_dtypes_and_examples(self, library):
        reg = l1.L1Regularizer(where=("labels", -100))
        logprobs = [library.asarray(LP, "float32"), library.asarray([-16.0], "float32")]
        dtypes = ("int32", "float32")
        data = [
            {"labels": library.asarray(row, dtype)} for row, dtype in zip([LABELS, [7]], dtypes, strict=True)
        ]
        assert number(reg.compute(data, logprobs)[0]) == 19

    def test_zero_is_a_value_too(self, library):
        reg = l1.L1Regularizer(where=("labels", 0))
        assert number(reg.compute({"labels": LABELS}, library.asarray(LP, "float32"))[0]) == 13

    def test_booleans_have_none(self, library):
        reg = l1.L1Regularizer(where=("m", -100))
        with pytest.raises(TypeError, match=r"`data\['m'\]` must be numbers to ignore -100, got booleans"):
            reg.compute({"m": [True, False, True, True]}, library.asarray(LP, "float32"))

    @pytest.mark.parametrize(
        "where", [("labels",), ("labels", "x"), ("labels", 0.5), ("labels", True), ("a", 1, 2)]
    )
    def test_other_pairs(self, where):
        with pytest.raises(
            TypeError, match=r"`where` must be a field, or a pair \(field, integer to ignore\)"
        ):
            l1.L1Regularizer(where=where)

    def test_masks_in_a_tuple_are_masks(self, library):
        masks = (library.bool([True, False, False, False]), library.bool([True]))
        logprobs = (library.asarray(LP, "float32"), library.asarray([-16.0], "float32"))
        assert number(l1.L1Regularizer(where=masks).compute(None, logprobs)[0]) == 17


class TestAnEmptySelection:
    @pytest.mark.parametrize(
        "make", [l1.L1Regularizer, lambda **options: l1.SoftL1Regularizer(0.5, **options)]
    )
    def test_zero_if_empty(self, library, make):
        lp = library.asarray(LP, "float32")
        nan, metrics = make(where="m", reduce="mean").compute(NOTHING, lp)
        assert math.isnan(number(nan))
        assert math.isnan(number(metrics["l1_mean"]))
        reg = make(where="m", reduce="mean", zero_if_empty=True)
        zero, metrics = reg.compute(NOTHING, lp)
        assert zero.dtype == nan.dtype
        assert zero.shape == ()
        assert [number(x) for x in (zero, metrics["l1_raw"], metrics["l1_mean"])] == [0, 0, 0]
        assert not to_numpy(reg.subgradient(NOTHING, lp)).any()
        assert number(reg.subgradient_norm(NOTHING, lp)) == 0
        _, report = l1.Pipeline(reg)(NOTHING, lp)
        assert number(report.total) == number(report.base.grad_norm) == 0

    def test_what_is_selected_is_as_without_it(self, library):
        for row, exact in ((LP, 1.0), ([math.nan, *LP[1:]], math.nan), ([-math.inf, *LP[1:]], math.inf)):
            reg = l1.L1Regularizer(where="m", reduce="mean", zero_if_empty=True)
            value, _ = reg.compute({"m": [1, 0, 0, 0]}, library.asarray(row, "float32"))
            np.testing.assert_array_equal(number(value), exact)

    @pytest.mark.only("torch")
    def test_the_gradient_is_zero_in_torch(self, library):
        lp = library.asarray(LP, "float32").requires_grad_()
        reg = l1.L1Regularizer(where="m", reduce="mean", zero_if_empty=True)
        reg.compute(NOTHING, lp)[0].backward()
        assert lp.grad.tolist() == [0, 0, 0, 0]

    @pytest.mark.only("jax")
    def test_the_gradient_is_zero_in_jax(self, library):
        import jax

        reg = l1.L1Regularizer(where="m", reduce="mean", zero_if_empty=True)
        lp = library.asarray(LP, "float32")
        value, gradient = jax.jit(jax.value_and_grad(lambda lp: reg.compute(NOTHING, lp)[0]))(lp)
        assert value == 0
        assert gradient.tolist() == [0, 0, 0, 0]


def test_a_regularizer_is_called_as_a_pipeline_is(library):
    lp = library.asarray(LP, "float32")
    for reg in (l1.L1Regularizer(), l1.SoftL1Regularizer(0.5)):
        assert l1.to_floats(reg(None, lp)) == l1.to_floats(reg.compute(None, lp))


@pytest.mark.parametrize("data", [None, {}, [{}]])
def test_a_missing_field_is_told_in_a_sentence(library, data):
    lp = library.asarray([LP], "float32")
    with pytest.raises(KeyError) as caught:
        l1.L1Regularizer(("delta", "r")).compute(data, lp)
    assert re.fullmatch(r"`data(\[0\])?` .*has no field 'r'.*\.", str(caught.value))
