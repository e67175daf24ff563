"""Bad input is refused at the call, in words that name the argument, what came and what is accepted."""

import math
import re

import numpy as np
import pytest

import l1_any as l1

FUNCTIONS = [l1.value, l1.subgradient, l1.value_and_subgradient, l1.subgradient_norm]


@pytest.fixture
def x(library):
    return library.asarray(np.ones((2, 3), np.float32))


def refused(error, message, call, *args, **kwargs):
    with pytest.raises(error, match=message):
        call(*args, **kwargs)


@pytest.mark.parametrize("function", FUNCTIONS)
class TestEveryFunction:
    @pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
    def test_integers_and_booleans(self, library, function, dtype):
        refused(
            TypeError,
            rf"`x` must have a real or complex .*got {dtype}; cast",
            function,
            library.asarray([1], dtype),
        )

    @pytest.mark.parametrize("x", [1.0, None, "abc", b"abc", [1.0, 2.0], {"a": [None, 1]}, object()])
    def test_no_arrays(self, library, function, x):
        refused(TypeError, r"`x.*` must be an array .* got", function, x)

    @pytest.mark.parametrize("x", [[], (), {}, [[], {}], {"a": None}])
    def test_empty_structure(self, library, function, x):
        refused(ValueError, "`x` must hold at least one array", function, x)

    @pytest.mark.parametrize("reduce", ["max", "none", None, 1])
    def test_reduce(self, x, function, reduce):
        refused(ValueError, f'`reduce` must be "sum" or "mean", got {reduce!r}', function, x, reduce=reduce)

    @pytest.mark.parametrize(
        "weights", [-1.0, -1, float("nan"), float("inf"), pytest.param(10**5000, id="huge")]
    )
    def test_weight_out_of_range(self, x, function, weights):
        refused(ValueError, "`weights` must be a finite number >= 0, got", function, x, weights=weights)
        refused(ValueError, "`weights` must be a finite number >= 0, got", function, [x], weights=[weights])

    @pytest.mark.parametrize("weights", ["1", True, 1j, [1.0]])
    def test_weight_of_another_type(self, x, function, weights):
        refused(TypeError, "`weights` must be a number or an array, got", function, x, weights=weights)

    def test_shapes(self, library, x, function):
        for shape in [(2,), (4, 2, 3), (2, 4)]:
            mask, w = library.bool(np.ones(shape)), library.asarray(np.ones(shape, np.float32))
            message = r"must broadcast to the shape \(2, 3\), given by `x`, got shape " + re.escape(
                str(shape)
            )
            refused(ValueError, "`where` " + message, function, x, where=mask)
            refused(ValueError, "`weights` " + message, function, x, weights=w)

    def test_dtypes_of_mask_and_weights(self, library, x, function):
        ones = library.asarray(np.ones(3, np.float32))
        refused(TypeError, "`where` must have the boolean dtype, got float32", function, x, where=ones)
        refused(TypeError, "`where` must be a boolean array or None, got list", function, x, where=[True])
        ints = library.asarray([1, 2, 3], "int32")
        refused(TypeError, "`weights` must have a real floating dtype, got int32", function, x, weights=ints)
        z = library.asarray(np.ones(3, np.complex64))
        refused(TypeError, "`weights` must have a real floating dtype, got complex64", function, x, weights=z)

    def test_structures_that_differ(self, library, x, function):
        mask = library.bool(np.ones((2, 3)))
        for where in ([mask], [mask, mask, mask], {"a": mask}, mask):
            refused(ValueError, "`where` must have the structure of `x`", function, [x, x], where=where)
        refused(
            ValueError,
            r"`weights\['a'\]` must have the structure",
            function,
            {"a": [x]},
            weights={"a": {"b": x}},
        )

    def test_namespace(self, library, x, function):
        other = np if library.name != "numpy" else math
        refused(TypeError, "`xp` must be the namespace of `x`", function, x, xp=other)


@pytest.mark.parametrize("function", FUNCTIONS[:3])
class TestAxis:
    @pytest.mark.parametrize("axis", [2, -3, (0, 5)])
    def test_out_of_range(self, x, function, axis):
        refused(ValueError, "`axis` must be within the 2 dimensions of `x`, got", function, x, axis=axis)

    @pytest.mark.parametrize("axis", [(0, 0), (1, -1)])
    def test_twice(self, x, function, axis):
        refused(ValueError, "`axis` must name each axis once", function, x, axis=axis)

    @pytest.mark.parametrize("axis", ["0", 0.5, (0, "1"), True, (0, False)])
    def test_type(self, x, function, axis):
        refused(TypeError, "`axis` must be an int, a tuple of ints or None", function, x, axis=axis)

    def test_structure(self, x, function):
        refused(ValueError, "`axis` and `keepdims` need a single array", function, [x], axis=0)


