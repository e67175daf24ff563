"""Calls on the same shapes compile once: JAX compiles nothing for the second, and no cache of ours grows."""

import contextlib
import sys
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
import pytest
from every_function import CALLS, arrays, flat, functions

import l1_any as l1

pytestmark = [pytest.mark.only("numpy", "torch", "jax", "dask"), pytest.mark.one_variant]

NUMBERS = (0.5, 0.75, 1.25)
"""Steps, radii, half-widths and weights that change from call to call."""

COMPILATION = "/jax/core/compile/backend_compile_duration"

TARGETS = ("logprobs", "probs", ("field", "values"), ("delta", "reference"), ("delta", l1.Uniform(7)))
REGULARIZERS = {
    "L1": lambda target, t, **options: l1.L1Regularizer(target, **options),
    "weighted L1": lambda target, t, **options: l1.L1Regularizer(target, weights=t, **options),
    "soft L1": lambda target, t, **options: l1.SoftL1Regularizer(t, target, **options),
}
SCHEDULES = {
    "linear": lambda: l1.schedules.linear_warmup(0.1, 10),
    "cosine": lambda: l1.schedules.cosine(0.1, 10, final=0.01, warmup=2),
}


@contextlib.contextmanager
def compilations():
    """Collect the names of what JAX compiles."""
    from jax import monitoring

    found = []

    def listen(event, duration, **details):
        if event == COMPILATION:
            found.append(details.get("fun_name", event))

    monitoring.register_event_duration_secs_listener(listen)
    try:
        yield found
    finally:
        # JAX before 0.8 has no public way to unregister one of them.
        unregister = getattr(monitoring, "unregister_event_duration_listener", None)
        monitoring.clear_event_listeners() if unregister is None else unregister(listen)


def entries():
    """Count what the package's modules and classes hold in containers, however deep, and in cached functions.

    What JAX keeps of a compiled function is its own: under a transformation `jax.jit` keeps something of each call.
    """
    counts, seen = {}, set()
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] == "l1_any" and module is not None:
            for key, held in list(vars(module).items()):
                if not key.startswith("__"):
                    counts[f"{name}.{key}"] = _size(held, seen)
    return counts


def _size(held, seen):
    if id(held) in seen or isinstance(held, str | bytes):
        return 0
    seen.add(id(held))
    n = 0
    if hasattr(held, "cache_info"):  # functools.cache
        n += held.cache_info().currsize
    if isinstance(held, Mapping):
        n += len(held) + sum(_size(value, seen) for value in list(held.values()))
    elif isinstance(held, Sequence | AbstractSet):
        n += len(held) + sum(_size(value, seen) for value in list(held))
    ours = held if isinstance(held, type) else type(held)
    if str(getattr(ours, "__module__", "")).partition(".")[0] == "l1_any":
        n += sum(_size(value, seen) for value in list(getattr(held, "__dict__", {}).values()))
    return n


def grown(before):
    """Name what holds more than it did, and what is new."""
    return {key: (before.get(key), n) for key, n in entries().items() if n != before.get(key)}


def check(library, function):
    """Call a function of a number three times; nothing may be compiled, and nothing kept, after the first."""
    first, *others = NUMBERS
    function(first)
    before = entries()
    jax = compilations() if library.name == "jax" else contextlib.nullcontext([])
    with jax as compiled:
        for number in others:
            function(number)
    assert compiled == []
    assert grown(before) == {}


@pytest.fixture(params=["one array", "list"])
def batch(request, library):
    """Data and log-probabilities: of one array, or of a list with one array for each example."""
    rng = np.random.default_rng(0)

    def made(*shape):
        return library.asarray(-rng.exponential(size=shape), "float32")

    if request.param == "one array":
        return {"values": made(3, 2), "reference": made(4, 6)}, made(4, 6)
    lengths = (3, 5)
    return [{"values": made(2), "reference": made(n)} for n in lengths], [made(n) for n in lengths]


def test_every_function_is_called():
    assert {name.partition(",")[0] for name in CALLS} == functions()


def test_caches_are_found():
    """The table of array types, and the operations for each state of one."""
    ops = l1._arrays.lookup.known(np.zeros(1, np.float32))
    before = entries()
    ops._siblings["probe"] = ops
    l1._arrays.lookup._TABLES[test_caches_are_found] = None
    try:
        assert list(grown(before)) == ["l1_any._arrays.lookup._TABLES"]
        assert entries()["l1_any._arrays.lookup._TABLES"] == before["l1_any._arrays.lookup._TABLES"] + 2
    finally:
        del ops._siblings["probe"], l1._arrays.lookup._TABLES[test_caches_are_found]


