"""From an array to its operations: found once for each type and dtype, in the state of the call."""

import numpy as np
import pytest

import l1_any as l1
from l1_any._arrays import lookup
from l1_any._arrays.state import State


def state_of(x, *others):
    ops = lookup.known(x)
    return ops.at(ops.around(), x, *others).state


def test_one_object_for_each_type_and_dtype(library):
    for dtype in library.dtypes:
        x, y = library.asarray([1.0], dtype), library.asarray([[2.0, 3.0]], dtype)
        ops = lookup.known(x)
        assert lookup.known(y) is ops
        assert ops.dtype_name == dtype
        assert ops.at(ops.around(), x) is ops.at(ops.around(), y)
    assert len({lookup.known(library.asarray([1.0], dtype)) for dtype in library.dtypes}) == len(
        library.dtypes
    )


def test_the_accumulator_is_the_one_of_the_device(library):
    x = library.asarray([1.0], "float32")
    ops = lookup.known(x)
    assert ops.at(ops.around(), x).accumulator_name == library.variant.accumulator


def test_a_plain_array_is_plain(library):
    x = library.asarray([1.0], "float32")
    assert state_of(x) is (State.LAZY if library.is_lazy else State.PLAIN)


@pytest.mark.parametrize("x", [1.0, None, "abc", [1.0], (), {}, np, object()])
def test_what_is_no_array(x):
    assert lookup.find(x) is None
    assert not lookup.is_array(x)
    assert lookup.detach(x) is x
    with pytest.raises(TypeError, match="expected an array, got"):
        lookup.known(x)


@pytest.mark.only("torch")
def test_states_of_tensors(library):
    import torch

    x = library.asarray([1.0, -2.0], "float32")
    leaf, seen = x.clone().requires_grad_(), []
    assert state_of(leaf) is State.RECORDED
    assert state_of(x, None, leaf) is State.RECORDED
    with torch.no_grad():
        assert state_of(leaf) is State.PLAIN
    assert state_of(torch.empty(3, device="meta")) is State.TRACED
    assert state_of(torch.nn.Parameter(x, requires_grad=False)) is State.PLAIN

    def noted(x):
        seen.append(state_of(x))
        return x.sum()

    torch.func.grad(noted)(x)
    torch.func.vmap(noted)(x)
    torch.func.jvp(noted, (x,), (x,))
    assert seen == [State.TRACED] * 3
    assert state_of(x) is State.PLAIN


@pytest.mark.only("jax")
def test_states_of_jax(library):
    import jax

    x, seen = library.asarray([1.0, -2.0], "float32"), []

    def noted(x):
        seen.append(state_of(x))
        return x.sum()

    jax.jit(noted)(x)
    jax.grad(noted)(x)
    assert seen == [State.TRACED] * 2
    assert state_of(x) is State.PLAIN


@pytest.mark.only("numpy")
def test_subclasses_are_arrays(library):
    class Own(np.ndarray):
        pass

    x = np.ones(3, np.float32).view(Own)
    assert lookup.known(x).library == "numpy"
    assert l1.value(x) == 3
