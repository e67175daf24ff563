"""What `ProximalL1` refuses, and what a refusal leaves as it was."""

import numpy as np
import pytest
import torch
from torch import nn
from torch_runs import make_model

import l1_any as l1


class TestErrors:
    @pytest.fixture
    def inner(self):
        return torch.optim.SGD(make_model().named_parameters(), lr=0.1)

    @pytest.mark.parametrize("strength", [-1.0, float("inf"), float("nan")])
    def test_strength_must_be_finite_and_not_negative(self, inner, strength):
        with pytest.raises(ValueError, match=r"`strength` must be a finite number >= 0, got"):
            l1.optim.ProximalL1(inner, strength=strength)
        with pytest.raises(ValueError, match=r"strength'\]` must be a finite number >= 0, got"):
            l1.optim.ProximalL1(inner, strength=lambda _: strength)

    def test_strength_must_be_a_number(self, inner):
        with pytest.raises(TypeError, match="`strength` must be a number, got str"):
            l1.optim.ProximalL1(inner, strength="1e-4")

    def test_changed_strength_is_checked_at_the_step(self, inner):
        optimizer = l1.optim.ProximalL1(inner, strength=0.1)
        optimizer.param_groups[0]["strength"] = -1.0
        with pytest.raises(ValueError, match=r"`param_groups\[0\]\['strength'\]` must be .* got -1.0"):
            optimizer.step()

    def test_inner_optimizer_must_be_one(self):
        with pytest.raises(TypeError, match=r"`inner_optimizer` must be a torch\.optim\.Optimizer, got list"):
            l1.optim.ProximalL1(list(make_model().parameters()), strength=0.1)

    def test_pattern_needs_names(self):
        inner = torch.optim.SGD(make_model().parameters(), lr=0.1)
        with pytest.raises(ValueError, match="`exclude` must be a function where parameters have no names"):
            l1.optim.ProximalL1(inner, strength=0.1, exclude="*.bias")

    def test_pattern_must_fit(self, inner):
        with pytest.raises(ValueError, match=r"`exclude` must fit the name of a parameter, got '\*\.biases'"):
            l1.optim.ProximalL1(inner, strength=0.1, exclude=["*.bias", "*.biases"])

    @pytest.mark.parametrize("exclude", [3, [nn.Parameter(torch.ones(2))]])
    def test_exclude_of_another_kind(self, inner, exclude):
        with pytest.raises(TypeError, match="`exclude` must be a pattern, several or a function"):
            l1.optim.ProximalL1(inner, strength=0.1, exclude=exclude)

    @pytest.mark.parametrize("axis", [1.0, "a", True, (), (0, 0.5)])
    def test_group_axis_of_another_kind(self, inner, axis):
        with pytest.raises(TypeError, match="`group_axis` must be an int, a tuple of ints or None"):
            l1.optim.ProximalL1(inner, strength=0.1, group_axis=axis)

    def test_group_axis_of_any_integer(self):
        inner = torch.optim.SGD([nn.Parameter(torch.ones(2, 3))], lr=1.0)
        l1.optim.ProximalL1(inner, strength=0.1, group_axis=np.int64(1))

    def test_group_axis_twice(self):
        inner = torch.optim.SGD([nn.Parameter(torch.ones(2, 3))], lr=1.0)
        with pytest.raises(ValueError, match="`group_axis` must name each axis once"):
            l1.optim.ProximalL1(inner, strength=0.1, group_axis=(1, -1))

    def test_a_wrong_strength_loses_nothing(self):
        p = nn.Parameter(torch.ones(2))
        optimizer = l1.optim.ProximalL1(torch.optim.SGD([p], lr=1.0), strength=0.1)
        optimizer.param_groups[0]["strength"] = -1
        p.grad = torch.ones(2)
        with pytest.raises(ValueError, match="strength"):
            optimizer.step()
        assert p.tolist() == [1, 1]

    def test_group_axis_must_exist(self, inner):
        with pytest.raises(ValueError, match=r"`group_axis` .* got 1 for `0.bias` of shape \(6,\)"):
            l1.optim.ProximalL1(inner, strength=0.1, group_axis=1)

    def test_inner_optimizer_must_have_a_learning_rate(self):
        class Fixed(torch.optim.Optimizer):
            def step(self, closure=None):
                raise NotImplementedError

        with pytest.raises(ValueError, match="`inner_optimizer` must have a learning rate"):
            l1.optim.ProximalL1(Fixed([nn.Parameter(torch.ones(1))], {}), strength=0.1)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"exclude": "*.norm"}, ValueError),
        ({"group_axis": 1}, ValueError),
        ({"strength": lambda step: -1.0}, ValueError),
        ({"exclude": 1.0}, TypeError),
    ],
)
def test_a_refused_construction_changes_nothing(wrong, error):
    inner = torch.optim.SGD(nn.Linear(3, 2).named_parameters(), lr=0.1)
    before = [dict(group) for group in inner.param_groups]
    with pytest.raises(error):
        l1.optim.ProximalL1(inner, **{"strength": 1.0} | wrong)
    assert [dict(group) for group in inner.param_groups] == before
    assert l1.optim.ProximalL1(inner, 0.01).param_groups[0]["strength"] == 0.01


def test_an_optimizer_that_thresholds_is_not_wrapped_again():
    once = l1.optim.ProximalL1(torch.optim.SGD([nn.Parameter(torch.ones(3))], lr=0.1), strength=1.0)
    with pytest.raises(TypeError, match="`inner_optimizer` must be no ProximalL1"):
        l1.optim.ProximalL1(once, strength=2.0)
