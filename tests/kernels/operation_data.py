"""Values, masks, weights, axes and scales for the laws of the fused operations, in NumPy and in a place."""

import itertools
import math

import numpy as np

from l1_any.testing import result_dtype

inf, nan = math.inf, math.nan
PARTS = {"complex64": "float32", "complex128": "float64"}
"""The dtype of the parts of a complex number."""
SCALES = [None, 1.0, 0.1, -2.5, 0.0, 2.0**-14, 1e-7, 1e-40, 65536.0, 3e38]
_EXPONENTS = {"float16": (-14, 10), "bfloat16": (-126, 7), "float32": (-126, 23), "float64": (-1022, 52)}


def limits(dtype):
    """The least subnormal, the least normal and the largest number of a real dtype."""
    least, bits = _EXPONENTS[dtype]
    return 2.0 ** (least - bits), 2.0**least, (2 - 2.0**-bits) * 2.0 ** (1 - least)


def special(dtype):
    """Both zeros, infinities, NaN, subnormals, the largest numbers and a few others, in float64 or complex128."""
    least, normal, largest = limits(PARTS.get(dtype, dtype))
    positive = [0.0, least, 3 * least, normal / 2, normal, 2 * normal, 0.3, 1.0, 1.5, largest, inf]
    real = np.asarray([*positive, *(-v for v in positive), nan, -nan])
    if dtype not in PARTS:
        return real
    some = np.asarray([0.0, -0.0, normal, -1.5, 0.3, largest, inf, -inf, nan])
    out = np.empty((some.size, some.size), complex)
    out.real, out.imag = some[:, None], some[None, :]
    return out.ravel()


def random(rng, shape, dtype):
    """Normal numbers of a shape."""
    x = rng.standard_normal(shape)
    return x + 1j * rng.standard_normal(shape) if dtype in PARTS else x


def with_special(rng, shape, dtype):
    """Normal numbers with all special numbers among them, if there is room."""
    values = random(rng, math.prod(shape), dtype)
    some = special(dtype)[: values.size]
    values[: some.size] = some
    rng.shuffle(values)
    return values.reshape(shape)


def shapes_for(n):
    """Shapes of no, one, few and about n elements, with 0 to 3 axes."""
    some = [
        (),
        (0,),
        (1,),
        (7,),
        (n,),
        (3, 0),
        (0, 3),
        (5, 1),
        (1, 5),
        (60, n // 60),
        (n // 30, 30),
        (4, 6, n // 24),
    ]
    return list(dict.fromkeys(some))


def masks_for(rng, shape):
    """None, a mask of the shape, masks of the last axes with and without leading 1s, and one that selects nothing."""
    masks = [None, rng.random(shape) < 0.6, np.zeros(shape, bool)]
    if len(shape) > 1:
        last = rng.random(shape[1:]) < 0.6
        masks += [last, last[None], rng.random(shape[-1:]) < 0.6]
    return masks


def weights_for(rng, shape):
    """None, and weights >= 0 of the shape and of the last axes."""
    weights = [None, np.abs(rng.standard_normal(shape)) * (rng.random(shape) < 0.8)]
    if len(shape) > 1:
        weights.append(np.abs(rng.standard_normal(shape[-1:])))
    return weights


def beside(rng, shape):
    """Pairs of masks and weights: each mask without weights and with some, and each of the weights without a mask."""
    masks, weights = masks_for(rng, shape), weights_for(rng, shape)
    pairs = [(None, w) for w in weights] + [(m, None) for m in masks[1:]]
    return pairs + list(zip(masks[1:], itertools.cycle(weights[1:]), strict=False))


def axes_for(shape):
    """All axes and the last ones, which a kernel must take, then others; each with whether it must."""
    n = len(shape)
    must = [tuple(range(first, n)) for first in range(n)]
    may = [(0,), (1,), (0, 1), (0, 2)]
    return [(axes, True) for axes in must] + [(a, False) for a in may if max(a) < n and a not in must]


def spoiled(values, where):
    """The values with NaN and infinities where the mask is false."""
    if where is None:
        return values
    bad = np.resize([nan, inf, -inf], values.shape)
    return np.where(where, values, bad)


# In a place.


def placed(place, values, dtype=None):
    return None if values is None else place.asarray(values, dtype)


def cases(place, n):
    """Values, mask, weights, axes, and whether a kernel must take them, in the library."""
    rng = np.random.default_rng(0)
    # In the dtypes that weights have: x's own, the one of results, and float64.
    names = [PARTS.get(place.dtype, place.dtype), result_dtype(place.dtype), "float64"]
    for shape in shapes_for(n):
        for i, (where, weights) in enumerate(beside(rng, shape)):
            normal = random(rng, shape, place.dtype)
            values = [normal, normal * 1e4, np.full(shape, 0.1)][i % 3]
            x, mask = place.asarray(spoiled(values, where)), placed(place, where, "bool")
            yield x, mask, placed(place, weights, names[i % 3]), axes_for(shape)


def views(place, n):
    """Arrays that are not contiguous, and axes; a kernel may leave these to the formula."""
    x = place.asarray(random(np.random.default_rng(1), (60, n // 60), place.dtype))
    for view in (x.T, x[::2], x[:, ::2], x[1:, 1:], x[3]):
        for axes, _ in axes_for(view.shape):
            yield view, axes


def elementwise_cases(place, n):
    """Arrays with every special number, and masks."""
    rng = np.random.default_rng(2)
    for shape in shapes_for(n):
        for where in masks_for(rng, shape):
            x = place.asarray(with_special(rng, shape, place.dtype))
            yield x, placed(place, where, "bool")


def scales_for(place, x):
    """Numbers, and arrays with one element, as autograd passes them."""
    yield from SCALES
    for shape, value in (((), -0.7), ((1,) * x.ndim, 1e-30), ((1,) * x.ndim, 3.0), ((), 0.0)):
        for dtype in (result_dtype(place.dtype), "float64"):
            yield place.asarray(np.full(shape, value), dtype)
    yield place.asarray(0.1, PARTS.get(place.dtype, place.dtype))
