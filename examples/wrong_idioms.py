"""Print where the usual ways to write an L1 penalty go wrong, beside what l1_any gives.

Run it with `python examples/wrong_idioms.py`; it needs torch, jax and ml_dtypes.
"""

import warnings
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import torch

import l1_any as l1


def rows() -> Iterator[tuple[str, str, float, float]]:
    """Yield an idiom, its data, what it gives and what l1_any gives."""
    equal = torch.full((1 << 25,), 0.1)
    yield (
        "`torch.linalg.vector_norm(x, 1)`",
        "33,554,432 times 0.1, float32",
        torch.linalg.vector_norm(equal, 1).item(),
        l1.value(equal).item(),
    )
    half = np.ones(100_000, dtype=np.float16)
    yield "`np.abs(x).sum()`", "100,000 ones, float16", np.abs(half).sum(), l1.value(half)
    brain = np.ones(1000, dtype=ml_dtypes.bfloat16)
    yield (
        "`np.abs(x).sum()`",
        "1,000 ones, bfloat16",
        np.abs(brain).sum(),
        l1.value(torch.ones(1000, dtype=torch.bfloat16)).item(),
    )
    matrix = np.ones((3, 4))
    yield "`np.linalg.norm(x, 1)`", "3 by 4 ones", np.linalg.norm(matrix, 1), l1.value(matrix)
    logprobs, mask = np.asarray([-1.0, -2.0, -np.inf]), np.asarray([True, True, False])
    yield (
        "`np.abs(x * mask).sum()`",
        "-inf under the mask",
        np.abs(logprobs * mask).sum(),
        l1.value(logprobs, where=mask),
    )
    zero = jnp.float32(0)
    yield "`jax.grad` of `jnp.abs`", "0", jax.grad(jnp.abs)(zero), jax.grad(l1.value)(zero)
    nan = torch.tensor(torch.nan, requires_grad=True)
    yield (
        "`torch` gradient of `x.abs()`",
        "NaN",
        torch.autograd.grad(nan.abs(), nan)[0].item(),
        torch.autograd.grad(l1.value(nan), nan)[0].item(),
    )


def main() -> None:
    """Print the rows as a Markdown table."""
    warnings.filterwarnings("ignore", category=RuntimeWarning)  # the idioms overflow and make NaN
    print("| idiom | x | gives | l1_any gives |")
    print("|---|---|--:|--:|")
    for idiom, data, wrong, right in rows():
        print(f"| {idiom} | {data} | {float(wrong):,.8g} | {float(right):,.8g} |")


if __name__ == "__main__":
    main()
