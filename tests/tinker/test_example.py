"""The Tinker example runs as documented, on the service in its own process."""

import os

import pytest
import tinker_l1


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """The example sets up its own: from here no key and no settings."""
    for name in ("TINKER_API_KEY", "TINKER_BASE_URL", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("arguments", [[], ["--handle"]], ids=["callable", "handle"])
def test_penalty_keeps_the_questions(arguments, capsys):
    rows = tinker_l1.main(["--steps", "15", "--weight", "0.3", *arguments])

    assert os.environ["NO_PROXY"] == "127.0.0.1"
    assert list(rows) == [0.0, 0.3]
    assert rows[0.3]["mean |delta|"] < 0.7 * rows[0.0]["mean |delta|"]
    assert rows[0.3]["nll"] == pytest.approx(rows[0.0]["nll"], rel=0.2)
    assert capsys.readouterr().out.count("step 15:") == 2


def test_both_forms_train_alike():
    callable_, handle = (tinker_l1.main(["--steps", "5", *form]) for form in ([], ["--handle"]))
    for weight, row in callable_.items():
        assert row == pytest.approx(handle[weight], rel=1e-4)
