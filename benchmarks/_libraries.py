"""The libraries, with their usual expressions for a sum of magnitudes and those of the package."""

import dataclasses
import importlib.util
import os
from collections.abc import Callable
from typing import Any

import _model
import _penalties
import _proximal
import numpy as np
from _cases import Case, Library

import l1_any as l1


def _numpy(_device: str) -> Library:
    return Library(
        "numpy",
        lambda data, dtype: data.astype(dtype),
        (
            Case("value", "np.abs(x).sum()", lambda x: np.abs(x).sum()),
            Case("value", "np.linalg.norm(x, 1)", lambda x: np.linalg.norm(x, 1)),
            Case("value", "l1.value(x)", l1.value),
            Case("gradient", "np.abs(x).sum(), np.sign(x)", lambda x: (np.abs(x).sum(), np.sign(x))),
            Case("gradient", "l1.value_and_subgradient(x)", l1.value_and_subgradient),
            Case("axis", "np.abs(x).sum(-1)", lambda x: np.abs(x).sum(-1)),
            Case("axis", "np.linalg.norm(x, 1, axis=-1)", lambda x: np.linalg.norm(x, 1, axis=-1)),
            Case("axis", "l1.value(x, axis=-1)", lambda x: l1.value(x, axis=-1)),
        ),
        dtypes=("float32", "float16", "float64", "complex64", "complex128"),
        reader=("np.max(x)", np.max),
    )


