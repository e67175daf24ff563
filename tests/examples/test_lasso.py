"""The Lasso example gives scikit-learn's path on every library."""

import jax
import lasso
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _x64():
    yield
    jax.config.update("jax_enable_x64", False)  # noqa: FBT003


@pytest.mark.parametrize("name", ["numpy", "torch", "jax"])
def test_path_is_that_of_scikit_learn(name):
    result = lasso.run(name, n_strengths=20)
    assert result["supports equal"] == 20
    np.testing.assert_allclose(result["path"], result["reference"], rtol=0, atol=1e-3)
    assert set(np.count_nonzero(result["path"], axis=1)) >= {0, 2, 5, 10}


def test_command_prints_and_plots(capsys, tmp_path):
    lasso.main(["--library", "numpy", "--strengths", "5", "--plot", str(tmp_path / "path.svg")])
    assert "equal supports       5\n" in capsys.readouterr().out
    assert (tmp_path / "path.svg").stat().st_size > 1000
