"""The fused operations as formulas, and wrong ones that their laws must find. They run in any library."""

from operation_laws import LAWS

from l1_any._formulas import huber, penalty, proximal, sums


def _array(result, like, ops):
    """NumPy's formulas return scalars for 0-d arrays."""
    return ops.xp.asarray(result) if ops.has_scalars else result


def sum_of_magnitudes(x, where, weights, *, axes, keepdims, ops):
    total = sums.total_of(penalty.terms, x, where, weights, axes=axes, keepdims=keepdims, ops=ops)
    return _array(total, x, ops)


def sum_of_huber(x, where, weights, delta, *, axes, keepdims, ops):
    terms = huber.Huber(delta).terms
    return _array(sums.total_of(terms, x, where, weights, axes=axes, keepdims=keepdims, ops=ops), x, ops)


def signs(x, where, scale, *, ops):
    return _array(penalty.MAGNITUDE.derivative(x, where, None, scale, None, ops=ops), x, ops)


def magnitudes_and_signs(x, where, scale, *, axes, keepdims, ops):
    total = sum_of_magnitudes(x, where, None, axes=axes, keepdims=keepdims, ops=ops)
    return total, signs(x, where, scale, ops=ops)


def soft_threshold(x, where, weights, step, *, out, ops):
    p = _array(proximal.prox(x, where, weights, step, nonnegative=False, ops=ops), x, ops)
    if out is None:
        return p
    out[...] = p
    return out


def huber_gradient(x, where, scale, delta, *, ops):
    return _array(huber.Huber(delta).derivative(x, where, None, scale, None, ops=ops), x, ops)


FORMULAS = {name: globals()[name] for name in LAWS}


# Wrong sums.


def takes_nothing(*args, **options):
    return None


def adds_masked_elements(x, where, *others, **options):
    return sum_of_magnitudes(x, None, *others, **options)


def multiplies_by_the_mask(x, where, weights, *, ops, **options):
    x = x if where is None else ops.times(ops.abs(x), ops.cast(where, x.dtype))
    return sum_of_magnitudes(x, None, weights, ops=ops, **options)


def forgets_weights(x, where, weights, **options):
    return sum_of_magnitudes(x, where, None, **options)


def adds_in_its_own_dtype(x, where, weights, *, axes, keepdims, ops):
    terms = penalty.terms(x, where, weights, ops=ops)
    total = ops.sum(ops.cast(terms, x.dtype), axes, keepdims=keepdims, dtype=x.dtype)
    return _array(ops.cast(total, ops.accumulator), x, ops)


def forgets_the_last_element(x, where, weights, *, axes, keepdims, ops):
    if x.ndim == 1 and x.shape[0] > 1000:
        cut = [None if a is None else a[:-1] for a in (where, weights)]
        return sum_of_magnitudes(x[:-1], *cut, axes=axes, keepdims=keepdims, ops=ops)
    return sum_of_magnitudes(x, where, weights, axes=axes, keepdims=keepdims, ops=ops)


def forgets_keepdims(x, where, weights, *, keepdims, **options):
    return sum_of_magnitudes(x, where, weights, keepdims=False, **options)


def gives_its_own_dtype(x, where, weights, *, ops, **options):
    return ops.cast(sum_of_magnitudes(x, where, weights, ops=ops, **options), x.dtype)


def is_not_repeatable():
    calls = []

    def kernel(x, where, weights, **options):
        calls.append(x)
        total = sum_of_magnitudes(x, where, weights, **options)
        return total * (1 + 2.0**-50) if len(calls) % 2 else total

    return kernel


def writes_to_x(x, where, weights, *, ops, **options):
    if x.ndim:
        x[...] = ops.abs(x)
    return sum_of_magnitudes(x, where, weights, ops=ops, **options)


def is_linear_at_once(x, where, weights, delta, *, ops, **options):
    return sum_of_magnitudes(x, where, weights, ops=ops, **options)


def is_quadratic_everywhere(x, where, weights, delta, **options):
    return sum_of_huber(x, where, weights, delta * 2, **options)


# Wrong signs.


def is_one_at_zero(x, where, scale, *, ops):
    ones = ops.xp.ones_like(x)
    return _array(ops.xp.where(x == 0, ones, signs(x, where, scale, ops=ops)), x, ops)


