"""Pytrees that JAX, torch or optree know come back as what they are; matrices and frames are refused."""

import collections
import dataclasses
import subprocess
import sys
import typing

import equinox
import flax.core
import jax
import jax.numpy as jnp
import keras
import numpy as np
import pandas as pd
import pint
import polars as pl
import pytest
import scipy.sparse
import sparse
import tensordict
import torch
import xarray as xr
from flax import nnx
from jax.experimental import sparse as jax_sparse
from torch.utils import _pytree

import l1_any as l1

A = jnp.asarray([1.5, -0.5, 0.0])
SHRUNK = [0.5, 0.0, 0.0]


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Registered:
    w: typing.Any
    name: str = dataclasses.field(default="layer", metadata={"static": True})


@jax.tree_util.register_pytree_with_keys_class
class Keyed:
    def __init__(self, w):
        self.w = w

    def tree_flatten_with_keys(self):
        return [(jax.tree_util.GetAttrKey("w"), self.w)], None

    @classmethod
    def tree_unflatten(cls, _, children):
        return cls(*children)


class Linear(equinox.Module):
    weight: typing.Any
    bias: typing.Any
    size: int = equinox.field(static=True)


TREES = {
    "OrderedDict": collections.OrderedDict(b=A, a=[A, None]),
    "defaultdict": collections.defaultdict(list, b=A, a=(A,)),
    "FrozenDict": flax.core.freeze({"a": A, "b": {"c": A}}),
    "nnx.State": nnx.state(nnx.Linear(2, 3, rngs=nnx.Rngs(0))),
    "registered dataclass": Registered([A, A]),
    "keyed class": Keyed({"a": A}),
    "equinox": Linear(A, None, 3),
    "None": {"a": None, "b": [A, None]},
    "named tuple of optax": typing.NamedTuple("State", [("mu", typing.Any), ("nu", typing.Any)])(A, {"a": A}),
}


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_structure_is_kept(tree):
    structure = jax.tree.structure(tree)
    for out in (l1.prox(tree, 1.0), l1.subgradient(tree), l1.value_and_subgradient(tree)[1]):
        assert jax.tree.structure(out) == structure
        assert type(out) is type(tree)
    expected = [l1.prox(leaf, 0.1) for leaf in jax.tree.leaves(tree)]
    for got, right in zip(jax.tree.leaves(l1.prox(tree, 0.1)), expected, strict=True):
        assert got.tolist() == right.tolist()
    assert float(l1.value(tree)) == float(l1.value(jax.tree.leaves(tree)))


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_scan_and_jit_take_the_result(tree):
    jax.lax.scan(lambda carry, _: (l1.prox(carry, 0.1), None), tree, None, length=2)
    own = jax.jit(l1.subgradient)(tree)
    assert jax.tree.structure(own) == jax.tree.structure(tree)
    g = jax.grad(l1.value)(tree)
    assert jax.tree.structure(g) == jax.tree.structure(tree)


def test_masks_and_weights_by_name():
    x = Registered({"a": A, "b": A})
    mask = jnp.asarray([True, False, True])
    assert float(l1.value(x, where={"w": {"a": mask, "b": None}})) == 3.5
    assert float(l1.value(flax.core.freeze({"a": A}), where={"a": mask}, weights={"a": 2.0})) == 3.0
    with pytest.raises(
        ValueError, match=r"`where` must broadcast to the shape \(3,\), given by `x.w\['b'\]`"
    ):
        l1.value(x, where=Registered({"a": None, "b": jnp.ones(2, bool)}))


