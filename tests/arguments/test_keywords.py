"""Steps, radii and widths by name, and keywords of other libraries, whose errors say which one is meant."""

import inspect

import every_function
import numpy as np
import pytest

import l1_any as l1
from l1_any import tinker
from l1_any.testing import to_numpy

X = np.asarray([[3.0, -4.0], [0.5, 0.0]])

NAMED = {
    "prox": (lambda x: l1.prox(x, step=1.0), lambda x: l1.prox(x, 1.0)),
    "prox_elastic_net": (
        lambda x: l1.prox_elastic_net(x, step=1.0, l1_ratio=0.5),
        lambda x: l1.prox_elastic_net(x, 1.0, l1_ratio=0.5),
    ),
    "prox_max": (lambda x: l1.prox_max(x, step=1.0), lambda x: l1.prox_max(x, 1.0)),
    "prox_group": (lambda x: l1.prox_group(x, step=1.0, axis=1), lambda x: l1.prox_group(x, 1.0, axis=1)),
    "project": (lambda x: l1.project(x, radius=1.0), lambda x: l1.project(x, 1.0)),
    "huber": (lambda x: l1.huber(x, delta=1.0), lambda x: l1.huber(x, 1.0)),
    "huber_gradient": (lambda x: l1.huber_gradient(x, delta=1.0), lambda x: l1.huber_gradient(x, 1.0)),
    "subdiff_distance": (
        lambda x: l1.subdiff_distance(x, x, strength=1.0),
        lambda x: l1.subdiff_distance(x, x, 1.0),
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_numbers_by_name(library, name):
    by_name, by_place = NAMED[name]
    x = library.asarray(X, "float32")
    np.testing.assert_array_equal(to_numpy(by_name(x)), to_numpy(by_place(x)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: l1.value(x, keepdim=True), "`value` has no argument `keepdim`; use `keepdims`."),
        (lambda x: l1.value(x, dim=1), "`value` has no argument `dim`; use `axis`."),
        (lambda x: l1.value(x, reduction="mean"), "`value` has no argument `reduction`; use `reduce`."),
        (lambda x: l1.subgradient(x, mask=None), "`subgradient` has no argument `mask`; use `where`."),
        (lambda x: l1.value(x, p=1), "`value` has no argument `p`; the norm is always L1: leave it out."),
        (lambda x: l1.value(x, ord=1), "`value` has no argument `ord`; the norm is always L1: leave it out."),
        (lambda x: l1.prox(x, 1.0, weight=2.0), "`prox` has no argument `weight`; use `weights`."),
        (lambda x: l1.prox(x, 1.0, wheer=None), "`prox` has no argument `wheer`; use `where`."),
        (
            lambda x: l1.prox_max(x, 1.0, mask=None),
            "`prox_max` has no argument `mask`; it has `step`, `axis`, `xp`.",
        ),
    ],
)
def test_keywords_of_other_libraries(call, message):
    with pytest.raises(TypeError) as caught:
        call(X)
    assert str(caught.value) == message


FOREIGN = {
    "axis": ("dim", "dims", "axes"),
    "keepdims": ("keepdim", "keep_dims"),
    "reduce": ("reduction",),
    "where": ("mask",),
    "weights": ("weight", "sample_weight"),
    "step": ("lr", "lam", "lambd", "alpha", "gamma", "tau"),
    "delta": ("beta",),
    "radius": ("r",),
    "strength": ("alpha", "lam", "lambd", "weight"),
    "l1_ratio": ("rho",),
    "nonnegative": ("positive",),
    "weight": ("strength", "alpha", "coef"),
    "steps": ("total_steps",),
    "vocabulary_size": ("vocab_size",),
    "terms": ("regularizers",),
}
"""Words of other libraries for each of ours."""
REGULARIZERS = {"L1Regularizer", "SoftL1Regularizer"}
MAKERS = {
    name: getattr(l1, name) for name in ("Term", "Pipeline", "Uniform", "Delta", "Field", *REGULARIZERS)
} | {
    "linear_warmup": l1.schedules.linear_warmup,
    "cosine": l1.schedules.cosine,
    "batch_loss": tinker.batch_loss,
    "per_datum_loss": tinker.per_datum_loss,
}
EVERY = {name: getattr(l1, name) for name in every_function.functions()} | MAKERS


def words_of(name):
    return [p for p in inspect.signature(EVERY[name]).parameters.values() if p.kind is not p.POSITIONAL_ONLY]


@pytest.mark.parametrize("name", sorted(EVERY))
def test_every_word_of_other_libraries(name):
    """Without our words beside them, also where one of ours must be given."""
    function, own = EVERY[name], {p.name for p in words_of(name)}
    given = [X for p in inspect.signature(function).parameters.values() if p.kind is p.POSITIONAL_ONLY]
    for key in {key for ours in own & set(FOREIGN) for key in FOREIGN[ours]} - own:
        with pytest.raises(TypeError) as caught:
            function(*given, **{key: 1.0})
        said = str(caught.value)
        meant = {ours for ours in own & set(FOREIGN) if key in FOREIGN[ours]}
        assert said.startswith(f"`{name}` has no argument `{key}`; "), said
        assert any(f"use `{ours}`." in said for ours in meant) or name in REGULARIZERS, said
    with pytest.raises(TypeError, match="`ord`; the norm is always L1"):
        function(*given, ord=1)


@pytest.mark.parametrize("name", sorted(REGULARIZERS))
@pytest.mark.parametrize("key", ["strength", "alpha", "lam", "lambd"])
def test_the_strength_of_a_regularizer(name, key):
    with pytest.raises(
        TypeError, match=rf"`{name}` has no argument `{key}`; the strength belongs to the term, "
    ):
        EVERY[name](**{key: 0.1})


@pytest.mark.parametrize("name", sorted(every_function.functions()))
def test_what_must_be_given_is_named(name):
    """Python's own error would name the function's internals; the signature shows no default."""
    function = getattr(l1, name)
    parameters = inspect.signature(function).parameters.values()
    given = [X for p in parameters if p.kind is p.POSITIONAL_ONLY]
    needed = [p for p in words_of(name) if p.default is p.empty]
    values = {"axis": 0, "l1_ratio": 0.5}
    for missing in needed:
        others = {p.name: values.get(p.name, 1.0) for p in needed if p is not missing}
        with pytest.raises(TypeError, match=f"`{missing.name}` must be .*, got nothing"):
            function(*given, **others)


@pytest.mark.parametrize("name", sorted(every_function.functions()))
def test_every_function_refuses_and_shows_no_other_keywords(name):
    function = getattr(l1, name)
    parameters = inspect.signature(function).parameters.values()
    assert not [p for p in parameters if p.kind is p.VAR_KEYWORD]
    needed = {p.name: None for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty}
    given = [X for p in parameters if p.kind is p.POSITIONAL_ONLY]
    numbers = [1.0 for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    with pytest.raises(TypeError, match=f"`{name}` has no argument `reduction`"):
        function(*given, *numbers, **needed, reduction="mean")
    arrays = {p.name for p in parameters if p.kind is p.POSITIONAL_ONLY}
    assert arrays <= {"x", "gradient", "gradient_at_zero"}


@pytest.mark.parametrize("name", sorted(every_function.functions()))
def test_docstrings_name_the_error_of_an_axis(name):
    function = getattr(l1, name)
    raises = inspect.getdoc(function).partition("Raises\n------\n")[2].partition("\n------")[0]
    assert ("numpy.exceptions.AxisError" in raises) == ("axis" in inspect.signature(function).parameters)
