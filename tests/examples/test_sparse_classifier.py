"""Only the proximal step gives the classifier exact zeros, at the same accuracy."""

import pytest
import sparse_classifier


@pytest.fixture(scope="module")
def results():
    return sparse_classifier.run(epochs=20)


def test_accuracies_are_alike(results):
    accuracies = [result["accuracy"] for result in results.values()]  # one image is 0.2 %
    assert min(accuracies) > 0.93
    assert max(accuracies) - min(accuracies) < 0.05


def test_only_the_proximal_step_gives_zeros(results):
    by_accident = 1e-3
    assert results["AdamW"]["zeros"] < by_accident
    assert results["AdamW, L1 in the loss"]["zeros"] < by_accident
    assert results["ProximalL1(AdamW)"]["zeros"] > 0.3
    assert results["ProximalL1(SGD)"]["zeros"] > 0.8


def test_command_prints_and_plots(capsys, tmp_path):
    sparse_classifier.main(["--epochs", "1", "--plot", str(tmp_path / "weights.svg")])
    assert "ProximalL1(AdamW)" in capsys.readouterr().out
    assert (tmp_path / "weights.svg").stat().st_size > 1000
