"""Usual expressions for the soft threshold and the projection onto the L1 ball, and those of the package."""

import functools
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from _cases import Case

import l1_any as l1

STEP, RADIUS = 0.5, 10.0


def cases(library: str) -> tuple[Case, ...]:
    """Return a library's cases; none if the library has no usual expression."""
    return tuple(_CASES[library]()) if library in _CASES else ()


def exact(kind: str, x: np.ndarray) -> np.ndarray:
    """Return the result of the operator, computed in float64."""
    x = x.astype(np.float64)
    return _textbook_prox(np, x) if kind == "prox" else _textbook_project(x)


def _textbook_prox(xp: Any, x: Any) -> Any:
    return xp.sign(x) * xp.maximum(xp.abs(x) - STEP, 0)


def _textbook_project(x: np.ndarray) -> np.ndarray:
    """Project rows with the sorting algorithm of Duchi et al. (2008), figure 1."""
    a = np.abs(x)
    u = np.flip(np.sort(a, axis=1), axis=1)
    excess = np.cumsum(u, axis=1) - RADIUS
    count = np.arange(1, x.shape[1] + 1, dtype=x.dtype)
    last = (u * count > excess).sum(axis=1, keepdims=True)
    theta = np.take_along_axis(excess, last - 1, axis=1) / last.astype(x.dtype)
    return np.sign(x) * np.maximum(a - np.maximum(theta, 0), 0)


def _numpy() -> Iterator[Case]:
    yield Case("prox", "np.sign(x) * np.maximum(np.abs(x) - t, 0)", lambda x: _textbook_prox(np, x))
    yield _prox()
    yield Case("project", "by np.sort and np.cumsum", _textbook_project)
    yield _project()


def _torch() -> Iterator[Case]:
    import torch
    from torch.nn import functional

    def textbook_project(x: Any) -> Any:
        a = x.abs()
        u = a.sort(dim=1, descending=True).values
        excess = u.cumsum(dim=1) - RADIUS
        count = torch.arange(1, x.shape[1] + 1, dtype=x.dtype, device=x.device)
        last = (u * count > excess).sum(dim=1, keepdim=True)
        theta = excess.gather(1, last - 1) / last
        return x.sign() * (a - theta.clamp(min=0)).relu()

    yield Case("prox", "F.softshrink(x, t)", lambda x: functional.softshrink(x, STEP))
    yield Case("prox", "x.sign() * (x.abs() - t).relu()", lambda x: x.sign() * (x.abs() - STEP).relu())
    yield _prox()
    yield Case("project", "by torch.sort and torch.cumsum", textbook_project)
    yield _project()


def _jax() -> Iterator[Case]:
    import jax
    import jax.numpy as jnp

    yield Case(
        "prox", "jax.jit(sign(x) * maximum(abs(x) - t, 0))", jax.jit(functools.partial(_textbook_prox, jnp))
    )
    projections: list[tuple[str, Callable[[Any], Any]]] = []
    if importlib.util.find_spec("optax"):
        import optax

        one = functools.partial(optax.projections.projection_l1_ball, scale=RADIUS)
        projections.append(("optax projection_l1_ball", one))
    if importlib.util.find_spec("jaxopt"):
        import jaxopt

        yield Case("prox", "jax.jit(jaxopt prox_lasso)", jax.jit(lambda x: jaxopt.prox.prox_lasso(x, STEP)))
        one = functools.partial(jaxopt.projection.projection_l1_ball, max_value=RADIUS)
        projections.append(("jaxopt projection_l1_ball", one))
    yield _prox()
    for name, one in projections:
        yield Case("project", f"jax.jit(jax.vmap({name}))", jax.jit(jax.vmap(one)))
    yield _project()


def _cupy() -> Iterator[Case]:
    import cupy as cp

    yield Case("prox", "cp.sign(x) * cp.maximum(cp.abs(x) - t, 0)", lambda x: _textbook_prox(cp, x))
    yield _prox()


def _prox() -> Case:
    return Case("prox", "l1.prox(x, t)", lambda x: l1.prox(x, STEP))


def _project() -> Case:
    return Case("project", "l1.project(x, r, axis=1)", lambda x: l1.project(x, RADIUS, axis=1))


_CASES = {"numpy": _numpy, "torch": _torch, "jax": _jax, "cupy": _cupy}
