"""What the operators refuse, and how they say it."""

import numpy as np
import pytest

import l1_any as l1

X = np.asarray([[1.0, -2.0], [0.5, 0.0]])
Z = X + 1j


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: l1.prox(X, -1.0), ValueError, "`step` must be a finite number >= 0, got -1.0."),
        (lambda: l1.prox(X, float("nan")), ValueError, "`step` must be a finite number >= 0, got nan."),
        (lambda: l1.prox(X, "1"), TypeError, "`step` must be a number or an array, got str."),
        (lambda: l1.prox(X, np.ones(3)), ValueError, "`step` must broadcast to the shape (2, 2)"),
        (lambda: l1.prox(X, np.ones(2, int)), TypeError, "`step` must have a real floating dtype, got int64"),
        (lambda: l1.prox(Z, 1.0, nonnegative=True), TypeError, "`x` must be real with `nonnegative=True`"),
        (lambda: l1.prox(X, 1.0, weights=-1.0), ValueError, "`weights` must be a finite number >= 0"),
        (lambda: l1.prox(X, 1.0, where=X), TypeError, "`where` must have the boolean dtype"),
        (lambda: l1.prox(X.astype(int), 1.0), TypeError, "`x` must have a real or complex floating dtype"),
        (lambda: l1.prox_elastic_net(X, 1.0, l1_ratio=2.0), ValueError, "`l1_ratio` must be a number from 0"),
        (lambda: l1.project(X, -1.0), ValueError, "`radius` must be a finite number >= 0, got -1.0."),
        (lambda: l1.project(X, 1.0, axis=2), ValueError, "`axis` must be within the 2 dimensions"),
        (lambda: l1.project(X, 1.0, axis=(0, 1)), TypeError, "`axis` must be an int or None, got (0, 1)."),
        (lambda: l1.project([X], 1.0, axis=0), ValueError, "a structure is one long vector"),
        (
            lambda: l1.project(X, np.ones(2), axis=1),
            ValueError,
            "`radius` must broadcast to the shape (2, 1)",
        ),
        (lambda: l1.project(Z, 1.0, nonnegative=True), TypeError, "`x` must be real"),
        (lambda: l1.prox_max(X, -1.0), ValueError, "`step` must be a finite number >= 0"),
        (
            lambda: l1.subdiff_distance(X, X[0], 1.0),
            ValueError,
            "`gradient` must have the shape and dtype of `x`",
        ),
        (lambda: l1.subdiff_distance([X], [None], 1.0), TypeError, "`gradient` must be an array like `x`"),
        (
            lambda: l1.subdiff_distance([X], [X, X], 1.0),
            ValueError,
            "`gradient` must have the structure of `x`",
        ),
        (lambda: l1.subdiff_distance(X, X, -1.0), ValueError, "`strength` must be a finite number >= 0"),
        (lambda: l1.strength_max(X.astype(int)), TypeError, "floating dtype"),
        (lambda: l1.huber(X, -1.0), ValueError, "`delta` must be a finite number >= 0"),
        (
            lambda: l1.huber_gradient(X, X),
            ValueError,
            "`delta` must be a number or a 0-d array, got shape (2, 2).",
        ),
        (lambda: l1.huber(X, "1"), TypeError, "`delta` must be a number or a 0-d array, got str."),
        (lambda: l1.prox_group(X, -1.0, axis=1), ValueError, "`step` must be a finite number >= 0"),
        (lambda: l1.prox_group(X, X, axis=1), ValueError, "`step` must broadcast to the shape (2, 1)"),
        (lambda: l1.prox_group(X, 1.0, axis=2), ValueError, "`axis` must be within the 2 dimensions"),
        (lambda: l1.group_value(X, axis=1, reduce="max"), ValueError, '`reduce` must be "sum" or "mean"'),
        (lambda: l1.group_value(X[:0], axis=1, reduce="mean"), ValueError, "`x` has no groups"),
        (
            lambda: l1.group_value(X, axis=1, weights=X),
            ValueError,
            "`weights` must broadcast to the shape (2, 1)",
        ),
    ],
)
def test_errors_name_the_argument(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)
