"""Cases of the public functions on DTensors. Each is run by all processes at once, and asserts."""

import functools
import math
import types

import numpy as np
import torch
from every_function import CALLS, Arrays, arrays, flat
from torch.distributed.tensor import Replicate, Shard, distribute_tensor
from torch_meshes import Traffic, everywhere, mesh, partial, placed, same, whole

import l1_any as l1

SHAPE = (5, 7)  # no axis has equal shards
TORCH = types.SimpleNamespace(
    asarray=lambda a, dtype: torch.asarray(np.asarray(a)).to(getattr(torch, dtype)),
    bool=torch.asarray,
)
ELEMENTWISE = (
    "subgradient",
    "prox",
    "project",
    "huber_gradient",
    "group_subgradient",
    "prox_group",
    "subdiff",
)
NOT_IN_BITS = ("project", "prox_max", "group", "prox_group")  # their float64 sums are added in another order
PLAIN = {
    "value": l1.value,
    "subgradient": l1.subgradient,
    "norm": l1.subgradient_norm,
    "strength_max": l1.strength_max,
    "prox": lambda x: l1.prox(x, 0.5),
    "project": lambda x: l1.project(x, 1.5),
    "project columns": lambda x: l1.project(x, 1.5, axis=0),
    "prox_max": lambda x: l1.prox_max(x, 0.5),
    "group_value": lambda x: l1.group_value(x, axis=0),
    "prox_group": lambda x: l1.prox_group(x, 0.5, axis=0),
    "prox_group rows": lambda x: l1.prox_group(x, 0.5, axis=1),
}


