"""What errors say about values that are nearly right: models, iterators, numbers, frames, names, mixed lists."""

import importlib

import numpy as np
import pytest

import l1_any as l1
from l1_any._arguments import names


class Model:
    """What is known of a model: it can give its parameters."""

    def __init__(self, parameters):
        self.own = parameters

    def named_parameters(self):
        return enumerate(self.own)

    def parameters(self):
        return iter(self.own)


class Labelled:
    """A series: an iterable of numbers that is no list."""

    __module__ = "pandas.core.series"

    def __iter__(self):
        return iter([1.0, -2.0])


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (1.0, "got float; make an array of numbers first, by `np.asarray`."),
        ([1.0, -2.0], "`x[0]` must be an array"),
        ([1, -2], "got int; make an array of numbers first, by `np.asarray`."),
        (Labelled(), "`x` must be an array"),
        (Labelled(), "got Labelled; pass its `.to_numpy()`."),
        ({"a": Labelled()}, "`x['a']` must be an array"),
        (Model([]), "got Model; pass the model's `parameters()`."),
        ("text", "got str."),
        (object(), "got object."),
    ],
)
def test_what_to_pass_instead(x, message):
    with pytest.raises(TypeError) as caught:
        l1.value(x)
    assert message in str(caught.value)


@pytest.mark.only("torch")
def test_models_of_torch(library):
    from torch import nn

    for model in (nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2))):
        with pytest.raises(TypeError, match=r"got Linear; pass the model's `parameters\(\)`"):
            l1.value(model)
        assert l1.value(model.parameters()) > 0
    assert l1.value(nn.ParameterList([nn.Parameter(library.asarray([1.0, -2.0], "float32"))])) == 3


def test_an_iterator_that_is_consumed(library):
    arrays = (x for x in [library.asarray([1.0, -2.0], "float32")])
    assert float(l1.value(arrays)) == 3
    with pytest.raises(ValueError, match=r"got an iterator without arrays; was it already consumed\?"):
        l1.value(arrays)
    with pytest.raises(ValueError, match="got an empty structure"):
        l1.value([])


@pytest.mark.only("strict", "torch", "jax", "dask", "cupy")
@pytest.mark.parametrize(
    ("nest", "path"),
    [
        (lambda a, b: [a, a, a, b], r"x\[3\]` must be of the library of `x\[0\]"),
        (lambda a, b: {"enc": {"w": a}, "dec": (a, b)}, r"x\['dec'\]\[1\]` must be .* of `x\['enc'\]\['w'\]"),
        (lambda a, b: (each for each in [a, a, b]), r"x\[2\]` must be of the library of `x\[0\]"),
    ],
)
def test_which_element_is_of_another_library(library, nest, path):
    a, b = library.asarray([1.0, -2.0], "float32"), np.ones(2, np.float32)
    with pytest.raises(TypeError, match=f"`{path}`, .*, got numpy"):
        l1.value(nest(a, b))


@pytest.mark.only("torch")
def test_which_element_is_on_another_device(library):
    a = library.asarray([1.0, -2.0], "float32")
    with pytest.raises(ValueError, match=r"`x\[2\]` must be on the device of `x\[0\]`, cpu, got meta"):
        l1.value([a, a, a.to("meta")])
    with pytest.raises(
        ValueError, match=r"`logprobs\[1\]` must be on the device of `logprobs\[0\]`, cpu, got meta"
    ):
        l1.L1Regularizer().compute(None, [a, a.to("meta")])


class TestNames:
    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("ProximalL1", "; it is `l1_any.optim.ProximalL1`"),
            ("soft_threshold", "; did you mean `prox`?"),
            ("fista", "; `prox` is the step of such a solver, and examples/lasso.py has one"),
            ("subgradiant", "; did you mean `subgradient`?"),
            ("nothing_like_it", "has no attribute 'nothing_like_it'"),
        ],
    )
    def test_the_error_says_where_it_is(self, name, message):
        with pytest.raises(AttributeError) as caught:
            getattr(l1, name)
        assert str(caught.value).endswith(message)

    def test_where_it_is(self):
        for name, where in names.ELSEWHERE.items():
            module, _, last = where.rpartition(".")
            assert last == name
            assert last in importlib.import_module(module).__all__

    def test_what_it_is_called(self):
        assert set(names.CALLED.values()) <= set(l1.__all__)
        assert not (set(names.CALLED) | set(names.ELSEWHERE) | set(names.SOLVERS)) & set(l1.__all__)
