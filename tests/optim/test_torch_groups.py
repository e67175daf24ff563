"""Parameter groups have strengths, axes and schedules of their own."""

import copy
import math

import pytest
import torch
from torch import nn
from torch_runs import make_model, parameters_of

import l1_any as l1


class TestGroups:
    def test_each_has_its_own_strength(self):
        a, b, c = (nn.Parameter(torch.ones(2)) for _ in range(3))
        inner = torch.optim.SGD([{"params": [a]}, {"params": [b], "strength": 2.0, "lr": 0.2}], lr=0.1)
        optimizer = l1.optim.ProximalL1(inner, strength=1.0)
        optimizer.add_param_group({"params": [c], "strength": 0.0})
        for p in (a, b, c):
            p.grad = torch.zeros(2)
        optimizer.step()
        for p, expected in ((a, 0.9), (b, 0.6), (c, 1.0)):
            torch.testing.assert_close(p.detach(), torch.full((2,), expected))
        optimizer.param_groups[0]["strength"] = 9.0
        optimizer.step()
        torch.testing.assert_close(a.detach(), torch.zeros(2))
        assert optimizer.sparsity() == [1.0, 0.0, 0.0]

    def test_schedule_gets_the_number_of_steps_taken(self):
        a, b = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
        seen = []

        def schedule(step):
            seen.append(step)
            return 0.1 * step

        inner = torch.optim.SGD([{"params": [a], "strength": schedule}, {"params": [b]}], lr=1.0)
        optimizer = l1.optim.ProximalL1(inner, strength=0.25)
        a.grad, b.grad = torch.zeros(1), torch.zeros(1)
        for _ in range(3):
            optimizer.step()
        assert seen == [0, 0, 1, 2]
        assert optimizer.param_groups[0]["strength"] == 0.2
        torch.testing.assert_close(a.detach(), torch.tensor([0.7]))
        torch.testing.assert_close(b.detach(), torch.tensor([0.25]))

    def test_schedule_of_a_group_added_later_starts_where_the_others_are(self):
        first, later = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
        optimizer = l1.optim.ProximalL1(torch.optim.SGD([first], lr=1.0), lambda step: 0.1 * step)
        first.grad, later.grad = torch.zeros(1), torch.zeros(1)
        for _ in range(3):
            optimizer.step()
        optimizer.add_param_group({"params": [later]})
        optimizer.step()
        torch.testing.assert_close(later.detach(), torch.tensor([0.7]))
        assert [group["strength_step"] for group in optimizer.param_groups] == [4, 4]

    @pytest.mark.parametrize(
        "exclude",
        [
            "*bias",
            ["0.bias", "1.*", "3.bias"],
            lambda name, _: name.endswith("bias"),
            lambda _, p: p.ndim == 1,
        ],
        ids=["pattern", "patterns", "name", "shape"],
    )
    def test_excluded_parameters_have_no_threshold(self, exclude):
        model = make_model()
        before = dict(zip(dict(model.named_parameters()), parameters_of(model), strict=True))
        inner = torch.optim.SGD(model.named_parameters(), lr=1.0)
        optimizer = l1.optim.ProximalL1(inner, strength=9.0, exclude=exclude)
        for p in model.parameters():
            p.grad = torch.zeros_like(p)
        optimizer.step()
        for name in ("0.bias", "3.bias"):
            assert torch.equal(model.get_parameter(name), before[name])
        assert not model.get_parameter("0.weight").any()
        assert optimizer.sparsity() == [1.0]

    def test_exclude_holds_for_groups_added_later(self):
        model = make_model()
        inner = torch.optim.SGD(model[0].named_parameters(), lr=1.0)
        optimizer = l1.optim.ProximalL1(inner, strength=9.0, exclude="*bias")
        optimizer.add_param_group({"params": list(model[3].named_parameters(prefix="head"))})
        for p in model.parameters():
            p.grad = torch.zeros_like(p)
        optimizer.step()
        assert not model[3].weight.any()
        assert model[3].bias.all()

    def test_sparsity_is_nan_where_all_is_excluded(self):
        optimizer = l1.optim.ProximalL1(
            torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=1.0), 0.1, exclude=lambda *_: True
        )
        assert math.isnan(optimizer.sparsity()[0])


@pytest.mark.parametrize("wrong", [{"strength": -1.0}, {"group_axis": 1}])
def test_a_refused_group_is_not_added(wrong):
    layer = nn.Linear(3, 2)
    optimizer = l1.optim.ProximalL1(torch.optim.SGD([layer.weight], lr=0.1), strength=0.5)
    with pytest.raises(ValueError, match=r"strength|group_axis"):
        optimizer.add_param_group({"params": [layer.bias]} | wrong)
    assert len(optimizer.param_groups) == 1
    optimizer.add_param_group({"params": [layer.bias], "strength": 1.0})
    layer.bias.grad = torch.zeros(2)
    optimizer.step()
    assert optimizer.param_groups[1]["strength"] == 1.0


class TestMinNdim:
    def test_it_leaves_out_biases_and_scales(self):
        model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
        optimizer = l1.optim.ProximalL1(torch.optim.SGD(model.parameters(), lr=1.0), 9.0, min_ndim=2)
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        for p in model.parameters():
            p.grad = torch.zeros_like(p)
        optimizer.step()
        assert not model.get_parameter("0.weight").any()
        for name in ("0.bias", "1.weight", "1.bias"):
            assert torch.equal(model.get_parameter(name), before[name])
        assert optimizer.sparsity() == [1.0]

    def test_it_holds_for_groups_added_later(self):
        model = make_model()
        inner = torch.optim.SGD(model[0].named_parameters(), lr=1.0)
        optimizer = l1.optim.ProximalL1(inner, 9.0, min_ndim=2)
        optimizer.add_param_group({"params": list(model[3].named_parameters(prefix="head"))})
        for p in model.parameters():
            p.grad = torch.zeros_like(p)
        optimizer.step()
        assert not model[0].weight.any()
        assert not model[3].weight.any()
        assert model[0].bias.all()
        assert model[3].bias.all()

    def test_without_it_all_parameters_have_a_threshold(self):
        model = nn.LayerNorm(4)
        optimizer = l1.optim.ProximalL1(torch.optim.SGD(model.parameters(), lr=1.0), 9.0)
        for p in model.parameters():
            p.grad = torch.zeros_like(p)
        optimizer.step()
        assert not model.weight.any()

    @pytest.mark.parametrize(("wrong", "error"), [(-1, ValueError), (1.0, TypeError), (True, TypeError)])
    def test_it_must_be_a_number_of_dimensions(self, wrong, error):
        inner = torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=1.0)
        with pytest.raises(error, match=f"`min_ndim` must be an int >= 0, got {wrong}"):
            l1.optim.ProximalL1(inner, 1.0, min_ndim=wrong)

    def test_a_copy_keeps_it(self):
        model = nn.LayerNorm(4)
        optimizer = copy.deepcopy(
            l1.optim.ProximalL1(torch.optim.SGD(model.parameters(), lr=1.0), 9.0, min_ndim=2)
        )
        optimizer.add_param_group({"params": [late := nn.Parameter(torch.ones(2))]})
        late.grad = torch.zeros(2)
        optimizer.step()
        assert late.all()
