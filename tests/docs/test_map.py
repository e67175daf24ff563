"""The map in CONTRIBUTING.md is the tree: each file has its line, and each line its file."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def mapped():
    """Folders and files that the map names."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    _, _, text = text.partition("## The map\n")
    found = []
    for section in text.partition("\n## ")[0].split("\n### ")[1:]:
        (folder,) = re.findall(r"\A`(\S+/)`", section)
        found.append(folder)
        for line in re.findall(r"^- (.*?):", section, flags=re.MULTILINE):
            found += [folder + name for name in re.findall(r"`(\S+)`", line)]
    return found


def tree():
    """Folders and files of the package, but for files that only make a package of a folder; folders of tests."""
    files = [path for path in (ROOT / "l1_any").rglob("*.py") if path.name != "__init__.py"]
    folders = {path.parent for path in files}
    tests = {path.parent for path in (ROOT / "tests").rglob("test_*.py")}
    names = [f"{path.relative_to(ROOT).as_posix()}/" for path in folders | tests]
    return names + [path.relative_to(ROOT).as_posix() for path in files]


def test_the_map_is_the_tree():
    assert sorted(mapped()) == sorted(tree())


def test_a_topic_has_one_name():
    face = {path.name for path in (ROOT / "l1_any").glob("[a-z]*.py")}
    for name in face:
        if name not in ("explanation.py", "schedules.py"):  # these compute nothing from arrays
            assert (ROOT / "l1_any" / "_formulas" / name).exists()
        assert (ROOT / "tests" / f"test_{name}").exists()


def test_no_file_of_tests_is_long():
    for path in (ROOT / "tests").rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_paths_that_pages_name_are_there(page):
    """Paths in code of this repository's own folders; a capital word or a star stands for any name."""
    text = page.read_text(encoding="utf-8")
    for path in set(re.findall(r"\b(?:l1_any|tests|benchmarks|examples|docs)/[\w./*-]*[\w/*]", text)):
        if "NAME" not in path and not path.startswith("docs/_build"):
            assert list(ROOT.glob(path)), path