@pytest.mark.only("strict", "torch", "jax", "dask", "cupy")
def test_another_library(library, x):
    other = np.ones((2, 3), np.float32)
    for call in (
        lambda: l1.value([x, other]),
        lambda: l1.value(x, where=other > 0),
        lambda: l1.value(x, weights=other),
    ):
        with pytest.raises(
            TypeError,
            match=r"`(x\[1\]|where|weights)` must be of the library of `x(\[0\])?`, .*, got numpy",
        ):
            call()


@pytest.mark.only("strict")
def test_another_device(library, x):
    xp = library.xp
    elsewhere = next(d for d in xp.__array_namespace_info__().devices() if d != x.device)
    other = xp.ones((2, 3), dtype=xp.float32, device=elsewhere)
    for kwargs in ({"where": other > 0}, {"weights": other}):
        refused(ValueError, r"must be on the device of `x`, .*, got", l1.value, x, **kwargs)
    refused(ValueError, r"`x\[1\]` must be on the device of `x\[0\]`", l1.value, [x, other])


@pytest.mark.only("numpy")
def test_masked_array(library):
    x = np.ma.masked_array([1.0, 2.0], [True, False])
    refused(TypeError, "`x` must be a dense array, got a NumPy masked array; pass its data", l1.value, x)
    assert l1.value(x.data, where=~x.mask) == 2
    refused(TypeError, "`weights` must be a dense array, got a NumPy masked", l1.value, x.data, weights=x)
    refused(TypeError, "`where` must be a dense array, got a NumPy masked", l1.value, x.data, where=x > 0)
    refused(TypeError, "`step` must be a dense array, got a NumPy masked", l1.prox, x.data, x)
    refused(TypeError, "`gradient` must be a dense array, got a NumPy m", l1.subdiff_distance, x.data, x, 1.0)


@pytest.mark.only("numpy")
def test_extended_precision(library):
    refused(TypeError, "`x` must have a real or complex floating dtype", l1.value, np.ones(2, np.longdouble))


@pytest.mark.only("torch")
def test_torch_layouts(library):
    import torch

    refused(TypeError, "`x` must .* sparse or nested tensor", l1.value, torch.eye(2).to_sparse())
    refused(TypeError, "`step` must .* sparse or nested", l1.prox, torch.eye(2), torch.eye(2).to_sparse())
    refused(TypeError, "float8_e4m3fn", l1.value, torch.ones(2).to(torch.float8_e4m3fn))


@pytest.mark.only("numpy")
@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_matrix(library):
    refused(TypeError, r"NumPy matrix; pass np.asarray of it", l1.value, np.matrix([[1.0, 2.0]]))


def test_namespace_that_is_none(x):
    refused(TypeError, "`xp` must be the namespace of `x`, .*, got str", l1.value, x, xp="numpy")


@pytest.mark.parametrize("scalar", [np.float16, np.float32, np.float64, np.int64])
class TestNumbersOfNumPy:
    """They are numbers, in every library, and are checked as such."""

    def test_weights(self, x, scalar):
        assert l1.value(x, weights=scalar(2)) == 12
        assert l1.value([x, x], weights=scalar(2)) == 24
        assert l1.group_value([x, x], axis=0, weights=scalar(0)) == 0
        for function in FUNCTIONS:
            refused(ValueError, "`weights` must be a finite number >= 0", function, x, weights=scalar(-1))

    def test_steps(self, library, x, scalar):
        assert bool(library.xp.all(l1.prox(x, scalar(2)) == 0))
        for operator, name in [(l1.prox, "step"), (l1.project, "radius"), (l1.prox_max, "step")]:
            refused(ValueError, f"`{name}` must be a finite number >= 0", operator, x, scalar(-1))
        refused(ValueError, "`step` must be a finite", l1.prox_group, x, scalar(-1), axis=0)
        refused(ValueError, "`strength` must be a finite", l1.subdiff_distance, x, x, scalar(-1))
        refused(ValueError, "`delta` must be a finite", l1.huber, x, scalar(-1))

    def test_regularizers(self, x, scalar):
        regularizer = l1.L1Regularizer(weights=scalar(2), target="probs")
        assert l1.value(x, weights=2) == regularizer.compute(None, x * 0)[0]
        refused(ValueError, "`weights` must be a finite", l1.L1Regularizer, weights=scalar(-1))
        assert l1.Term(regularizer, weight=scalar(1)).weight == 1.0
