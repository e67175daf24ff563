"""The Lasso example gives scikit-learn's path on every library."""

from pathlib import Path

import jax
import lasso
import numpy as np
import pytest

import l1_any as l1


@pytest.fixture(autouse=True)
def _x64():
    yield
    jax.config.update("jax_enable_x64", False)  # noqa: FBT003


@pytest.mark.parametrize("name", ["numpy", "torch", "jax"])
def test_path_is_that_of_scikit_learn(name):
    result = lasso.run(name, n_strengths=20)
    assert_supports_do_not_depend_on_rounding(result)
    assert result["supports equal"] == 20
    np.testing.assert_allclose(result["path"], result["reference"], rtol=0, atol=1e-4)
    assert set(np.count_nonzero(result["path"], axis=1)) >= {0, 2, 5, 10}


def assert_supports_do_not_depend_on_rounding(result):
    """No coefficient of the path is near to becoming zero, and no zero is near to leaving it."""
    x, y = lasso.diabetes()
    reference, strengths = result["reference"], result["strengths"][:, None]
    magnitudes = np.abs(x.T @ (x @ reference.T - y[:, None])).T / len(y)
    assert np.min((1 - magnitudes / strengths)[reference == 0]) > 1e-3
    assert np.min(np.abs(reference[reference != 0])) > 1e-3


def test_all_is_zero_from_strength_max_on():
    x, y = lasso.diabetes()
    gradient_at_zero = -x.T @ y / len(y)
    largest = float(l1.strength_max(gradient_at_zero))
    strengths = [1.01 * largest, 0.99 * largest]
    path, _ = lasso.lasso(x, y, strengths, tolerance=1e-9)
    assert np.count_nonzero(path, axis=1).tolist() == [0, 1]


def test_docs_quote_what_the_command_prints(capsys, tmp_path):
    lasso.main(["--library", "numpy", "--plot", str(tmp_path / "path.svg")])
    printed = capsys.readouterr().out
    assert (tmp_path / "path.svg").stat().st_size > 1000
    page = (Path(__file__).parents[2] / "docs" / "zeros.md").read_text(encoding="utf-8")
    quoted = page[page.index("library              numpy") :].partition("```")[0].splitlines()
    assert len(quoted) == 4
    assert printed.splitlines()[:4] == quoted
    name, _, difference = printed.splitlines()[4].rpartition(" ")
    assert name.strip() == "largest difference"
    assert float(difference) < 1e-4
