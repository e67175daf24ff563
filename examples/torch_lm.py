"""Fine-tune a small language model, with an L1 penalty on its distance from a frozen reference.

A byte-level GRU first learns the source of the Python standard library. It then becomes the frozen reference. Two
copies of it are trained further, with the same batches, on another kind of text, the tables in ``encodings``. Their
loss is::

    loss = NLL + weight * mean |log p(byte | past) - log p_reference(byte | past)|

One copy has weight 0, the other a positive weight. The mean is over all 256 bytes at all positions. The example
prints and plots the deltas, and the NLL on both kinds of text, without and with the penalty::

    python examples/torch_lm.py --seconds 60 --output torch_lm.svg
"""

import argparse
import copy
import sysconfig
import time
from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from torch import nn
from torch.nn import functional

import l1_any as l1

VOCABULARY = 256
BATCH, LENGTH = 16, 96
KINDS = ("library", "encodings")
QUANTILES = (0.5, 0.9, 0.99)


class ByteModel(nn.Module):
    """A model that maps bytes [B, T] to the log-probabilities [B, T, 256] of the byte after each of them."""

    def __init__(self, width=128):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, width)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.unembed = nn.Linear(width, VOCABULARY)

    def forward(self, tokens):
        hidden, _ = self.gru(self.embed(tokens))
        return self.unembed(hidden).log_softmax(dim=-1)


class Corpus:
    """The modules of the standard library, or its tables of encodings, as bytes; a tenth is held out."""

    def __init__(self, kind, generator):
        library = Path(sysconfig.get_path("stdlib"))
        pattern = {"library": "*.py", "encodings": "encodings/cp*.py"}[kind]
        texts = [path.read_bytes() for path in sorted(library.glob(pattern))]
        held_out = b"".join(texts[::10])
        del texts[::10]
        self.train, self.test = (
            torch.frombuffer(bytearray(t), dtype=torch.uint8) for t in (b"".join(texts), held_out)
        )
        self._generator = generator

    def batch(self):
        """Draw BATCH windows of LENGTH + 1 bytes."""
        return self._windows(self.train, self._generator)

    def held_out(self):
        """Return windows of the held-out text; every call returns the same windows."""
        generator = torch.Generator().manual_seed(0)
        return torch.cat([self._windows(self.test, generator) for _ in range(4)])

    @staticmethod
    def _windows(text, generator):
        starts = torch.randint(len(text) - LENGTH - 1, (BATCH, 1), generator=generator)
        return text[starts + torch.arange(LENGTH + 1)].long()


def nll(data, logprobs):
    """Return the mean negative log-likelihood of the bytes that follow, in nats."""
    return functional.nll_loss(logprobs.flatten(0, 1), data["targets"].flatten())


def pipeline(weight):
    """Return a pipeline: NLL plus a weight times the mean magnitude of the deltas."""
    drift = l1.L1Regularizer(target=("delta", "reference"), reduce="mean", name="drift")
    return l1.Pipeline(nll, [l1.Term(drift, weight=weight)])


class Run:
    """One model in training: its loss, its optimizer, and its NLL on held-out text."""

    def __init__(self, model, weight, lr):
        self.model = model
        self.weight = weight
        self.history = []
        self._loss = pipeline(weight)
        self._optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    def step(self, windows, reference):
        """Train on a batch; return the pipeline's report."""
        data = {"targets": windows[:, 1:]}
        if self.weight:
            with torch.no_grad():
                data["reference"] = reference(windows[:, :-1])
        loss, report = self._loss(data, self.model(windows[:, :-1]))
        self._optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._optimizer.step()
        return report.to_floats()

    @torch.no_grad()
    def evaluate(self, step, held_out):
        """Append the NLL on each kind of held-out text to the history."""
        losses = {}
        for kind, windows in held_out.items():
            losses[kind] = nll({"targets": windows[:, 1:]}, self.model(windows[:, :-1])).item()
        self.history.append({"step": step} | losses)

    @torch.no_grad()
    def deltas(self, reference, windows):
        """Return |delta| of every byte at every position."""
        return (self.model(windows[:, :-1]) - reference(windows[:, :-1])).abs().flatten()


