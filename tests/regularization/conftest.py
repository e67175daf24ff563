"""The two kinds of run with a gradient, and log-probabilities for them."""

import pytest
from background import ROWS, asynchronous, synchronous


@pytest.fixture(params=[synchronous, asynchronous], ids=["value_and_gradient", "acompute"])
def run(request):
    return request.param


@pytest.fixture
def logprobs(library):
    return [library.asarray(row, "float32") for row in ROWS]
