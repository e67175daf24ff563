"""Parameter groups may change behind `ProximalL1`: in the inner optimizer, or in the shared list."""

import copy
import io
import math

import pytest
import torch
from torch import nn

import l1_any as l1


def parameter(value=1.0, shape=(1,)):
    p = nn.Parameter(torch.full(shape, value))
    p.grad = torch.zeros(shape)
    return p


def wrapped(*groups, **options):
    """An optimizer with a learning rate of 1, so that each step subtracts the strength."""
    return l1.optim.ProximalL1(
        torch.optim.SGD([{"params": [p]} if isinstance(p, nn.Parameter) else p for p in groups], lr=1.0),
        **options,
    )


def doubling(step):
    return 0.125 * (step + 1)


ADD = {
    "inner.add_param_group": lambda opt, group: opt.inner_optimizer.add_param_group(group),
    "own add_param_group": lambda opt, group: opt.add_param_group(group),
    "the list": lambda opt, group: opt.param_groups.append({"lr": 1.0, **group, **rest(opt)}),
}


def rest(optimizer):
    """The options of the inner optimizer that it would have given to a group itself."""
    return {key: value for key, value in optimizer.defaults.items() if key != "lr"}


@pytest.fixture(params=ADD.values(), ids=ADD)
def add(request):
    return request.param


class TestNewGroups:
    def test_it_gets_the_default_strength(self, add):
        first, later = parameter(), parameter()
        optimizer = wrapped(first, strength=0.25)
        add(optimizer, {"params": [later]})
        optimizer.step()
        assert (first.item(), later.item()) == (0.75, 0.75)
        assert optimizer.param_groups[1]["strength"] == 0.25

    def test_its_schedule_starts_where_the_others_are(self, add):
        first, later = parameter(), parameter()
        optimizer = wrapped(first, strength=doubling)
        optimizer.step()
        add(optimizer, {"params": [later]})
        optimizer.step()
        assert (first.item(), later.item()) == (0.625, 0.75)
        assert [group["strength_step"] for group in optimizer.param_groups] == [2, 2]

    @pytest.mark.parametrize("strength", [0.5, lambda step: 0.25 * (step + 1)], ids=["number", "schedule"])
    def test_it_keeps_its_own_strength(self, add, strength):
        first, later = parameter(), parameter()
        optimizer = wrapped(first, strength=0.25)
        optimizer.step()
        add(optimizer, {"params": [later], "strength": strength})
        optimizer.step()
        assert (first.item(), later.item()) == (0.5, 0.5)

    def test_it_gets_the_group_axis(self, add):
        first, later = parameter(0.6, (2, 2)), parameter(0.6, (2, 2))
        optimizer = wrapped(first, strength=0.7, group_axis=1)
        add(optimizer, {"params": [later]})
        optimizer.step()
        torch.testing.assert_close(later.detach(), first.detach())
        assert later.all()

    def test_exclude_holds_for_it(self, add):
        first, later, bias = parameter(), parameter(), parameter()
        inner = torch.optim.SGD([("weight", first), ("bias", bias)], lr=1.0)
        optimizer = l1.optim.ProximalL1(inner, strength=0.25, exclude="*bias")
        other_bias = parameter()
        names = {"params": [("head.weight", later), ("head.bias", other_bias)]}
        if add is ADD["the list"]:
            names = {"params": [later, other_bias], "param_names": ["head.weight", "head.bias"]}
        add(optimizer, names)
        optimizer.step()
        assert [p.item() for p in (first, later, bias, other_bias)] == [0.75, 0.75, 1, 1]

    @pytest.mark.parametrize(
        "ask",
        [lambda o: o.sparsity(), lambda o: o.state_dict()["param_groups"]],
        ids=["sparsity", "state_dict"],
    )
    def test_it_is_admitted_by_whatever_is_asked_first(self, add, ask):
        optimizer = wrapped(parameter(0.0), strength=0.25)
        add(optimizer, {"params": [parameter(0.0)]})
        assert len(ask(optimizer)) == 2
        assert optimizer.param_groups[1]["strength"] == 0.25
        assert optimizer.sparsity() == [1.0, 1.0]

    def test_another_group_is_added_after_it(self, add):
        optimizer = wrapped(parameter(), strength=0.25)
        optimizer.inner_optimizer.add_param_group({"params": [parameter()]})
        add(optimizer, {"params": [parameter()], "strength": 0.5})
        optimizer.step()
        assert [group["params"][0].item() for group in optimizer.param_groups] == [0.75, 0.75, 0.5]

    def test_a_state_is_loaded_after_it(self, add):
        optimizer = wrapped(parameter(), strength=0.25)
        add(optimizer, {"params": [parameter()]})
        saved = optimizer.state_dict()
        saved["param_groups"][1]["strength"] = 0.5
        other = wrapped(parameter(), strength=0.25)
        add(other, {"params": [parameter()]})
        other.load_state_dict(saved)
        other.step()
        assert [group["params"][0].item() for group in other.param_groups] == [0.75, 0.5]


