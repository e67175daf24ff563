"""Rebuilds a custom loss from the torch.fx graph that the Tinker SDK sends as data, node by node."""

import math
import operator
from functools import partial

import torch

# Only modules that a tensor formula needs. `torch` itself is not among them: it also has `load` and `compile`.
_FUNCTIONS = {
    "math": math,
    "operator": operator,
    "torch": torch._C._VariableFunctions,
    "torch.functional": torch.functional,
    "torch.nn.functional": torch.nn.functional,
    "torch._C._linalg": torch._C._linalg,
    "torch._C._nn": torch._C._nn,
    "torch._C._special": torch._C._special,
}
# A value that JSON cannot express comes as an object with one of these keys.
_CONSTRUCTORS = {
    "tuple": tuple,
    "slice": lambda bounds: slice(*bounds),
    "ellipsis": lambda _: ...,
    "float": float,
    "device": torch.device,
    "dtype": partial(getattr, torch),
    "layout": partial(getattr, torch),
    "memory_format": partial(getattr, torch),
}


def build_loss(graph):
    """Build the function ``(logprobs, *inputs) -> (loss, metrics)`` of a ``CustomLossGraph``.

    Parameters
    ----------
    graph : dict
        The graph that the SDK sent, decoded from JSON.

    Returns
    -------
    torch.fx.GraphModule

    Raises
    ------
    ValueError
        If the graph has an operation that a custom loss may not use.
    """
    built = torch.fx.Graph()
    nodes = {}
    for node in graph["nodes"]:
        name, target = node["name"], node["target"]
        args = tuple(_decode(arg, nodes) for arg in node["args"])
        kwargs = {key: _decode(arg, nodes) for key, arg in node["kwargs"].items()}
        match node["op"]:
            case "placeholder":
                nodes[name] = built.placeholder(target)
            case "call_function":
                nodes[name] = built.call_function(_function(target, args), args, kwargs)
            case "call_method" if not target.startswith("_"):
                nodes[name] = built.call_method(target, args, kwargs)
            case "output":
                built.output(*args)
            case op:
                raise ValueError(f"a custom loss may not use {op} {target!r}.")
    return torch.fx.GraphModule({}, built)


def _function(target, args):
    if target == "getattr" and not str(args[1]).startswith("_"):
        return getattr
    module, _, name = target.rpartition(".")
    found = None if name.startswith("_") else getattr(_FUNCTIONS.get(module), name, None)
    if found is None:
        raise ValueError(f"a custom loss may not call {target!r}.")
    return found


def _decode(arg, nodes):
    if isinstance(arg, list):
        return [_decode(item, nodes) for item in arg]
    if not isinstance(arg, dict):
        return arg
    ((kind, value),) = arg.items()
    if kind == "ref":
        return nodes[value]
    if kind == "dict":
        return {key: _decode(item, nodes) for key, item in value.items()}
    return _CONSTRUCTORS[kind](_decode(value, nodes))
