"""Structures come back as they went in."""

import collections
import dataclasses
import types
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


@dataclasses.dataclass(frozen=True)
class Layer:
    w: object
    b: object = None


def test_standard_containers_keep_their_types(library, leaf):
    x = collections.OrderedDict(z=leaf, a=[leaf, None])
    out = l1.subgradient(x)
    assert type(out) is collections.OrderedDict
    assert list(out) == ["z", "a"]
    assert out["a"][1] is None
    out = l1.subgradient(collections.defaultdict(list, a=leaf))
    assert type(out) is collections.defaultdict
    assert out.default_factory is list
    assert to_numpy(out["a"]).tolist() == [1, -1]
    out = l1.subgradient(types.MappingProxyType({"a": leaf}))
    assert type(out) is types.MappingProxyType
    assert to_numpy(out["a"]).tolist() == [1, -1]
    out = l1.subgradient(collections.UserDict(a=leaf))
    assert type(out) is collections.UserDict
    assert to_numpy(out["a"]).tolist() == [1, -1]


def test_inputs_are_not_changed(library, leaf):
    for x in (collections.OrderedDict(a=leaf), collections.UserDict(a=leaf)):
        l1.prox(x, 1.0)
        assert x["a"] is leaf
    x = Layer(leaf)
    l1.prox(x, 1.0)
    assert x.w is leaf


def test_dataclasses(library, leaf):
    x = Layer(leaf, [leaf])
    assert to_numpy(l1.value(x)) == 6
    s = l1.subgradient(x)
    assert type(s) is Layer
    assert to_numpy(s.b[0]).tolist() == [1, -1]
    assert to_numpy(l1.value(x, where=Layer(library.bool([True, False]), None))) == 4
    assert to_numpy(l1.value(x, weights={"w": 2.0, "b": None})) == 9
    with pytest.raises(TypeError, match=r"`x.b\[0\]` must be an array"):
        l1.value(Layer(leaf, [1.0]))


def test_none_stays_none(library, leaf):
    x = {"a": None, "b": (leaf, None)}
    assert to_numpy(l1.value(x, where=None)) == 3
    s = l1.subgradient(x, where={"a": None, "b": (library.bool([True, False]), None)})
    assert s["a"] is s["b"][1] is None
    assert to_numpy(s["b"][0]).tolist() == [1, 0]


def test_pairs_of_name_and_array(library, leaf):
    for x in ({"a": leaf, "b": leaf}.items(), iter([("a", leaf), ("b", leaf)]), [("a", leaf), ("b", leaf)]):
        s = l1.subgradient(x)
        assert [name for name, _ in s] == ["a", "b"]
        assert [to_numpy(a).tolist() for _, a in s] == [[1, -1], [1, -1]]


def test_keys_without_a_mapping(library, leaf):
    class Parameters:
        def __init__(self, **arrays):
            self._arrays = arrays

        def keys(self):
            return self._arrays.keys()

        def __getitem__(self, key):
            return self._arrays[key]

        def __iter__(self):
            return iter(self._arrays)

    s = l1.subgradient(Parameters(a=leaf, b=leaf))
    assert type(s) is dict
    assert to_numpy(s["b"]).tolist() == [1, -1]


def test_a_list_that_contains_itself(library, leaf):
    x = [leaf]
    x.append({"a": x})
    with pytest.raises(TypeError, match=r"`x\[1\]\['a'\]` must not contain itself"):
        l1.value(x)
    assert to_numpy(l1.value([x[:1], x[:1]])) == 6  # the same list twice


def test_errors_name_the_leaf(library, leaf):
    x = {"enc": [leaf, {"w": leaf}]}
    where = {"enc": [None, {"w": library.bool([True, False, True])}]}
    with pytest.raises(ValueError, match=r"given by `x\['enc'\]\[1\]\['w'\]`, got shape \(3,\)"):
        l1.value(x, where=where)
    with pytest.raises(
        TypeError, match=r"`x\['enc'\]\[1\]` must have a real .*cast it first.*or leave it out"
    ):
        l1.value({"enc": [leaf, library.asarray([1], "int32")]})


@pytest.mark.only("torch")
def test_models(library):
    import torch

    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    total = sum(p.abs().sum() for p in model.parameters())
    for x in (model.parameters(), model.named_parameters(), list(model.named_parameters())):
        torch.testing.assert_close(l1.value(x), total)
    names = [name for name, _ in l1.subgradient(model.named_parameters())]
    assert names == [name for name, _ in model.named_parameters()]
    with pytest.raises(TypeError, match=r"`x\['1.num_batches_tracked'\]` .* got int64; .*`parameters\(\)`"):
        l1.value(model.state_dict())
    x = torch.nn.ParameterDict({"a": torch.ones(2), "b": torch.ones(3)})
    assert float(l1.value(x).detach()) == 5
    assert l1.subgradient(x)["b"].tolist() == [1, 1, 1]


@pytest.mark.only("torch")
def test_compiled(library, leaf):
    import torch

    compiled = torch.compile(l1.value, fullgraph=True, backend="eager")
    for x in (
        [leaf, {"a": (leaf, None)}],
        collections.OrderedDict(a=leaf),
        Layer(leaf, [leaf]),
        [("a", leaf)],
    ):
        assert compiled(x) == l1.value(x)
