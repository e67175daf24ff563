"""A new array library is one class and one row: a library from outside the package passes the contract."""

import numpy as np
import pytest

import l1_any as l1
from l1_any._arrays import lookup
from l1_any._arrays.standard import ArrayOps
from l1_any.testing import check_contract, to_numpy

pytestmark = pytest.mark.only("strict")  # whose arrays the toy library holds


@pytest.fixture
def toy():
    import toy_library

    return toy_library


@pytest.fixture
def registered(toy):
    with lookup.registered(toy.ROW):
        yield toy


@pytest.mark.parametrize(("device", "dtypes"), [("big", None), ("small", ("float32", "complex64"))])
def test_the_contract_holds(registered, device, dtypes):
    check_contract(registered, device=device, dtypes=dtypes)
    if device == "big":
        check_contract(registered, device=device, dtypes=("complex64", "complex128"))


def test_it_does_not_hold_without_the_row(toy):
    with pytest.raises(AssertionError, match=r"subgradient\(\[nan"):
        check_contract(toy)


@pytest.mark.parametrize(
    ("override", "device", "failure"),
    [
        ("sign", "big", (AssertionError, r"subgradient\(\[nan")),
        ("sum", "big", (AttributeError, "'ToyScalar' object has no attribute")),
        ("accumulator_of", "small", (TypeError, "no float64 on this device")),
    ],
)
def test_each_difference_needs_its_method(toy, monkeypatch, override, device, failure):
    monkeypatch.setattr(toy.ToyOps, override, getattr(ArrayOps, override))
    error, message = failure
    with lookup.registered(toy.ROW), pytest.raises(error, match=message):
        check_contract(toy, device=device, dtypes=("float32",))


def test_a_row_is_gone_when_its_context_is_left(toy):
    x = toy.asarray([1.0, -2.0])
    with lookup.registered(toy.ROW):
        assert type(lookup.find(x)) is toy.ToyOps
    assert type(lookup.find(x)) is ArrayOps
    assert toy.ROW not in lookup.LIBRARIES


def test_a_later_row_counts_before_an_earlier_one(toy, monkeypatch):
    class Own(toy.ToyOps):
        pass

    monkeypatch.setattr(toy, "Own", Own, raising=False)
    x = toy.asarray([1.0, -2.0])
    with lookup.registered(toy.ROW):
        assert type(lookup.find(x)) is toy.ToyOps
        with lookup.registered(toy.ROW._replace(ops="toy_library:Own")):
            assert type(lookup.find(x)) is Own
        assert type(lookup.find(x)) is toy.ToyOps


FUNCTIONS = {
    "value": lambda x, mask, w: l1.value(x, where=mask, weights=w, reduce="mean"),
    "along an axis": lambda x, mask, w: l1.value(x, axis=0, reduce="mean", keepdims=True),
    "norm": lambda x, mask, w: l1.subgradient_norm(x, where=mask, weights=w),
    "prox": lambda x, mask, w: l1.prox(x, 0.3, where=mask, weights=w),
    "project": lambda x, mask, w: l1.project(x, 1.5),
    "project, weights": lambda x, mask, w: l1.project(x, 1.5, axis=1, weights=w),
    "prox_max": lambda x, mask, w: l1.prox_max(x, 1.5, axis=1),
    "group": lambda x, mask, w: l1.group_value(x, axis=1),
    "prox_group": lambda x, mask, w: l1.prox_group(x, 0.5, axis=1),
    "huber": lambda x, mask, w: l1.huber(x, 0.5, where=mask),
    "strength_max": lambda x, mask, w: l1.strength_max(x),
    "distance": lambda x, mask, w: l1.subdiff_distance(x, x, 0.5),
    "regularizer": lambda x, mask, w: l1.L1Regularizer("probs", "mean").compute(None, x)[0],
    "metrics": lambda x, mask, w: l1.L1Regularizer().compute(None, x)[1]["l1_mean"],
    "pipeline": lambda x, mask, w: l1.Pipeline(l1.L1Regularizer())(None, x)[1].total_grad_norm,
}


@pytest.mark.parametrize("device", ["big", "small"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_are_those_of_numpy(registered, name, device):
    values = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)
    mask, w = values[:, :1] > 0, np.abs(values[0])
    x, w_, m = (
        registered.asarray(each.tolist(), dtype=dtype, device=device)
        for each, dtype in [(values, registered.float32), (w, registered.float32), (mask, registered.bool)]
    )
    found = FUNCTIONS[name](x, m, w_)
    assert type(found) is registered.ToyArray
    assert found.device == device
    np.testing.assert_allclose(to_numpy(found), FUNCTIONS[name](values, mask, w), rtol=1e-6, atol=1e-6)


def test_errors_name_the_library(registered):
    x = registered.asarray([1.0, -2.0])
    with pytest.raises(TypeError, match="must be of the library of `x`, toy_library, got numpy"):
        l1.value(x, weights=np.ones(2))
    with pytest.raises(ValueError, match="must be on the device of `x`, big, got small"):
        l1.value(x, where=registered.asarray([True, False], device="small"))
