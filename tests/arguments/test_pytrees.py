"""Structures come back as they went in."""

import collections
import typing

import numpy as np
import pytest

import l1_any as l1
from l1_any.testing import to_numpy


class Pair(typing.NamedTuple):
    first: object
    second: object


@pytest.fixture
def leaf(library):
    return library.asarray(np.asarray([1.0, -2.0], np.float32))


@pytest.mark.parametrize(
    "make",
    [
        lambda a: a,
        lambda a: [a, a],
        lambda a: (a,),
        lambda a: {"w": a, "b": [a, (a, {"c": a})]},
        lambda a: Pair(a, [a]),
        lambda a: collections.OrderedDict(z=a, a=a),
    ],
)
def test_same_structure(library, make, leaf):
    def same(s, x):
        if type(x) is type(leaf):
            assert to_numpy(s).tolist() == [1, -1]
        elif isinstance(x, dict):
            assert list(s) == list(x)
            assert [same(s[k], x[k]) for k in x]
        else:
            assert type(s) is type(x)
            assert [same(a, b) for a, b in zip(s, x, strict=True)]
        return True

    x = make(leaf)
    assert same(l1.subgradient(x), x)
    assert same(l1.value_and_subgradient(x)[1], x)


@pytest.mark.parametrize(
    "make", [iter, lambda a: (each for each in a), lambda a: dict(enumerate(a)).values()]
)
def test_iterables_are_read_once(library, make, leaf):
    v, s = l1.value_and_subgradient(make([leaf, leaf]))
    assert to_numpy(v) == 6
    assert isinstance(s, list)
    assert to_numpy(l1.value(make([leaf, leaf]), reduce="mean")) == 1.5


def test_mask_and_weights_by_leaf(library, leaf):
    mask = library.bool([True, False])
    x = {"a": leaf, "b": [leaf, leaf]}
    v = l1.value(x, where={"b": [mask, None], "a": mask}, weights={"a": 2.0, "b": None})
    assert to_numpy(v) == 2 + 1 + 3
    n = l1.value(x, reduce="mean", where={"a": mask, "b": None})
    assert to_numpy(n) == np.float32(7 / 5)


def test_mixed_dtypes_promote(library):
    if not {"float32", "float64"} <= set(library.dtypes):
        half = library.asarray([1.0], library.dtypes[0])
        assert (
            l1.value([half, library.asarray([2.0], "float32")]).dtype == library.asarray(0, "float32").dtype
        )
        return
    x = [library.asarray([0.1], "float32"), library.asarray([0.1], "float64")]
    v = l1.value(x)
    assert to_numpy(v).dtype == np.float64
    assert to_numpy(v) == float(np.float32(0.1)) + 0.1
    assert [a.dtype for a in l1.subgradient(x)] == [a.dtype for a in x]


def test_no_leaf_is_empty_of_a_mean(library, leaf):
    empty = leaf[:0]
    assert to_numpy(l1.value([empty, leaf], reduce="mean")) == 1.5
    with pytest.raises(ValueError, match="`x` is empty"):
        l1.value([empty, empty], reduce="mean")


@pytest.mark.only("torch")
def test_model_parameters(library):
    import torch

    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1, dtype=torch.float32))
    l1.value(model.parameters(), reduce="mean").backward()
    n = sum(p.numel() for p in model.parameters())
    for p in model.parameters():
        assert torch.equal(p.grad, p.detach().sign() / n)
    named = dict(model.named_parameters())
    assert list(l1.subgradient(named)) == list(named)