class TestRefusedGroups:
    @pytest.mark.parametrize(
        ("options", "group", "error", "message"),
        [
            (
                {},
                {"strength": -1.0},
                ValueError,
                r"`param_groups\[1\]\['strength'\]` must be a finite number",
            ),
            ({}, {"strength": "much"}, TypeError, r"`param_groups\[1\]\['strength'\]` must be a number"),
            ({}, {"group_axis": 1}, ValueError, r"`group_axis` .* got 1 for a parameter of shape \(1,\)"),
            ({}, {"group_axis": 0.5}, TypeError, "`group_axis` must be an int"),
            ({"exclude": "first"}, {}, ValueError, r"no names, as in `param_groups\[1\]`, got a pattern"),
            (
                {},
                {"param_names": ["a", "b"]},
                ValueError,
                r"`param_groups\[1\]\['param_names'\]` must name each parameter, got 2 names for 1",
            ),
        ],
    )
    def test_a_step_names_what_is_wrong_and_does_nothing(self, options, group, error, message):
        first, later = parameter(), parameter()
        inner = torch.optim.SGD([("first", first)] if options else [first], lr=1.0)
        optimizer = l1.optim.ProximalL1(inner, strength=doubling, **{"exclude": lambda *_: False} | options)
        optimizer.step()
        given = {"lr": 1.0, "params": [later], **rest(optimizer), **group}
        optimizer.param_groups.append(given)
        before, first.grad = copy.deepcopy([first, later, optimizer.state]), torch.ones(1)
        groups = [dict(g) for g in optimizer.param_groups]
        for ask in (optimizer.step, optimizer.sparsity, optimizer.state_dict):
            with pytest.raises(error, match=message):
                ask()
            assert [first, later, optimizer.state] == before
            assert optimizer.param_groups == groups
        optimizer.param_groups.pop()
        first.grad = torch.zeros(1)
        optimizer.step()
        assert optimizer.param_groups[0]["strength_step"] == 2

    def test_a_group_without_learning_rate(self):
        optimizer = wrapped(parameter(), strength=0.25)
        optimizer.param_groups.append({"params": [parameter()]})
        with pytest.raises(
            ValueError, match="`inner_optimizer` must have a learning rate, got none in group 1"
        ):
            optimizer.step()

    def test_a_wrong_group_is_not_taken_for_the_one_that_is_added(self):
        optimizer = wrapped(parameter(), strength=0.25)
        optimizer.inner_optimizer.add_param_group({"params": [parameter()], "strength": -1.0})
        with pytest.raises(ValueError, match=r"param_groups\[1\]"):
            optimizer.add_param_group({"params": [parameter()]})
        assert len(optimizer.param_groups) == 2

    def test_a_wrong_axis_in_a_known_group(self):
        p = parameter(shape=(2, 2))
        optimizer = wrapped(p, strength=0.25)
        optimizer.param_groups[0]["group_axis"] = 2
        p.grad = torch.ones(2, 2)
        with pytest.raises(ValueError, match=r"`group_axis` .* got 2 for a parameter of shape \(2, 2\)"):
            optimizer.step()
        assert (p == 1).all()
        optimizer.param_groups[0]["group_axis"] = [0, 1]
        optimizer.step()
        assert optimizer.param_groups[0]["group_axis"] == (0, 1)


class TestGroupsThatMove:
    def test_a_removed_group_takes_its_schedule_with_it(self):
        a, b, c = parameter(), parameter(), parameter()
        schedules = [{"params": [p], "strength": s} for p, s in ((a, 0.5), (b, doubling), (c, 0.25))]
        optimizer = wrapped(*schedules, strength=0.0)
        optimizer.step()
        del optimizer.param_groups[0]
        optimizer.step()
        assert [p.item() for p in (a, b, c)] == [0.5, 1 - 0.125 - 0.25, 0.5]
        assert len(optimizer.sparsity()) == 2

    def test_reordered_groups_keep_their_schedules(self):
        a, b = parameter(), parameter()
        optimizer = wrapped({"params": [a], "strength": doubling}, {"params": [b]}, strength=0.25)
        optimizer.step()
        optimizer.param_groups.reverse()
        optimizer.step()
        assert (a.item(), b.item()) == (1 - 0.125 - 0.25, 0.5)

    def test_groups_that_are_copied_keep_their_schedules(self):
        a, b = parameter(), parameter()
        optimizer = wrapped({"params": [a], "strength": doubling}, {"params": [b]}, strength=0.25)
        optimizer.step()
        copies = [group | {"params": list(group["params"])} for group in reversed(optimizer.param_groups)]
        optimizer.inner_optimizer.param_groups = copies
        optimizer.step()
        assert (a.item(), b.item()) == (1 - 0.125 - 0.25, 0.5)

    def test_all_groups_may_go(self):
        optimizer = wrapped(parameter(), strength=doubling)
        optimizer.step()
        optimizer.param_groups.clear()
        optimizer.step()
        assert optimizer.sparsity() == []
        later = parameter()
        optimizer.add_param_group({"params": [later]})
        optimizer.step()
        assert later.item() < 1

    def test_a_group_that_comes_back_has_a_strength_of_its_own(self):
        p = parameter()
        optimizer = wrapped(p, strength=doubling)
        optimizer.param_groups.clear()
        optimizer.inner_optimizer.add_param_group({"params": [p], "strength": 0.5})
        optimizer.step()
        assert p.item() == 0.5

    def test_a_removed_parameter_is_released(self):
        optimizer = wrapped(parameter(), parameter(), strength=0.25)
        del optimizer.param_groups[0]
        optimizer.step()
        stream = io.BytesIO()
        torch.save(optimizer, stream)
        stream.seek(0)
        loaded = torch.load(stream, weights_only=False)
        loaded.step()
        assert loaded.sparsity() == [0.0]


