"""Usual expressions for signs, masks, the first axis, Huber functions and groups, and those of the package."""

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import _cases
from _cases import Case

import l1_any as l1

DELTA, STEP = 1.0, 0.5
NAMESPACES = {"numpy": "np", "cupy": "cp"}
"""The libraries with NumPy's functions, and their usual abbreviations."""


def cases(library: str) -> tuple[Case, ...]:
    """Return a library's cases; none if the library has no kernels."""
    if library in NAMESPACES:
        return (*_of_namespace(library), *_own())
    return (*_torch(), *_own()) if library == "torch" else ()


def prepare(library: str) -> dict[str, Callable[[Any], Any]]:
    """Return how the data of a kind are prepared."""
    if library in NAMESPACES:
        xp = importlib.import_module(library)
        return {"mask": lambda x: (x, xp.asarray(_cases.mask(x.shape)))}
    if library == "torch":
        import torch

        return {"mask": lambda x: (x, torch.from_numpy(_cases.mask(tuple(x.shape))).to(x.device))}
    return {}


def _own() -> Iterator[Case]:
    """Yield the package's expressions, which are the same for every library."""
    yield Case("mask", "l1.value(x, where=m)", lambda pair: l1.value(pair[0], where=pair[1]))
    yield Case("columns", "l1.value(x, axis=0)", lambda x: l1.value(x, axis=0))
    yield Case("signs", "l1.subgradient(x)", l1.subgradient)
    yield Case("huber", "l1.huber(x, delta)", lambda x: l1.huber(x, DELTA))
    yield Case("huber-gradient", "l1.huber_gradient(x, delta)", lambda x: l1.huber_gradient(x, DELTA))
    yield Case("norm", "l1.subgradient_norm(x)", l1.subgradient_norm)
    yield Case("groups", "l1.group_value(x, axis=-1)", lambda x: l1.group_value(x, axis=-1))
    yield Case("shrink", "l1.prox_group(x, t, axis=-1)", lambda x: l1.prox_group(x, STEP, axis=-1))


def huber(x: Any, xp: Any) -> Any:
    """Return the sum of the Huber function with half-width 1, by NumPy or CuPy."""
    a = xp.abs(x)
    return xp.where(a <= DELTA, 0.5 * a * a, a - 0.5).sum()


def _of_namespace(library: str) -> Iterator[Case]:
    xp, name = importlib.import_module(library), NAMESPACES[library]

    def select(pair: Any) -> Any:
        x, m = pair
        return xp.abs(x[m]).sum()

    def fill(pair: Any) -> Any:
        x, m = pair
        return xp.abs(xp.where(m, x, 0)).sum()

    def shrink(x: Any) -> Any:
        return x * xp.maximum(1 - STEP / xp.linalg.norm(x, axis=-1, keepdims=True), 0)

    huber_name = f"{name}.where(a <= 1, a * a / 2, a - 0.5).sum(), a = {name}.abs(x)"
    yield Case("mask", f"{name}.abs(x[m]).sum()", select)
    yield Case("mask", f"{name}.abs({name}.where(m, x, 0)).sum()", fill)
    yield Case("columns", f"{name}.abs(x).sum(0)", lambda x: xp.abs(x).sum(0))
    yield Case("signs", f"{name}.sign(x)", xp.sign)
    yield Case("huber", huber_name, lambda x: huber(x, xp))
    yield Case("huber-gradient", f"{name}.clip(x, -delta, delta)", lambda x: xp.clip(x, -DELTA, DELTA))
    yield Case("norm", f"{name}.sqrt({name}.count_nonzero(x))", lambda x: xp.sqrt(xp.count_nonzero(x)))
    yield Case("groups", f"{name}.linalg.norm(x, axis=-1).sum()", lambda x: xp.linalg.norm(x, axis=-1).sum())
    yield Case("shrink", f"x * {name}.maximum(1 - t / {name}.linalg.norm(x, axis=-1), 0)", shrink)


def _torch() -> Iterator[Case]:
    import torch
    from torch.nn import functional

    def select(pair: Any) -> Any:
        x, m = pair
        return x[m].abs().sum()

    def fill(pair: Any) -> Any:
        x, m = pair
        return torch.where(m, x, 0).abs().sum()

    def norms(x: Any) -> Any:
        return torch.linalg.vector_norm(x, dim=-1, keepdim=True)

    def total_huber(x: Any) -> Any:
        return functional.huber_loss(x, torch.zeros_like(x), reduction="sum", delta=DELTA)

    yield Case("mask", "x[m].abs().sum()", select)
    yield Case("mask", "torch.where(m, x, 0).abs().sum()", fill)
    yield Case("columns", "x.abs().sum(0)", lambda x: x.abs().sum(0))
    yield Case("signs", "x.sgn()", lambda x: x.sgn())
    yield Case("huber", 'F.huber_loss(x, zeros, reduction="sum")', total_huber)
    yield Case("huber-gradient", "x.clamp(-delta, delta)", lambda x: x.clamp(-DELTA, DELTA))
    yield Case("norm", "torch.count_nonzero(x).sqrt()", lambda x: torch.count_nonzero(x).sqrt())
    yield Case("groups", "torch.linalg.vector_norm(x, dim=-1).sum()", lambda x: norms(x).sum())
    yield Case(
        "shrink",
        "x * (1 - t / torch.linalg.vector_norm(x, dim=-1)).relu()",
        lambda x: x * (1 - STEP / norms(x)).relu(),
    )
