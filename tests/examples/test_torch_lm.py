"""The fine-tuned language model stays nearer to its reference with the penalty than without."""

import pytest
import torch
import torch_lm


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    plot = tmp_path_factory.mktemp("torch_lm") / "plot.svg"
    return torch_lm.main(["--steps", "12", "--weight", "3", "--output", str(plot)]), plot


def test_penalty_shrinks_the_deltas(outcome):
    rows, _ = outcome
    assert list(rows) == [0.0, 3.0]
    for kind in torch_lm.KINDS:
        for quantile in torch_lm.QUANTILES:
            key = f"delta_{kind}_{quantile}"
            assert 0 < rows[3.0][key] < rows[0.0][key]
    assert rows[3.0]["delta_encodings_0.5"] < 0.5 * rows[0.0]["delta_encodings_0.5"]


def test_plot_is_saved(outcome):
    _, plot = outcome
    text = plot.read_text(encoding="utf-8")
    assert text.startswith("<?xml")
    assert "<!-- weight 3, encodings -->" in text


def test_report_is_that_of_the_formula():
    """NLL plus the weight times the mean of |delta| over all bytes at all positions."""
    torch.manual_seed(0)
    model, reference = torch_lm.ByteModel(width=8), torch_lm.ByteModel(width=8)
    windows = torch.randint(256, (2, 11))
    with torch.no_grad():
        logprobs, frozen = (m(windows[:, :-1]) for m in (model, reference))
    report = torch_lm.Run(model, 0.5, lr=0.1).step(windows, reference)
    nll = -logprobs.gather(-1, windows[:, 1:, None]).mean()
    drift = (logprobs - frozen).abs().mean()
    assert report["base_loss/value"] == pytest.approx(nll.item(), rel=1e-5)
    assert report["drift/value"] == pytest.approx(drift.item(), rel=1e-5)
    assert report["loss_total"] == pytest.approx((nll + 0.5 * drift).item(), rel=1e-5)
    assert not torch.equal(model(windows[:, :-1]), logprobs)


def test_held_out_text_is_not_trained_on():
    generator = torch.Generator().manual_seed(0)
    for kind in torch_lm.KINDS:
        corpus = torch_lm.Corpus(kind, generator)
        assert len(corpus.train) > 5 * len(corpus.test) > 5 * 4096
        assert bytes(corpus.test[:512].tolist()) not in bytes(corpus.train.tolist())
