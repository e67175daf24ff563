import math
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np

from l1_any.cli.ngram import EVALUATED, ngram_logprobs, standard_library_logprobs


def by_hand(training, text, position, order):
    """One row in plain Python, from the recursion."""
    probabilities = [1 / 256] * 256
    padded_training, padded = bytes(order) + training, bytes(order) + text
    for length in range(order):
        context = padded[order + position - length : order + position]
        counts = [0] * 256
        for i in range(order, len(padded_training)):
            if padded_training[i - length : i] == context:
                counts[padded_training[i]] += 1
        distinct = sum(count > 0 for count in counts)
        if distinct:
            total = sum(counts) + distinct
            probabilities = [
                (count + distinct * p) / total for count, p in zip(counts, probabilities, strict=True)
            ]
    return probabilities


def test_equals_the_recursion():
    training, text = b"the cat sat on the mat, the rat sat", b"the bat\xff sat"
    for order in (1, 2, 4):
        logprobs = ngram_logprobs(training, text, order=order)
        expected = np.log([by_hand(training, text, position, order) for position in range(len(text))])
        np.testing.assert_allclose(logprobs, expected, rtol=1e-6)


def test_standard_library_is_quick():
    """Python is not called for every byte, neither of the text nor of the training text, a hundred times as long."""
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event in {"call", "c_call"}

    profile = sys.getprofile()
    sys.setprofile(count)
    try:
        logprobs = standard_library_logprobs()
    finally:
        sys.setprofile(profile)
    assert calls < len(logprobs)


def test_standard_library_gives_distributions():
    logprobs = standard_library_logprobs()
    text = (Path(sysconfig.get_path("stdlib")) / EVALUATED).read_bytes()
    assert logprobs.shape == (len(text), 256)
    assert logprobs.dtype == np.float32
    assert np.isfinite(logprobs).all()
    assert logprobs.max() <= 0
    np.testing.assert_allclose(np.exp(logprobs.astype(np.float64)).sum(axis=1), 1, atol=1e-6)
    # it knows Python: 8 bits a byte is a uniform guess, and a text's own letter frequencies give about 4.5
    chosen = logprobs[np.arange(len(text)), np.frombuffer(text, np.uint8)]
    assert -chosen.mean() / math.log(2) < 3.2


def test_another_process_makes_the_same_bytes():
    code = (
        "import hashlib; from l1_any.cli.ngram import standard_library_logprobs as f;"
        "print(hashlib.sha256(f().tobytes()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