def random(*shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def every_call(name, world):
    a = arrays(TORCH, SHAPE)
    expected = CALLS[name](a, 0.7)
    for on, placements in everywhere(world):
        b = Arrays(*[placed(x, on, placements) for x in a])
        got = CALLS[name](b, 0.7)
        same(got, expected, bits=not name.startswith(NOT_IN_BITS), names=(name, placements))
        for p in flat(got):
            if name.startswith(ELEMENTWISE) and not name.startswith("subgradient_norm") and p.ndim == 2:
                assert p.placements == tuple(placements), (name, p.placements)


def every_dtype(dtype):
    x = random(*SHAPE).to(dtype) if not dtype.is_complex else random(*SHAPE, dtype=dtype)
    on = mesh(2)
    for name, function in PLAIN.items():
        same(function(placed(x, on, [Shard(0)])), function(x), bits=dtype.itemsize == 2, names=(name, dtype))
    if dtype.itemsize == 2:
        return
    same(
        l1.value(placed(x, on, [Shard(0)]), reduce="mean"),
        l1.value(x, reduce="mean"),
        bits=not dtype.is_complex,
    )


def special_values():
    for value in (math.nan, math.inf, -math.inf):
        x = random(*SHAPE)
        x[3, 2] = value
        for name, function in PLAIN.items():
            for p in (Shard(0), Shard(1)):
                same(function(placed(x, mesh(2), [p])), function(x), bits=False, names=(name, value))
    x = torch.full((4, 3), 1.5e308, dtype=torch.float64)
    same(l1.value(placed(x, mesh(2), [Shard(0)]), reduce="mean"), l1.value(x, reduce="mean"))


def shards_of_any_length(rows):
    x = random(rows, 4)
    for name, function in PLAIN.items():
        got = function(placed(x, mesh(2), [Shard(0)]))
        same(got, function(x), bits=False, names=(name, rows))


def partial_sums():
    x = random(*SHAPE)
    for on in (mesh(2), mesh(1, 2)):
        p = partial(x, on)
        for name, function in PLAIN.items():
            same(function(p), function(x), bits=False, names=name)
        weights = partial(torch.ones(7), on)
        same(l1.prox(placed(x, on, [Shard(0)] * on.ndim), 0.5, weights=weights), l1.prox(x, 0.5))


def the_bits_of_the_whole_tensor():
    """Sums of float32 shards, rounded to float32 before they are added, are not this sum."""
    x = random(200_001, seed=6)
    sharded = placed(x.reshape(-1, 1), mesh(2), [Shard(0)])
    exact = math.fsum(x.abs().tolist())
    rounded_early = sum(np.float32(math.fsum(part.abs().tolist())) for part in x.chunk(2))
    assert np.float32(rounded_early) != np.float32(exact)
    for got in (
        l1.value(sharded),
        l1.value_and_subgradient(sharded)[0],
        l1.L1Regularizer().compute(None, sharded)[0],
    ):
        assert whole(got).item() == np.float32(exact)
    mean = l1.value(sharded, reduce="mean")
    assert whole(mean).item() == np.float32(exact / 200_001)
    assert whole(l1.value([sharded, sharded])).item() == np.float32(2 * exact)


def gradients(name, function, *others):
    """Automatic differentiation through DTensors gives the gradients of the whole tensor, placed as the tensor is."""
    x, w = random(*SHAPE), random(*SHAPE, seed=1).abs() + 0.5
    for on, placements in everywhere(2):
        own = [a.clone().requires_grad_() for a in (x, w, *others)]
        there = [placed(a, on, placements).requires_grad_() for a in (x, w)]
        there += [distribute_tensor(a, on, [Replicate()] * on.ndim).requires_grad_() for a in others]
        outs = function(*own), function(*there)
        scale = random(*outs[0].shape, seed=2)
        (outs[0] * scale).sum().backward()
        (outs[1] * distribute_tensor(scale, on, [Replicate()] * on.ndim)).sum().backward()
        for a, b in zip(own, there, strict=True):
            if a.grad is None:
                assert b.grad is None
                continue
            same(b.grad, a.grad, bits=False, names=(name, placements))
            assert b.grad.placements == b.placements, (name, placements)


GRADIENTS = {
    "value": (lambda x, w: l1.value(x, weights=w),),
    "mean of columns": (lambda x, w: l1.value(x, axis=0, reduce="mean", weights=w),),
    "mean of rows": (lambda x, w: l1.value(x, axis=1, reduce="mean", weights=w),),
    "value, weights of columns": (lambda x, w, row: l1.value(x, weights=row), torch.arange(1.0, 8)),
    "value, masked": (lambda x, w: l1.value(x, where=(w > 1).detach()),),
    "huber": (lambda x, w: l1.huber(x, 0.5),),
    "prox": (lambda x, w: l1.prox(x, 0.5, weights=w),),
    "prox, learnable step": (lambda x, w, t: l1.prox(x, t), torch.tensor(0.4)),
    "group_value, columns": (lambda x, w: l1.group_value(x, axis=0),),
    "group_value, weights": (
        lambda x, w, g: l1.group_value(x, axis=0, weights=g),
        torch.arange(1.0, 8)[None],
    ),
    "group_value, rows": (lambda x, w: l1.group_value(x, axis=1),),
    "prox_group, columns": (lambda x, w: l1.prox_group(x, 0.5, axis=0),),
    "prox_group, rows": (lambda x, w: l1.prox_group(x, 0.5, axis=1),),
    "project": (lambda x, w: l1.project(x, 1.5, weights=w),),
    "project, columns": (lambda x, w: l1.project(x, 1.5, axis=0),),
    "project, radius": (lambda x, w, r: l1.project(x, r), torch.tensor(1.5)),
    "prox_max": (lambda x, w: l1.prox_max(x, 0.5),),
    "prox_max, rows": (lambda x, w: l1.prox_max(x, 0.5, axis=1),),
}


def long_vectors(kind):
    """The threshold of long vectors, found by sums, is that which a sort of the whole vector finds."""
    n = 3001
    v = {
        "normal": random(n),
        "heavy": random(n) ** 9,
        "equal": torch.ones(n),
        "few": torch.where(torch.arange(n) % 500 == 0, random(n), torch.zeros(n)),
        "powers": torch.exp(torch.linspace(-600, 600, n, dtype=torch.float64)),
    }[kind]
    weights = torch.rand(n, generator=torch.Generator().manual_seed(1)).to(v.dtype) + 0.1
    sharded, w = (placed(a[:, None], mesh(2), [Shard(0)]) for a in (v, weights))
    for radius in (0.0, 1e-6, 1.0, 1e3, 1e30):
        for options, own in (({}, {}), ({"weights": w}, {"weights": weights[:, None]})):
            for axis in (None, 0):
                got = whole(l1.project(sharded, radius, axis=axis, **options))
                expected = l1.project(v[:, None], radius, axis=axis, **own)
                assert torch.equal(got == 0, expected == 0), (kind, radius, axis)
                eps = torch.finfo(v.dtype).eps
                torch.testing.assert_close(
                    got, expected, rtol=4 * eps, atol=4 * eps * float(expected.abs().max())
                )
        same(l1.prox_max(sharded, radius), l1.prox_max(v[:, None], radius), bits=False)
    many = placed(random(2, 600), mesh(2), [Shard(1)])
    same(l1.project(many, 2.0, axis=1), l1.project(random(2, 600), 2.0, axis=1), bits=False)


def what_travels():
    """The numbers that a process sends do not grow with the array."""

    def sent(function, n, p, x=None):
        x = placed(random(n, 16) if x is None else x, mesh(2), [p])
        with Traffic() as traffic:
            function(x)
        return traffic.numbers

    one = {
        "value": l1.value,
        "mean": lambda x: l1.value(x, reduce="mean"),
        "both": l1.value_and_subgradient,
        "huber": lambda x: l1.huber(x, 0.5),
        "norm": l1.subgradient_norm,
        "group_value, rows": lambda x: l1.group_value(x, axis=1),
    }
    none = {
        "subgradient": l1.subgradient,
        "prox": lambda x: l1.prox(x, 0.5),
        "rows": lambda x: l1.value(x, axis=1),
        "prox_group, rows": lambda x: l1.prox_group(x, 0.5, axis=1),
        "project, rows": lambda x: l1.project(x, 0.5, axis=1),
    }
    for n in (16, 4000):
        assert {name: sent(f, n, Shard(0)) for name, f in one.items()} == dict.fromkeys(one, 1)
        assert {name: sent(f, n, Shard(0)) for name, f in none.items()} == dict.fromkeys(none, 0)
        assert sent(l1.strength_max, n, Shard(0)) == 2
        assert sent(lambda x: l1.value(x, axis=0), n, Shard(0)) == 16
        assert sent(lambda x: l1.prox_group(x, 0.5, axis=0), n, Shard(0)) == 3 * 16
        assert sent(lambda x: l1.value([x, x * 2, x.half()]), n, Shard(0)) == 1
    few, many = (sent(lambda x: l1.project(x, 0.5), n, Shard(0)) for n in (40, 4000))
    assert few == many < 512
    few, many = (sent(lambda x: l1.project(x, 0.5, axis=0), n, Shard(0)) for n in (300, 4000))
    assert few == many < 512 * 16
    assert sent(lambda x: l1.project(x, 0.5, axis=0), 100, Shard(0)) <= 100 * 16


def pytrees():
    x, row, number = random(*SHAPE), random(7, seed=1), torch.tensor(0.3)
    tree = {"x": x, "row": row, "number": number, "half": random(6, 2, seed=2).half()}
    on = mesh(2)
    ways = {"x": [Shard(0)], "row": [Shard(0)], "number": [Replicate()], "half": [Replicate()]}
    spread = {name: distribute_tensor(a, on, ways[name]) for name, a in tree.items()}
    for function in (
        l1.value,
        lambda t: l1.value(t, reduce="mean"),
        l1.subgradient_norm,
        l1.strength_max,
        lambda t: l1.project(t, 2.0),
        lambda t: l1.project(t, 2.0, weights={"x": 1.0, "row": 2.0, "number": 0.5, "half": 1.0}),
        lambda t: l1.prox_max(t, 2.0),
        lambda t: l1.prox(t, 0.25),
    ):
        got, expected = function(spread), function(tree)
        same(got, expected, bits=False)
        if isinstance(got, dict):
            assert {name: list(p.placements) for name, p in got.items()} == ways


def refused(text, call):
    try:
        call()
    except TypeError as error:
        assert text in str(error), str(error)  # noqa: PT017 - not under pytest
    else:
        raise AssertionError(text)


def errors():
    x = random(*SHAPE)
    d = placed(x, mesh(2), [Shard(0)])
    plain = "a plain tensor beside a DTensor; pass distribute_tensor("
    refused(f"`where` must be placed as `x` is, got {plain}where", lambda: l1.value(d, where=x > 0))
    refused(f"`weights` must be placed as `x` is, got {plain}", lambda: l1.prox(d, 1.0, weights=x.abs()))
    refused(f"`step` must be placed as `x` is, got {plain}", lambda: l1.prox(d, x[:1].abs()))
    refused(f"`gradient` must be placed as `x` is, got {plain}", lambda: l1.subdiff_distance(d, x, 1.0))
    refused("`where` must be placed as `x` is, got a DTensor", lambda: l1.value(x, where=d > 0))
    refused("`x[1]` must be placed as `x[0]` is, got a DTensor", lambda: l1.value([x, d]))
    refused("`data['mask']`", lambda: l1.L1Regularizer(where="mask").compute({"mask": x > 0}, d))
    # What is the same in all processes is distributed: numbers, replicated tensors, other shards.
    same(l1.prox(d, torch.tensor(0.5)), l1.prox(x, 0.5))
    for p in (Replicate(), Shard(1)):
        mask = distribute_tensor(x > 0.2, mesh(2), [p])
        same(l1.value(d, where=mask, reduce="mean"), l1.value(x, where=x > 0.2, reduce="mean"))
    try:
        l1.value(d, where=distribute_tensor(x > 0, mesh(1, 2), [Shard(0)] * 2))
    except ValueError as error:
        assert "`where` must be on the device of `x`, DeviceMesh" in str(error)  # noqa: PT017 - not under pytest
    else:
        raise AssertionError


def floats():
    x = random(*SHAPE)
    d = placed(x, mesh(2), [Shard(0)])
    found = l1.to_floats(
        {
            "value": l1.value(d),
            "sum": d.sum(),
            "plain": torch.tensor(2.0),
            "part": [partial(x, mesh(2)).sum()],
        }
    )
    assert found["value"] == l1.value(x).item()
    assert found["plain"] == 2
    assert math.isclose(found["sum"], x.sum().item(), rel_tol=1e-5)
    assert math.isclose(found["part"][0], x.sum().item(), rel_tol=1e-5)
    assert l1.explain(l1.value, d) == (
        "PyTorch float32, on each shard: the formula on the whole array; a kernel is loaded from 32768 elements on"
    ) or "on each shard" in l1.explain(l1.value, d)


def compiled():
    x = random(*SHAPE)
    d = placed(x, mesh(2), [Shard(0)])
    for function in (l1.value, l1.subgradient, lambda x: l1.prox(x, 0.5)):
        same(torch.compile(function, backend="eager", fullgraph=True)(d), function(x))


def of(world):
    """Return the cases for a number of processes, by name."""
    names = CALLS if world == 2 else ON_FOUR
    cases = {name: functools.partial(every_call, name, world) for name in names}
    if world != 2:
        return cases
    cases |= {f"dtype {d}": functools.partial(every_dtype, getattr(torch, d)) for d in DTYPES}
    cases |= {
        f"gradient of {name}": functools.partial(gradients, name, *own) for name, own in GRADIENTS.items()
    }
    cases |= {f"{n} rows": functools.partial(shards_of_any_length, n) for n in (0, 1, 3)}
    cases |= {f"long vectors, {kind}": functools.partial(long_vectors, kind) for kind in KINDS}
    others = [
        special_values,
        partial_sums,
        the_bits_of_the_whole_tensor,
        what_travels,
        pytrees,
        errors,
        floats,
        compiled,
    ]
    return cases | {case.__name__.replace("_", " "): case for case in others}


ON_FOUR = [
    "value, list, mean",
    "value, columns, mean",
    "value, masked, mean",
    "value_and_subgradient, mask of rows",
    "subgradient, masked",
    "group_value, weights",
    "group_value, list",
    "prox, masked",
    "prox_group, step of each",
    "prox_max, rows",
    "project, columns",
    "project, list, weights",
    "strength_max, weights",
]
DTYPES = ["float16", "bfloat16", "float64", "complex64", "complex128"]
KINDS = ["normal", "heavy", "equal", "few", "powers"]