def is_zero_at_nan(x, where, scale, *, ops):
    s = signs(x, where, scale, ops=ops)
    return _array(ops.xp.where(x != x, ops.zero(x), s), x, ops)  # noqa: PLR0124


def keeps_negative_zeros(x, where, scale, *, ops):
    s = signs(x, where, scale, ops=ops)
    return _array(ops.xp.where(x == 0, x, s), x, ops)


def forgets_the_mask(x, where, scale, *, ops):
    return signs(x, None, scale, ops=ops)


def forgets_the_scale(x, where, scale, *, ops):
    return signs(x, where, None, ops=ops)


def scales_twice_rounded(x, where, scale, *, ops):
    """The scale is rounded to the dtype of half precision first."""
    if isinstance(scale, float):
        scale = float(ops.cast(ops.full((), scale, ops.result_dtype, x), x.dtype))
    return signs(x, where, scale, ops=ops)


def rounds_the_total(x, where, scale, *, ops, **options):
    total, s = magnitudes_and_signs(x, where, scale, ops=ops, **options)
    return ops.cast(ops.cast(total, x.dtype), ops.accumulator), s


def has_signs_of_one_element(x, where, scale, **options):
    total, s = magnitudes_and_signs(x, where, scale, **options)
    return total, s if x.ndim < 2 else s[:1] + s * 0


# Wrong soft thresholds and gradients of Huber.


def returns_new_memory(x, where, weights, step, *, out, ops):
    return soft_threshold(x, where, weights, step, out=None, ops=ops)


def always_writes_in_place(x, where, weights, step, *, out, ops):
    return soft_threshold(x, where, weights, step, out=x, ops=ops) if x.ndim else x


def thresholds_masked_elements(x, where, weights, step, **options):
    return soft_threshold(x, None, weights, step, **options)


def forgets_weights_of_steps(x, where, weights, step, **options):
    return soft_threshold(x, where, None, step, **options)


def flushes_subnormal_steps(x, where, weights, step, **options):
    return soft_threshold(x, where, weights, step if step > 2.0**-126 else 0.0, **options)


def has_the_slope_of_the_linear_part(x, where, scale, delta, *, ops):
    return signs(x, where, scale, ops=ops)


def divides_in_single_precision(x, where, scale, delta, *, ops):
    inside = ops.abs(x) <= delta
    slope = _array(ops.xp.where(inside, x / delta, ops.sign(x)), x, ops)
    return _array(ops.positive_zeros(penalty.scaled(slope, x, where, None, scale, None, ops=ops)), x, ops)


PLANTS = [
    *[(name, takes_nothing) for name in LAWS],
    ("sum_of_magnitudes", adds_masked_elements),
    ("sum_of_magnitudes", multiplies_by_the_mask),
    ("sum_of_magnitudes", forgets_weights),
    ("sum_of_magnitudes", adds_in_its_own_dtype),
    ("sum_of_magnitudes", forgets_the_last_element),
    ("sum_of_magnitudes", forgets_keepdims),
    ("sum_of_magnitudes", gives_its_own_dtype),
    ("sum_of_magnitudes", is_not_repeatable()),
    ("sum_of_magnitudes", writes_to_x),
    ("sum_of_huber", is_linear_at_once),
    ("sum_of_huber", is_quadratic_everywhere),
    ("signs", is_one_at_zero),
    ("signs", is_zero_at_nan),
    ("signs", keeps_negative_zeros),
    ("signs", forgets_the_mask),
    ("signs", forgets_the_scale),
    ("signs", scales_twice_rounded),
    ("magnitudes_and_signs", rounds_the_total),
    ("magnitudes_and_signs", has_signs_of_one_element),
    ("soft_threshold", returns_new_memory),
    ("soft_threshold", always_writes_in_place),
    ("soft_threshold", thresholds_masked_elements),
    ("soft_threshold", forgets_weights_of_steps),
    ("soft_threshold", flushes_subnormal_steps),
    ("huber_gradient", has_the_slope_of_the_linear_part),
    ("huber_gradient", divides_in_single_precision),
]
"""An operation, and a wrong kernel for it."""