def _torch(device: str) -> Library:
    import torch
    from torch.nn import functional

    def backward(value: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def run(x: Any) -> tuple[Any, Any]:
            x.grad = None
            out = value(x)
            out.backward()
            return out.detach(), x.grad

        return run

    def l1_loss(x: Any) -> Any:
        return functional.l1_loss(x, torch.zeros_like(x), reduction="sum")

    def vector_norm(x: Any) -> Any:
        return torch.linalg.vector_norm(x, 1)

    compiled: tuple[Case, ...] = ()
    if device == "cuda":
        of_abs, of_value = torch.compile(lambda x: x.abs().sum()), torch.compile(l1.value)
        rows_of_abs = torch.compile(lambda x: x.abs().sum(-1))
        rows_of_value = torch.compile(lambda x: l1.value(x, axis=-1))
        compiled = (
            Case("value", "torch.compile(x.abs().sum())", of_abs),
            Case("value", "torch.compile(l1.value)(x)", of_value),
            Case("gradient", "torch.compile(x.abs().sum()).backward()", backward(of_abs)),
            Case("gradient", "torch.compile(l1.value)(x).backward()", backward(of_value)),
            Case("axis", "torch.compile(x.abs().sum(-1))", rows_of_abs),
            Case("axis", "torch.compile(l1.value)(x, axis=-1)", rows_of_value),
        )
    return Library(
        "torch",
        lambda data, dtype: torch.from_numpy(data).to(device, getattr(torch, dtype), copy=True),
        (
            Case("value", "x.abs().sum()", lambda x: x.abs().sum()),
            Case("value", "torch.linalg.vector_norm(x, 1)", vector_norm),
            Case("value", "torch.norm(x, p=1)", lambda x: torch.norm(x, p=1)),
            Case("value", 'F.l1_loss(x, zeros, reduction="sum")', l1_loss),
            Case("value", "l1.value(x)", l1.value),
            Case("gradient", "x.abs().sum().backward()", backward(lambda x: x.abs().sum())),
            Case("gradient", "torch.linalg.vector_norm(x, 1).backward()", backward(vector_norm)),
            Case("gradient", 'F.l1_loss(x, zeros, reduction="sum").backward()', backward(l1_loss)),
            Case("gradient", "l1.value(x).backward()", backward(l1.value)),
            Case("axis", "x.abs().sum(-1)", lambda x: x.abs().sum(-1)),
            Case(
                "axis",
                "torch.linalg.vector_norm(x, 1, dim=-1)",
                lambda x: torch.linalg.vector_norm(x, 1, dim=-1),
            ),
            Case("axis", "l1.value(x, axis=-1)", lambda x: l1.value(x, axis=-1)),
            *compiled,
        ),
        wait=(lambda _: torch.cuda.synchronize()) if device == "cuda" else (lambda out: out),
        prepare={"gradient": lambda x: x.requires_grad_()},
        reader=("torch row sums", lambda rows: rows.sum(-1)),
    )


def _jax(device: str) -> Library:
    if device == "cuda":  # otherwise JAX takes most of the memory, which the other libraries need too
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax
    import jax.numpy as jnp

    def abs_sum(x: Any) -> Any:
        return jnp.abs(x).sum()

    to = jax.devices("gpu" if device == "cuda" else device)[0]
    return Library(
        "jax",
        lambda data, dtype: jax.device_put(data.astype(jnp.dtype(dtype)), to),
        (
            Case("value", "jnp.abs(x).sum()", abs_sum),
            Case("value", "jax.jit(jnp.abs(x).sum())", jax.jit(abs_sum)),
            Case("value", "jnp.linalg.norm(x, 1)", lambda x: jnp.linalg.norm(x, 1)),
            Case("value", "l1.value(x)", l1.value),
            Case("gradient", "jax.value_and_grad(jnp.abs(x).sum())", jax.value_and_grad(abs_sum)),
            Case(
                "gradient",
                "jax.jit(jax.value_and_grad(jnp.abs(x).sum()))",
                jax.jit(jax.value_and_grad(abs_sum)),
            ),
            Case("gradient", "l1.value_and_subgradient(x)", l1.value_and_subgradient),
            Case(
                "gradient",
                "l1.value under jax.jit(jax.value_and_grad)",
                jax.jit(jax.value_and_grad(l1.value)),
            ),
            Case("axis", "jnp.abs(x).sum(-1)", lambda x: jnp.abs(x).sum(-1)),
            Case("axis", "jax.jit(jnp.abs(x).sum(-1))", jax.jit(lambda x: jnp.abs(x).sum(-1))),
            Case("axis", "l1.value(x, axis=-1)", lambda x: l1.value(x, axis=-1)),
        ),
        wait=jax.block_until_ready,
        dtypes=("float32", "float16", "bfloat16"),  # float64 needs the x64 mode, which is a global switch
        reader=("jax.jit row sums", jax.jit(lambda rows: rows.sum(-1))),
    )


def _dask(_device: str) -> Library:
    import dask
    import dask.array as da

    return Library(
        "dask",
        lambda data, dtype: da.from_array(data.astype(dtype), chunks="auto"),
        (
            Case("value", "da.abs(x).sum().compute()", lambda x: da.abs(x).sum().compute()),
            Case("value", "da.linalg.norm(x, 1).compute()", lambda x: da.linalg.norm(x, 1).compute()),
            Case("value", "l1.value(x).compute()", lambda x: l1.value(x).compute()),
            Case(
                "gradient",
                "dask.compute(da.abs(x).sum(), da.sign(x))",
                lambda x: dask.compute(da.abs(x).sum(), da.sign(x)),
            ),
            Case(
                "gradient",
                "l1.value_and_subgradient(x), computed",
                lambda x: dask.compute(*l1.value_and_subgradient(x)),
            ),
            Case("axis", "da.abs(x).sum(-1).compute()", lambda x: da.abs(x).sum(-1).compute()),
            Case("axis", "l1.value(x, axis=-1).compute()", lambda x: l1.value(x, axis=-1).compute()),
        ),
        dtypes=("float32", "float16", "float64"),
    )


def _cupy(_device: str) -> Library:
    import cupy as cp

    return Library(
        "cupy",
        lambda data, dtype: cp.asarray(data.astype(dtype)),
        (
            Case("value", "cp.abs(x).sum()", lambda x: cp.abs(x).sum()),
            Case("value", "cp.linalg.norm(x, 1)", lambda x: cp.linalg.norm(x, 1)),
            Case("value", "l1.value(x)", l1.value),
            Case("gradient", "cp.abs(x).sum(), cp.sign(x)", lambda x: (cp.abs(x).sum(), cp.sign(x))),
            Case("gradient", "l1.value_and_subgradient(x)", l1.value_and_subgradient),
            Case("axis", "cp.abs(x).sum(-1)", lambda x: cp.abs(x).sum(-1)),
            Case("axis", "l1.value(x, axis=-1)", lambda x: l1.value(x, axis=-1)),
        ),
        wait=lambda _: cp.cuda.get_current_stream().synchronize(),
        dtypes=("float32", "float16", "float64"),
        reader=("cupy row sums", lambda rows: rows.sum(-1)),
    )


_ON_DEVICE = {
    "cpu": {"numpy": _numpy, "torch": _torch, "jax": _jax, "dask": _dask},
    "cuda": {"cupy": _cupy, "torch": _torch, "jax": _jax},
}


def installed(device: str) -> list[str]:
    """Return the names of the installed libraries that have a device."""
    return [name for name in _ON_DEVICE[device] if importlib.util.find_spec(name)]


def library(name: str, device: str) -> Library:
    """Import a library and return it with its cases."""
    found = _ON_DEVICE[device][name](device)
    topics = (_penalties, _proximal, _model)
    prepare = found.prepare | _penalties.prepare(name) | _model.prepare(name)
    return dataclasses.replace(
        found, cases=found.cases + sum((topic.cases(name) for topic in topics), ()), prepare=prepare
    )