def test_what_optree_knows():
    code = """
import collections, sys
import numpy as np, optree
import l1_any as l1
x = collections.deque([np.asarray([1.5, -0.5])], maxlen=3)
out = l1.prox(x, 1.0)
assert type(out) is collections.deque and out.maxlen == 3, out
assert out[0].tolist() == [0.5, 0.0]
assert not {"jax", "torch"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_torch_knows():
    class Output:
        def __init__(self, logits):
            self.logits = logits

    _pytree.register_pytree_node(
        Output,
        lambda o: ([o.logits], None),
        lambda values, _: Output(*values),
        flatten_with_keys_fn=lambda o: ([(_pytree.GetAttrKey("logits"), o.logits)], None),
    )
    out = l1.prox(Output(torch.tensor([1.5, -0.5, 0.0])), 1.0)
    assert type(out) is Output
    assert out.logits.tolist() == SHRUNK
    with pytest.raises(TypeError, match=r"`x.logits` must have a real or complex floating dtype"):
        l1.value(Output(torch.tensor([1])))


def test_a_tensordict_is_a_pytree():
    x = tensordict.TensorDict({"a": torch.tensor([1.5, -0.5, 0.0])}, [3])
    out = l1.prox(x, 1.0)
    assert isinstance(out, tensordict.TensorDict)
    assert out["a"].tolist() == SHRUNK


class TestWrappers:
    @pytest.fixture(params=[nnx.Param, nnx.Variable])
    def wrapped(self, request):
        return request.param(A)

    def test_eager(self, wrapped):
        assert float(l1.value(wrapped)) == 2.0
        assert l1.prox(wrapped, 1.0).tolist() == SHRUNK
        assert float(l1.value(wrapped, axis=0, where=A > 0, weights=wrapped + 2.0)) == 5.25
        assert float(l1.value(A, where=nnx.Variable(A > 0), weights=nnx.Variable(A + 2.0))) == 5.25
        assert l1.prox(A, nnx.Variable(jnp.asarray(1.0))).tolist() == SHRUNK
        assert l1.subdiff_distance(wrapped, wrapped, 0.5).tolist() == l1.subdiff_distance(A, A, 0.5).tolist()

    def test_transformed(self, wrapped):
        assert float(jax.jit(l1.value)(wrapped)) == 2.0
        assert jax.tree.leaves(jax.grad(l1.value)(wrapped))[0].tolist() == [1.0, -1.0, 0.0]
        assert jax.vmap(l1.value)(wrapped).tolist() == [1.5, 0.5, 0.0]

    def test_beside_arrays(self, wrapped):
        out = l1.prox([wrapped, A], 1.0)
        assert type(out[0]) is type(wrapped)
        assert out[0].get_value().tolist() == out[1].tolist() == SHRUNK

    def test_keras(self):
        x = keras.Variable(np.asarray(A))
        assert float(l1.value(x)) == 2.0
        assert float(l1.value([x, x])) == 4.0


SPARSE = [
    getattr(scipy.sparse, f"{name}_{kind}")(np.eye(3))
    for name in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
    for kind in ("matrix", "array")
]
REFUSED = [
    *[(x, r"\.toarray\(\)") for x in SPARSE],
    (sparse.COO(np.eye(3)), r"\.todense\(\)"),
    (jax_sparse.BCOO.fromdense(jnp.eye(3)), r"\.todense\(\)"),
    (xr.DataArray([1.0, 2.0]), r"\.data"),
    (xr.Dataset({"a": xr.DataArray([1.0])}), r"\.data"),
    (pint.UnitRegistry().Quantity(np.ones(3), "m"), r"\.magnitude"),
    (pd.Series([1.0, 2.0]), r"\.to_numpy\(\)"),
    (pd.DataFrame({"a": [1.0]}), r"\.to_numpy\(\)"),
    (pl.Series([1.0, 2.0]), r"\.to_numpy\(\)"),
    (pl.DataFrame({"a": [1.0]}), r"\.to_numpy\(\)"),
]


@pytest.mark.parametrize(("x", "advice"), REFUSED, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("function", [l1.value, l1.subgradient, lambda x: l1.prox(x, 1.0)])
def test_no_containers(x, advice, function):
    with pytest.raises(TypeError, match=rf"^`x` must be an array .*got \w+; pass its `{advice}"):
        function(x)
    with pytest.raises(TypeError, match=rf"^`x\['a'\]\[1\]` must be an array .*got \w+; pass its `{advice}"):
        function({"a": [np.ones(2), x]})


@pytest.mark.filterwarnings("ignore:The PyTorch API of MaskedTensors")
def test_masked_tensors():
    x = torch.masked.masked_tensor(torch.ones(2), torch.tensor([True, False]))
    with pytest.raises(
        TypeError, match=r"`x\[0\]` must be an array .*got MaskedTensor; pass its `.get_data\(\)`"
    ):
        l1.value([x])
