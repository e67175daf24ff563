"""The command against damaged and malicious files: one line, status 2, little memory, little time."""

import json
import os
import random
import sys

import damage
import numpy as np
import pytest

from l1_any.cli import memory
from l1_any.cli.errors import CommandError, printable
from l1_any.cli.inputs import read

COUNT = 360
MOST_SECONDS, MOST_BYTES = 10, 1 << 30
RUN_ALL = """
import contextlib, io, json, resource, signal, sys, time, traceback
from l1_any.cli.app import app

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

class Stuck(BaseException):
    pass

def stop(number, frame):
    raise Stuck

signal.signal(signal.SIGPROF, stop)
with contextlib.suppress(ImportError):
    import torch, h5py, zarr, dask.array  # so that their imports count for no file

def run(path):
    out, err = io.StringIO(), io.StringIO()
    start = time.process_time()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            signal.setitimer(signal.ITIMER_PROF, 20)  # of the processor: others may keep it busy
            app(["compare", path, "--library", "numpy"], prog_name="l1-any")
        except SystemExit as done:
            status = done.code
        except BaseException:
            status = traceback.format_exc()
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    seconds = time.process_time() - start
    return status, out.getvalue(), err.getvalue(), seconds, peak()

paths = json.load(sys.stdin)
run(paths[0])
before = peak()
for path in paths:
    print(json.dumps([*run(path), before]), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_360_files(tmp_path, run_python):
    files = list(damage.files(tmp_path, random.Random(0), COUNT))  # noqa: S311
    # the files that load most are read first, so that their imports do not count as memory of a file
    files.sort(key=lambda file: (file[1], file[0].suffix not in {".pt", ".pth"}))
    assert len(files) == COUNT
    done = run_python(RUN_ALL, input=json.dumps([str(path) for path, _ in files]))
    assert done.returncode == 0, done.stderr  # nothing crashed the process
    assert done.stderr == ""
    faults = []
    for (path, refused), line in zip(files, done.stdout.splitlines(), strict=True):
        status, out, err, seconds, peak, before = json.loads(line)
        one_line = err.startswith("l1-any: ") and err.endswith("\n") and err[:-1].isprintable()
        as_expected = (status, out, one_line) == (2, "", True) or (not refused and (status, err) == (0, ""))
        if not as_expected or seconds > MOST_SECONDS or peak > before + MOST_BYTES or len(err) > 5000:
            faults.append((path.name, status, err[:500], seconds, (peak - before) / 2**20))
    assert not faults
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict"])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_names_that_the_terminal_cannot_show(tmp_path, command, encoding, options):
    path = tmp_path / "\udcff\x1b[31mé\n.npy"
    try:
        np.save(path, damage.X)
    except OSError:
        pytest.skip("this file system has names in UTF-8 only")
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = command("compare", path, "--library", "numpy", *options, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert r"\udcff\x1b[31m" in (
        json.loads(done.stdout)["data"] if options else done.stdout.replace("\n", "")
    )


def test_names_in_a_file_are_escaped(tmp_path, command):
    path = tmp_path / "x.npz"
    np.savez(path, **{"a\x1b[31m\nb": damage.X, "c": damage.X})
    done = command("compare", path)
    assert done.returncode == 2
    assert done.stderr.endswith(r"choose one by --key, or --all: a\x1b[31m\nb, c" + "\n")
    chosen = command("compare", path, "--key", "a\x1b[31m\nb", "--library", "numpy")
    assert chosen.returncode == 0, chosen.stderr
    assert r"x.npz[a\x1b[31m\nb]" in chosen.stdout.replace("\n", "")


def test_printable():
    assert printable("é ∑ name.npy") == "é ∑ name.npy"
    assert printable("a\nb\x1b\udcff\u202e") == r"a\nb\x1b\udcff\u202e"


@pytest.mark.skipif(sys.platform != "linux", reason="the readers ask Linux for the available memory")
@pytest.mark.parametrize("name", ["x.npz", "swapped.npy"])
def test_an_array_that_memory_cannot_hold(tmp_path, monkeypatch, name):
    np.savez(tmp_path / "x.npz", x=damage.X)
    np.save(tmp_path / "swapped.npy", damage.X.astype(">f4"))
    monkeypatch.setattr(memory, "available_memory", lambda: 10)
    with pytest.raises(CommandError, match=r"it needs .* GB more"):
        read(tmp_path / name)
