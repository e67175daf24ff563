import json
import os
import re
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

import l1_any as l1
from l1_any.cli.parts import PART
from l1_any.cli.words import speed

X = -np.random.default_rng(0).exponential(size=(10, 20)).astype(np.float32)
LIMIT = 2**28  # numba's compiler needs more than 2^27, and hangs with less


@pytest.fixture
def npy(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, X)
    return path


def one_line(text):
    return text.startswith("l1-any: ") and text.count("\n") == 1 and text.endswith("\n")


def test_without_a_file_the_package_is_beside_what_goes_wrong(command):
    done = command("compare", "--library", "numpy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    singles, halves = done.stdout.split("L1 sum of logprobs: ")[1:]
    assert "equal numbers, 0.1, 100000000, float32" in singles
    assert "float16" in halves
    lines = [line.split() for line in halves.splitlines()]
    assert next(line[2:4] for line in lines if line[:1] == ["l1_any"]) == ["999755.875", "right"]
    assert next(line[1:3] for line in lines if line[:1] == ["np.abs(x).sum()"]) == ["inf", "wrong"]
    assert re.search(r"np\.abs\(x\)\.sum\(\) .* ([\d.]+ x (faster|slower)|as fast)", singles)
    assert "l1_any (kernel)" in singles or "l1_any (blocks)" in singles
    assert "ulp" not in done.stdout


@pytest.mark.parametrize("width", ["80", "160"])
def test_table_fits_the_terminal(command, npy, width):
    both = "--library", "numpy", "--library", "array-api-strict"
    done = command("compare", npy, "--verbose", *both, env={"COLUMNS": width})
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= int(width)
    value = f"{float(l1.value(X)):.9g}"
    assert done.stdout.count(value) == 4  # the exact value, NumPy, and two devices
    assert done.stdout.splitlines()[-1].startswith("all 3 agree: at most 0 ulp")


@pytest.mark.parametrize("width", [30, 50, 80])
def test_numbers_stay_whole_on_any_terminal(command, npy, width):
    done = command("compare", npy, "--library", "numpy", env={"COLUMNS": str(width)})
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= width
    value = f"{float(l1.value(X)):.9g}"
    assert len(re.findall(rf"(?<!\S){re.escape(value)}(?!\S)", done.stdout)) >= 2
    assert "…" not in done.stdout


def test_the_reference_implementation_is_hidden_unless_asked_for(command, npy):
    assert "array-api-strict" not in command("compare", npy).stdout
    facts = json.loads(command("compare", npy, "--json", "--verbose").stdout)
    assert "array-api-strict" in {row["library"] for row in facts["rows"]}


def test_nobody_reads_to_the_end(npy):
    """As in `l1-any compare x.npy | head -1`: no error, no traceback."""
    arguments = [sys.executable, "-m", "l1_any", "compare", npy, "--library", "numpy"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait() == 0


@pytest.mark.parametrize("arguments", [["-h"], ["compare", "-h"], ["demo", "--help"]])
def test_help(command, arguments):
    done = command(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: l1-any" in done.stdout


def test_completion_of_the_shell(command):
    environment = os.environ | {
        "_L1_ANY_COMPLETE": "complete_bash",
        "COMP_WORDS": "l1-any com",
        "COMP_CWORD": "1",
    }
    assert command(env=environment).stdout.split() == ["compare"]


def test_json_is_all_that_is_printed(command, npy):
    done = command("compare", npy, "--json", "--library", "numpy", "--reduce", "mean")
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads(done.stdout)
    (row,) = facts["rows"]
    result = row["result"]
    assert facts["shape"] == [10, 20]
    assert (facts["target"], facts["reduce"], facts["agree"]) == ("logprobs", "mean", True)
    assert (row["library"], row["version"], row["device"]) == ("numpy", np.__version__, "cpu")
    assert result["value"] == result["mean"] == float(l1.value(X, reduce="mean"))
    assert result["idioms"][0]["source"] == "np.abs(x).mean()"
    assert result["how"] == "whole"
    assert result["explanation"] == l1.explain(l1.value, X, reduce="mean")
    assert facts["advice"] == ""


WITHOUT_NUMBA = """
import sys
sys.modules["numba"] = None
from l1_any.__main__ import main
main()
"""


@pytest.mark.parametrize("kernels", ["1", "0"])
def test_the_extra_is_advised_where_it_would_help(run_python, tmp_path, kernels):
    """Without numba, for a large array; not if kernels are turned off, nor for a small array."""
    np.save(tmp_path / "large.npy", np.ones(1 << 20, np.float32))
    np.save(tmp_path / "small.npy", X)
    environment = os.environ | {"L1_ANY_KERNELS": kernels}
    for name in ("large.npy", "small.npy"):
        path = tmp_path / name
        done = run_python(WITHOUT_NUMBA, "compare", path, "--library", "numpy", env=environment)
        assert done.returncode == 0, done.stderr
        advised = 'pip install "l1_any[fast]" makes large arrays on a CPU faster' in done.stdout
        assert advised == (name == "large.npy" and kernels == "1")


@pytest.mark.parametrize(
    ("ratio", "words"),
    [(None, "-"), (12.34, "12.3 x faster"), (1.02, "as fast"), (0.97, "as fast"), (0.5, "2.0 x slower")],
)
def test_speed_in_words(ratio, words):
    assert speed(ratio) == words


def test_json_without_json_numbers(command, tmp_path):
    np.save(tmp_path / "x.npy", np.array([-np.inf, -1], np.float32))
    done = command("compare", tmp_path / "x.npy", "--json", "--library", "numpy")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout, parse_constant=pytest.fail)["rows"][0]["result"]
    assert result["value"] == result["exact"] == "inf"


def test_probabilities(command, npy):
    done = command("compare", npy, "--target", "probs", "--json", "--library", "numpy")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"][0]["result"]["value"] == float(l1.value(np.exp(X)))


def test_disagreement_has_status_1_and_names_the_place(run_python, npy):
    code = """
import sys, types
import l1_any as l1
from l1_any.cli.app import app
wrong = types.SimpleNamespace(
    value=lambda x, **options: 2 * l1.value(x, **options),
    subgradient=l1.subgradient,
    subgradient_norm=l1.subgradient_norm,
)
app(["compare", *sys.argv[1:]], obj=wrong)
"""
    done = run_python(code, npy, "--library", "numpy")
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "DISAGREE: numpy cpu"
    assert "numpy cpu: sum is" in done.stdout
    done = run_python(code, npy, "--library", "numpy", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["agree"] is False


@pytest.mark.parametrize(
    "arguments",
    [
        [""],
        ["damaged.npy"],
        ["two.npz", "--key", "c"],
        ["--key", "c"],
        ["x.npy", "--library", "nump"],
        ["b16.safetensors", "--library", "numpy"],
    ],
)
def test_what_cannot_be_used_is_one_line_and_status_2(command, tmp_path, arguments):
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "two.npz", a=X, b=X)
    save_file({"x": X.astype(ml_dtypes.bfloat16)}, tmp_path / "b16.safetensors")
    (tmp_path / "damaged.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-1])
    done = command("compare", *(tmp_path / word if "." in word else word for word in arguments))
    assert done.returncode == 2
    assert one_line(done.stderr), done.stderr
    if "b16.safetensors" in arguments:
        assert "numpy cpu: has no bfloat16" in done.stdout
    else:
        assert done.stdout == ""


@pytest.mark.parametrize(
    "arguments", [["compare", "--target", "odds"], ["compare", "--reduce", "max"], ["other"], ["demo", "x"]]
)
def test_usage_errors_have_status_2(command, arguments):
    done = command(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_version(command):
    assert command("--version").stdout == f"l1-any {l1.__version__}\n"


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_it_says_which_one_to_install(run_python, missing):
    code = f"import sys; sys.modules[{missing!r}] = None; from l1_any.__main__ import main; main()"
    done = run_python(code)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f'l1-any: the command needs {missing}: pip install "l1_any[cli]"\n'


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits private memory alone")
def test_file_larger_than_memory(run_python, tmp_path):
    elements = LIMIT // 2  # the file is twice as large as the limit
    path = tmp_path / "sparse.npy"
    with path.open("wb") as stream:
        header = {"descr": "<f4", "fortran_order": False, "shape": (elements,)}
        np.lib.format.write_array_header_1_0(stream, header)
        start = stream.tell()
        stream.truncate(start + 4 * elements)
        stream.seek(start + 3 * elements)
        stream.write(np.float32([-3, 4]).tobytes())
    code = (  # limits the memory of the process itself, beside mapped files
        f"import resource; resource.setrlimit(resource.RLIMIT_DATA, ({LIMIT}, {LIMIT}));"
        "from l1_any.__main__ import main; main()"
    )
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = run_python(code, "compare", path, "--json", "--library", "numpy", env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = json.loads(done.stdout)["rows"]
    assert row["result"]["value"] == 7
    assert row["result"]["subgradient_norm"] == pytest.approx(2**0.5)
    assert row["result"]["parts"] == elements // PART