class TestParametersThatMove:
    def test_a_replaced_parameter_is_thresholded(self):
        old, new = parameter(), parameter()
        optimizer = wrapped(old, strength=doubling)
        optimizer.step()
        optimizer.param_groups[0]["params"][0] = new
        optimizer.step()
        assert (old.item(), new.item()) == (0.875, 0.75)
        assert optimizer.sparsity() == [0.0]

    def test_a_new_list_of_parameters_keeps_the_schedule(self):
        new = parameter()
        optimizer = wrapped(parameter(), strength=doubling)
        optimizer.step()
        optimizer.param_groups[0]["params"] = [new]
        optimizer.step()
        assert new.item() == 0.75

    def test_exclude_is_asked_of_what_is_new_alone(self):
        asked = []
        first, later = parameter(), parameter()

        def exclude(name, p):
            asked.append(p)
            return p is later

        optimizer = wrapped(first, strength=0.25, exclude=exclude)
        optimizer.param_groups[0]["params"].append(later)
        for _ in range(2):
            optimizer.step()
        assert asked == [first, later]
        assert (first.item(), later.item()) == (0.5, 1.0)

    def test_a_parameter_that_moves_to_another_group_has_its_strength(self):
        a, b = parameter(), parameter()
        optimizer = wrapped(a, {"params": [b], "strength": 0.5}, strength=doubling)
        optimizer.param_groups[1]["params"].append(optimizer.param_groups[0]["params"].pop())
        optimizer.step()
        assert (a.item(), b.item()) == (0.5, 0.5)
        assert math.isnan(optimizer.sparsity()[0])


class TestStatesOfTheInnerOptimizer:
    @pytest.fixture
    def optimizer(self):
        groups = ({"params": [parameter()], "strength": doubling}, {"params": [parameter()]})
        optimizer = wrapped(*groups, strength=0.25)
        optimizer.step()
        return optimizer

    @pytest.fixture(params=["ProximalL1", "inner"])
    def load(self, request, optimizer):
        return (optimizer if request.param == "ProximalL1" else optimizer.inner_optimizer).load_state_dict

    @staticmethod
    def values(optimizer):
        return [group["params"][0].item() for group in optimizer.param_groups]

    def test_of_a_plain_one_leave_strengths_steps_and_axes(self, optimizer, load):
        plain = torch.optim.SGD([{"params": [parameter()]}, {"params": [parameter()]}], lr=1.0)
        load(plain.state_dict())
        optimizer.step()
        assert self.values(optimizer) == [1 - 0.125 - 0.25, 0.5]
        assert [group["strength_step"] for group in optimizer.param_groups] == [2, 2]

    def test_bring_their_own(self, optimizer, load):
        state = copy.deepcopy(optimizer.state_dict())
        state["param_groups"][0]["strength_step"] = 3
        state["param_groups"][1]["strength"] = 0.5
        load(state)
        optimizer.step()
        assert self.values(optimizer) == [0.875 - 0.5, 0.25]

    def test_reorder_and_load(self, optimizer, load):
        optimizer.param_groups.reverse()
        load(optimizer.state_dict())
        optimizer.step()
        assert self.values(optimizer) == [0.5, 1 - 0.125 - 0.25]

    @pytest.mark.parametrize(("key", "value"), [("strength", -1.0), ("group_axis", 3)])
    def test_a_refused_state_is_not_loaded(self, optimizer, key, value):
        state = copy.deepcopy(optimizer.state_dict())
        state["param_groups"][1] |= {key: value, "lr": 9.0}
        before = [dict(group) for group in optimizer.param_groups]
        with pytest.raises(ValueError, match=key):
            optimizer.load_state_dict(state)
        assert optimizer.param_groups == before
        optimizer.step()
        assert self.values(optimizer) == [1 - 0.125 - 0.25, 0.5]

    def test_survive_a_deep_copy(self, optimizer):
        optimizer.param_groups.reverse()
        twin = copy.deepcopy(optimizer)
        for each in (optimizer, twin):
            for group in each.param_groups:
                group["params"][0].grad = torch.zeros(1)
            each.step()
            assert self.values(each) == [0.5, 1 - 0.125 - 0.25]
