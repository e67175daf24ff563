"""The parameters of a model: usual expressions for their penalty and a proximal step, and those of the package."""

import importlib
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

from _cases import Case
from _penalties import DELTA, NAMESPACES, huber

import l1_any as l1

WIDTH, LAYERS, CONTEXT = 256, 10, 256
STRENGTH, RATE = 1e-3, 1e-2


def shapes(width: int) -> list[tuple[int, ...]]:
    """Return the shapes of the 126 parameters of a transformer with ten layers, as in GPT-2."""
    vocabulary = 9100 * width // WIDTH
    norm = [(width,), (width,)]
    attention = [(width, 3 * width), (3 * width,), (width, width), (width,)]
    perceptron = [(width, 4 * width), (4 * width,), (4 * width, width), (width,)]
    layer = [*norm, *attention, *norm, *perceptron]
    head = [(width, vocabulary), (vocabulary,)]
    return [(vocabulary, width), (CONTEXT, width), *(LAYERS * layer), *norm, *head]


def size(width: int) -> int:
    """Return the number of elements of all parameters."""
    return sum(math.prod(shape) for shape in shapes(width))


SIZE = size(WIDTH)


def cut(flat: Any, copy: Callable[[Any], Any]) -> list[Any]:
    """Return the parameters, copied from a flat array: those of the widest model that it can fill."""
    width = next(width for width in itertools.count(1) if size(width + 1) > flat.shape[0])
    found = shapes(width)
    ends = itertools.accumulate(math.prod(shape) for shape in found)
    return [
        copy(flat[end - math.prod(shape) : end].reshape(shape))
        for shape, end in zip(found, ends, strict=True)
    ]


def prepare(library: str) -> dict[str, Callable[[Any], Any]]:
    """Return how the data of a kind are prepared."""
    if library in NAMESPACES:
        copy = importlib.import_module(library).copy
        return dict.fromkeys(("model", "model-signs", "model-huber"), lambda x: cut(x, copy))
    if library == "torch":
        import torch

        def parameters(x: Any) -> list[Any]:
            return cut(x, lambda a: torch.nn.Parameter(a.clone()))

        def tensors(x: Any) -> list[Any]:
            return cut(x, torch.clone)

        of_kind = {"model": tensors, "model-signs": parameters, "model-huber": tensors}
        return of_kind | {"model-step": lambda x: Steps(parameters(x), parameters(x))}
    return {}


class Steps:
    """A step of SGD, then soft thresholds: by torch's own operations, and by the package."""

    def __init__(self, parameters: list[Any], own_parameters: list[Any]) -> None:
        import torch

        for p in itertools.chain(parameters, own_parameters):
            p.grad = torch.full_like(p, 1e-4)
        self._parameters = parameters
        self._sgd = torch.optim.SGD(parameters, lr=RATE)
        self._proximal = l1.optim.ProximalL1(torch.optim.SGD(own_parameters, lr=RATE), strength=STRENGTH)

    def usual(self) -> None:
        """Step by SGD, and soft-threshold in a loop."""
        import torch

        self._sgd.step()
        with torch.no_grad():
            for p in self._parameters:
                p.copy_(torch.nn.functional.softshrink(p, RATE * STRENGTH))

    def proximal(self) -> None:
        """Step by the package's optimizer."""
        self._proximal.step()


def cases(library: str) -> tuple[Case, ...]:
    """Return a library's cases; none if the library has no kernels."""
    if library in NAMESPACES:
        return tuple(_of_namespace(library))
    return tuple(_torch()) if library == "torch" else ()


def _of_namespace(library: str) -> Iterator[Case]:
    xp, name = importlib.import_module(library), NAMESPACES[library]
    yield Case("model", f"sum({name}.abs(a).sum() for a in x)", lambda x: sum(xp.abs(a).sum() for a in x))
    yield Case("model", "l1.value(x)", l1.value)
    yield Case("model-signs", f"[{name}.sign(a) for a in x]", lambda x: [xp.sign(a) for a in x])
    yield Case("model-signs", "l1.subgradient(x)", l1.subgradient)
    yield Case(
        "model-huber", f"sum({name}.where(...).sum() for a in x)", lambda x: sum(huber(a, xp) for a in x)
    )
    yield Case("model-huber", "l1.huber(x, delta)", lambda x: l1.huber(x, DELTA))


def _torch() -> Iterator[Case]:
    import torch
    from torch.nn.functional import huber_loss

    def value(x: list[Any]) -> Any:
        return sum(p.abs().sum() for p in x)

    def backward(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def run(x: list[Any]) -> list[Any]:
            for p in x:
                p.grad = None
            function(x).backward()
            return [p.grad for p in x]

        return run

    def total_huber(x: list[Any]) -> Any:
        return sum(huber_loss(p, torch.zeros_like(p), reduction="sum", delta=DELTA) for p in x)

    yield Case("model", "sum(p.abs().sum() for p in x)", value)
    yield Case("model", "l1.value(x)", l1.value)
    yield Case("model-signs", "sum(p.abs().sum() for p in x).backward()", backward(value))
    yield Case("model-signs", "l1.value(x).backward()", backward(l1.value))
    yield Case("model-huber", "sum(F.huber_loss(p, ...) for p in x)", total_huber)
    yield Case("model-huber", "l1.huber(x, delta)", lambda x: l1.huber(x, DELTA))
    yield Case("model-step", "SGD.step(), p.copy_(F.softshrink(p, t))", Steps.usual)
    yield Case("model-step", "l1.optim.ProximalL1(SGD).step()", Steps.proximal)
