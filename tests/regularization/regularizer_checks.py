"""A ragged batch with the answers in float64, and the checks that laws and plants share."""

import dataclasses
import math

import numpy as np

from l1_any import testing

TARGETS = ("logprobs", "probs", ("field", "activations"), ("delta", "reference"), ("delta", ("uniform", 7)))


@dataclasses.dataclass
class Ragged:
    """Examples in NumPy: log-probabilities, references, masks and a field of another shape."""

    logprobs: list
    references: list
    masks: list
    activations: list

    def __repr__(self):
        return f"Ragged(lengths={[len(lp) for lp in self.logprobs]})"

    def data(self, library, dtype="float32"):
        return [
            {
                "reference": library.asarray(reference, dtype),
                "weights": mask.astype(int).tolist(),
                "activations": library.asarray(activations, dtype),
            }
            for reference, mask, activations in zip(
                self.references, self.masks, self.activations, strict=True
            )
        ]

    def arrays(self, library, dtype="float32"):
        return [library.asarray(lp, dtype) for lp in self.logprobs]

    def x(self, target):
        """x of each example, and its slope with respect to the log-probabilities."""
        lps = [lp.astype(np.float64) for lp in self.logprobs]
        match target:
            case "logprobs":
                return lps, [np.ones_like(lp) for lp in lps]
            case "probs":
                return [np.exp(lp) for lp in lps], [np.exp(lp) for lp in lps]
            case ("field", _):
                return [a.astype(np.float64) for a in self.activations], None
            case ("delta", ("uniform", size)):
                return [lp + math.log(size) for lp in lps], [np.ones_like(lp) for lp in lps]
        deltas = [lp - ref.astype(np.float64) for lp, ref in zip(lps, self.references, strict=True)]
        return deltas, [np.ones_like(lp) for lp in lps]

    def answers(self, target, reduce, *, masked):
        """(penalty, raw, mean, gradients), each exactly summed."""
        xs, slopes = self.x(target)
        masks = [mask if masked else np.ones(mask.shape, bool) for mask in self.masks]
        if slopes is None:
            masks = [np.ones(x.shape, bool) for x in xs]
        selected = np.concatenate([x[mask] for x, mask in zip(xs, masks, strict=True)], axis=None)
        raw = math.fsum(np.abs(selected).tolist())
        mean = raw / selected.size if selected.size else math.nan
        scale = 1 / max(selected.size, 1) if reduce == "mean" else 1
        if slopes is None:
            gradients = [np.zeros(lp.shape) for lp in self.logprobs]
        else:
            gradients = [
                np.where(mask, np.sign(x) * slope * scale, 0)
                for x, slope, mask in zip(xs, slopes, masks, strict=True)
            ]
        return (mean if reduce == "mean" else raw), raw, mean, gradients


def number(x):
    return float(testing.to_numpy(x))


def close(result, exact, rtol=2e-6):
    np.testing.assert_allclose(testing.to_numpy(result), exact, rtol=rtol, atol=2e-6)


def check_penalty(compute, library, batch, target, reduce, *, masked):
    """Hold ``compute(data, logprobs)`` against the exact penalty and metrics."""
    penalty, raw, mean, _ = batch.answers(target, reduce, masked=masked)
    value, metrics = compute(batch.data(library), batch.arrays(library))
    assert value.shape == ()
    close(value, penalty)
    close(metrics["l1_raw"], raw)
    close(metrics["l1_mean"], mean)


def check_metrics(run, library, batch, weight):
    """Hold the metrics of the one term, which has a weight, in the report that ``run`` gives."""
    _, raw, mean, _ = batch.answers("probs", "sum", masked=False)
    report = run(batch.data(library), batch.arrays(library))
    (term,) = report.terms.values()
    close(term.contribution, weight * raw)
    close(term.metrics["l1_raw"], raw)
    close(term.metrics["l1_mean"], mean)


def check_no_silent_zero(run, library, batch):
    """Ask for the gradient norm of a loss that has none: an error that names it, or the check fails."""
    message = ""
    try:
        run(batch.data(library), batch.arrays(library))
    except TypeError as error:
        message = str(error)
    assert "'solver'" in message
    assert "subgradient" in message
