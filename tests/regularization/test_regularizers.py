"""Regularizers: autodiff beside the stated gradient, dtypes, metrics of one pass, the mean of nothing, errors."""

import math

import numpy as np
import pytest
from regularizer_checks import close, number

import l1_any as l1
from l1_any.testing import kernels, to_numpy

INF, NAN = math.inf, math.nan


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
        with kernels(enabled=False):
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


def test_the_protocol():
    assert isinstance(l1.L1Regularizer(), l1.Regularizer)
    assert isinstance(l1.SoftL1Regularizer(0.1), l1.Regularizer)


class Doubled:
    """A mixin that stands before a regularizer."""

    def compute(self, data, logprobs):
        penalty, metrics = super().compute(data, logprobs)
        return 2 * penalty, metrics

    def subgradient(self, data, logprobs):
        return 2 * super().subgradient(data, logprobs)


class ByMixin(Doubled, l1.L1Regularizer):
    pass


class Own(l1.L1Regularizer):
    def compute(self, data, logprobs):
        penalty, metrics = super().compute(data, logprobs)
        return 2 * penalty, metrics

    def subgradient(self, data, logprobs):
        return 2 * super().subgradient(data, logprobs)


@pytest.mark.parametrize("kind", [ByMixin, Own])
def test_a_pipeline_calls_what_a_subclass_overrides(library, kind):
    lp = library.asarray([-1.0, -2.0], "float32")
    reg = kind(name="twice")
    _, gradient, report = l1.Pipeline(l1.L1Regularizer(), [l1.Term(reg)]).value_and_gradient(None, lp)
    assert number(report.terms["twice"].value) == number(reg.compute(None, lp)[0]) == 6
    np.testing.assert_array_equal(to_numpy(gradient), [-3, -3])
