"""The autoencoder's penalty is Σ f‖d‖, with gradients for both factors, and cannot be had by scaling."""

import pytest
import sparse_autoencoder
import torch


@pytest.fixture(scope="module")
def results():
    return sparse_autoencoder.run(n_steps=300)


def test_codes_are_sparse_and_describe_the_activations(results):
    for result in results.values():
        assert result["variance explained"] > 0.9
        assert result["active"] < 0.25 * 256


def test_weighting_holds_the_directions_back(results):
    plain, weighted = results["L1"], results["L1 times norms"]
    assert weighted["norms"].mean() < 0.8 * plain["norms"].mean()
    assert weighted["weighted L1"] < plain["weighted L1"]
    assert weighted["L1"] > plain["L1"]


def test_gradient_flows_to_codes_and_norms():
    torch.manual_seed(0)
    autoencoder = sparse_autoencoder.SparseAutoencoder(5, 7)
    _, codes = autoencoder(torch.randn(11, 5))
    codes = codes.detach().requires_grad_()
    sparse_autoencoder.penalty(autoencoder, codes, weighted=True).backward()
    directions = autoencoder.decoder.weight.detach()
    norms = directions.norm(dim=0)
    torch.testing.assert_close(codes.grad, codes.detach().sign() * norms / 11)
    expected = directions / norms * codes.detach().sum(0) / 11
    torch.testing.assert_close(autoencoder.decoder.weight.grad, expected)


def test_scaling_codes_against_directions_leaves_the_penalty():
    torch.manual_seed(0)
    autoencoder = sparse_autoencoder.SparseAutoencoder(5, 7)
    _, codes = autoencoder(torch.randn(11, 5))
    before = sparse_autoencoder.penalty(autoencoder, codes, weighted=True)
    with torch.no_grad():
        autoencoder.decoder.weight *= 8
    torch.testing.assert_close(sparse_autoencoder.penalty(autoencoder, codes / 8, weighted=True), before)


def test_command_prints_and_plots(capsys, tmp_path):
    sparse_autoencoder.main(["--steps", "20", "--plot", str(tmp_path / "codes.svg")])
    assert "L1 times norms" in capsys.readouterr().out
    assert (tmp_path / "codes.svg").stat().st_size > 1000
