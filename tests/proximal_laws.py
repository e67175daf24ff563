"""The laws of the operators, as checks of any implementation of them: the plants must fail them."""

import numpy as np

from l1_any.testing import to_numpy


def eps(dtype):
    """Rounding unit of a dtype."""
    return float(np.finfo(dtype).eps)


def soft(x, t):
    """Soft threshold in float64."""
    x = np.asarray(x, np.float64)
    return np.sign(x) * np.maximum(np.abs(x) - t, 0)


def no_negative_zeros(p):
    assert not np.any(np.signbit(p) & (p == 0))


def prox_is_optimal(prox, library, x, step, weights=1.0):
    """(x - p)/step is in w·∂|p|."""
    p = to_numpy(prox(library.asarray(x), step, weights=library.asarray(weights)))
    assert p.dtype == x.dtype
    no_negative_zeros(p)
    wide, t = x.astype(float), np.float64(step) * weights
    rounding = 4 * eps(x.dtype) * (np.abs(wide) + t)
    kept = p != 0
    assert np.all(np.abs(wide - p - t * np.sign(p))[kept] <= rounding[kept])
    assert np.all((np.abs(wide) - t)[~kept] <= rounding[~kept])


def prox_leaves_masked_elements(prox, library, x, step, mask):
    """What the mask leaves out is the same bits, NaN included."""
    p = to_numpy(prox(library.asarray(x), step, where=library.bool(mask)))
    assert p[~mask].tobytes() == x[~mask].tobytes()
    assert np.array_equal(p[mask], to_numpy(prox(library.asarray(x[mask]), step)))


def projection_by_bisection(x, radius, weights):
    """Project one vector in float64: find θ, with Σ w·max(|x| - θw, 0) = radius, by bisection."""
    x, w = np.asarray(x, float), np.broadcast_to(np.asarray(weights, float), np.shape(x))
    if np.sum(w * np.abs(x)) <= radius:
        return x
    low, high = 0.0, float(np.max(np.abs(x) / w))
    for _ in range(200):
        middle = (low + high) / 2
        if np.sum(w * np.maximum(np.abs(x) - middle * w, 0)) > radius:
            low = middle
        else:
            high = middle
    return soft(x, high * w)


def projection_is_the_nearest_point(project, library, x, radius, weights=1.0):
    """Feasible, as bisection has it, bit for bit itself inside, zeros that are exact and positive."""
    w = np.broadcast_to(np.asarray(weights, x.dtype), x.shape)
    p = to_numpy(project(library.asarray(x), radius, axis=-1, weights=library.asarray(w.copy())))
    assert p.dtype == x.dtype
    expected = np.apply_along_axis(
        lambda both: projection_by_bisection(both[0::2], radius, both[1::2]),
        -1,
        np.stack([x.astype(float), w.astype(float)], axis=-1).reshape(*x.shape[:-1], -1),
    )
    bound = 8 * eps(x.dtype) * np.max(np.abs(x), initial=0.0) * max(1, x.shape[-1])
    assert np.allclose(p, expected, rtol=0, atol=bound)
    mass = np.sum(w.astype(float) * np.abs(x.astype(float)), axis=-1)
    reached = np.sum(w.astype(float) * np.abs(p.astype(float)), axis=-1)
    assert np.all(reached <= radius + bound * x.shape[-1])
    inside = mass <= radius * (1 - 1e-5)
    assert p[inside].tobytes() == x[inside].tobytes()
    no_negative_zeros(p[mass > radius * (1 + 1e-5)])
