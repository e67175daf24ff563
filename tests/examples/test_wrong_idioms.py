import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_readme_quotes_what_the_script_prints():
    script = ROOT / "examples" / "wrong_idioms.py"
    printed = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout
    head, rule, by_threads, *rows = printed.splitlines()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "\n".join([head, rule]) in readme
    assert "\n".join(rows) in readme
    *_, wrong, right, _ = by_threads.split("|")
    assert right.strip() == "3,355,443.2"
    assert abs(float(wrong.replace(",", "")) / 3_355_443.2 - 1) > 0.1