def train(runs, corpus, held_out, reference, *, budget, label, console):
    """Train all runs on the same batches, until the steps or the seconds are used up."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[report]}"),
        TimeElapsedColumn(),
    )
    start = time.perf_counter()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(label, total=1.0, report="")
        step, done = 0, 0.0
        while done < 1:
            windows = corpus.batch()
            reports = [run.step(windows, reference) for run in runs]
            step += 1
            done = budget(step, time.perf_counter() - start)
            progress.update(task, completed=min(done, 1.0), report=" | ".join(map(summary, reports)))
            if step % 25 == 0 or done >= 1:
                for run in runs:
                    run.evaluate(step, held_out)
                console.print(f"{label} {step:5d}: {' | '.join(map(summary, reports))}")


def summary(report):
    """Return the main numbers of a report in one line."""
    names = {
        "nll": "base_loss/value",
        "drift": "drift/value",
        "cosine": "drift/cosine",
    }
    return " ".join(f"{name} {report[key]:.3f}" for name, key in names.items() if key in report)


def results(runs, reference, held_out):
    """Return the results of each run by its weight: NLL by kind of text, and quantiles of |delta|."""
    out = {}
    for run in runs:
        row = {f"nll_{kind}": run.history[-1][kind] for kind in KINDS}
        for kind in KINDS:
            quantiles = run.deltas(reference, held_out[kind]).quantile(torch.tensor(QUANTILES))
            row |= {f"delta_{kind}_{q}": value.item() for q, value in zip(QUANTILES, quantiles, strict=True)}
        out[run.weight] = row
    return out


def table(rows):
    """Return the results as a table, one column for each weight."""
    out = Table("held-out text", *(f"weight {weight:g}" for weight in rows))
    for key in next(iter(rows.values())):
        out.add_row(key.replace("_", " "), *(f"{row[key]:.4f}" for row in rows.values()))
    return out


def plot(runs, reference, held_out, path):
    """Draw the distribution of |delta|, and the NLL over the steps, for both kinds of text."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for run, color in zip(runs, ("#c44e52", "#4c72b0"), strict=True):
        for kind, line in zip(KINDS, ("--", "-"), strict=True):
            label = f"weight {run.weight:g}, {kind}"
            deltas = run.deltas(reference, held_out[kind]).sort().values[:: max(1, BATCH * LENGTH)]
            left.plot(deltas, torch.linspace(0, 1, len(deltas)), line, color=color, label=label)
            steps, losses = zip(*((row["step"], row[kind]) for row in run.history), strict=True)
            right.plot(steps, losses, line, color=color, label=label)
    left.set(
        xscale="log",
        xlim=(1e-3, None),
        xlabel="|delta| from the reference",
        ylabel="share of log-probabilities below",
    )
    right.set(xlabel="step", ylabel="NLL (nats per byte)")
    left.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    with mpl.rc_context({"svg.hashsalt": "l1_any"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="time to train, in all")
    parser.add_argument("--steps", type=int, help="steps of each phase, in place of a time")
    parser.add_argument("--weight", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("torch_lm.svg"))
    return parser.parse_args(arguments)


def main(arguments=None):
    """Train, print and plot; return the results by weight."""
    options = parse(arguments)
    console = Console()
    torch.set_num_threads(1)  # in so small a model more threads only wait for each other
    torch.manual_seed(options.seed)
    generator = torch.Generator().manual_seed(options.seed)
    corpora = {kind: Corpus(kind, generator) for kind in KINDS}
    held_out = {kind: corpus.held_out() for kind, corpus in corpora.items()}

    def budget(share):
        if options.steps:
            return lambda step, _: step / options.steps
        return lambda _, seconds: seconds / (share * options.seconds)

    first = Run(ByteModel(), 0.0, lr=4e-3)
    train([first], corpora["library"], held_out, None, budget=budget(0.5), label="reference", console=console)
    reference = first.model.eval()
    runs = [Run(copy.deepcopy(reference), weight, lr=2e-3) for weight in (0.0, options.weight)]
    for run in runs:
        run.evaluate(0, held_out)
    train(
        runs,
        corpora["encodings"],
        held_out,
        reference,
        budget=budget(0.5),
        label="fine-tune",
        console=console,
    )

    rows = results(runs, reference, held_out)
    console.print(table(rows))
    plot(runs, reference, held_out, options.output)
    console.print(f"Plot: {options.output}")
    return rows


if __name__ == "__main__":
    main()
