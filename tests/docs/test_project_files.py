"""The files about the project are well-formed, and say the same as the package."""

import re
import tomllib
from pathlib import Path

import pytest

import l1_any

yaml = pytest.importorskip("yaml", reason="dask[array] installs PyYAML, which reads these files")
ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def loaded(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_version_and_the_licence_are_the_package_s():
    citation = loaded(ROOT / "CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert (citation["version"], citation["license"]) == (l1_any.__version__, PROJECT["license"])
    recipe = loaded(ROOT / "conda" / "recipe" / "recipe.yaml")
    assert recipe["context"]["version"] == l1_any.__version__


def test_the_recipe_needs_what_the_package_needs():
    recipe = loaded(ROOT / "conda" / "recipe" / "recipe.yaml")
    run = {requirement.replace(" ", "") for requirement in recipe["requirements"]["run"]}
    assert run == {*PROJECT["dependencies"], f"python{PROJECT['requires-python']}"}
    (entry,) = recipe["build"]["python"]["entry_points"]
    assert dict([entry.split(" = ")]) == PROJECT["scripts"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_call_sessions_that_there_are(path):
    noxfile = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    runs = [
        step["run"]
        for job in loaded(path)["jobs"].values()
        for step in job["steps"]
        if "run" in step and step["run"].startswith("nox")
    ]
    assert runs
    for run in runs:
        _, _, names = run.partition("-s ")
        for name in re.findall(r"[a-z]+(?=\(|$)", names.replace('"', "")):
            assert f"def {name}(session" in noxfile


def test_the_matrix_has_the_classifiers_of_the_package():
    matrix = loaded(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["nox"]["strategy"]["matrix"]
    prefix = "Programming Language :: Python :: 3."
    claimed = {f"3.{item.removeprefix(prefix)}" for item in PROJECT["classifiers"] if item.startswith(prefix)}
    assert claimed <= set(matrix["python"])


@pytest.mark.parametrize("name", ["bug.yml", "idea.yml"])
def test_templates_of_issues_have_what_github_requires(name):
    template = loaded(ROOT / ".github" / "ISSUE_TEMPLATE" / name)
    assert template["name"]
    assert template["description"]
    ids = [item["id"] for item in template["body"]]
    assert len(set(ids)) == len(ids) > 0