@pytest.mark.only("jax")
def test_compilations_are_found(library):
    import jax

    x = library.asarray([1.0, 2.0], "float32")
    with compilations() as compiled:
        jax.jit(lambda x: x + 1)(x)
        assert len(compiled) == 1
    jax.jit(lambda x: x + 2)(x)
    assert len(compiled) == 1


@pytest.mark.parametrize("name", CALLS)
def test_functions(library, name):
    a = arrays(library)
    check(library, lambda t: CALLS[name](a, t))


@pytest.mark.parametrize("name", ["value", "huber, list", "value_and_subgradient, masked, mean"])
def test_fresh_arrays(library, name):
    """What is kept belongs to types and dtypes, not to an array."""
    check(library, lambda t: CALLS[name](arrays(library, seed=int(t * 4)), t))


OF_NUMBERS = {
    "huber": lambda a, t: l1.huber(a.x, t),
    "huber, list": lambda a, t: l1.huber([a.x, a.row], t, reduce="mean"),
    "huber_gradient": lambda a, t: l1.huber_gradient(a.x, t, reduce="mean"),
    "prox_elastic_net": lambda a, t: l1.prox_elastic_net(a.x, 0.5, l1_ratio=t),
    "prox_elastic_net, both": lambda a, t: l1.prox_elastic_net([a.x, a.row], t, l1_ratio=t),
    "SoftL1Regularizer": lambda a, t: l1.SoftL1Regularizer(t).compute(None, a.x),
    "SoftL1Regularizer.subgradient": lambda a, t: l1.SoftL1Regularizer(t).subgradient(None, a.x),
    "SoftL1Regularizer.subgradient_norm": lambda a, t: l1.SoftL1Regularizer(t).subgradient_norm(None, a.x),
}
"""What takes a half-width or a share."""


@pytest.mark.parametrize("of", ["number", "array"])
@pytest.mark.parametrize("name", OF_NUMBERS)
def test_half_widths_and_shares(library, name, of):
    a = arrays(library)
    shares = {t: library.asarray(t / 2, "float32") if of == "array" else t / 2 for t in NUMBERS}
    check(library, lambda t: OF_NUMBERS[name](a, shares[t]))


@pytest.mark.parametrize("kind", REGULARIZERS)
@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize("method", ["compute", "subgradient", "subgradient_norm"])
def test_regularizers(library, batch, method, target, kind):
    """A new regularizer for each call, as in a function of a training step."""
    for reduce in ("sum", "mean"):
        check(library, lambda t: getattr(REGULARIZERS[kind](target, t, reduce=reduce), method)(*batch))  # noqa: B023


@pytest.mark.parametrize("kind", REGULARIZERS)
@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_pipelines(library, batch, target, kind):
    """A new pipeline for each call, with a weight that changes."""

    def run(t):
        pipe = l1.Pipeline(l1.L1Regularizer(), [l1.Term(REGULARIZERS[kind](target, t), weight=t)])
        return pipe(*batch), pipe.value_and_gradient(*batch)

    check(library, run)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("of", ["number", "array"])
def test_schedules(library, batch, of, schedule):
    """A step of each call: a number, or a 0-d array."""
    terms = [l1.Term(l1.L1Regularizer("probs"), weight=SCHEDULES[schedule]())]
    pipe = l1.Pipeline(l1.L1Regularizer(("delta", "reference")), terms)

    def run(t):
        step = int(t * 4) if of == "number" else library.asarray(t * 4, "float32")
        return pipe.value_and_gradient(*batch, step=step)

    check(library, run)


@pytest.mark.only("jax", "torch")
def test_losses_of_others(library, batch):
    """Automatic differentiation of what has no `subgradient`; a new function for each call."""

    def run(t):
        def loss(data, logprobs):
            return sum((lp * t).sum() for lp in logprobs)

        return l1.Pipeline(loss, [l1.Term(l1.L1Regularizer(), weight=t)])(*batch)

    check(library, run)


@pytest.mark.only("jax")
@pytest.mark.parametrize("name", CALLS)
def test_transformations(library, name):
    """Transformations of functions of eager arrays, which JAX works on one operation at a time."""
    import jax

    a = arrays(library)

    def run(t):
        def function(x):
            return [result.sum() for result in flat(CALLS[name](a._replace(x=x, gradient=x), t))]

        jax.grad(lambda x: sum(function(x)))(a.x)
        jax.jvp(function, (a.x,), (a.gradient,))
        jax.vmap(function)(a.x[None])

    check(library, run)
