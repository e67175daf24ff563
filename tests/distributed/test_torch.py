"""torch on several processes of this machine, which talk over the loopback device: each case passes in all of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
import torch_cases
import torch_training

SECONDS = 280  # on two busy cores; on idle ones the two processes need about 25, and the four about 20
HERE = Path(__file__).parent


def started(world, folder):
    """Run all cases in a group of processes, and return what became of them in each."""
    paths = [str(HERE.parents[1]), str(HERE.parent), str(HERE), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"}
    outs = [folder / f"{rank}.json" for rank in range(world)]
    processes = []
    for rank, out in enumerate(outs):
        arguments = [str(a) for a in (rank, world, folder / "store", out, folder)]
        command = [sys.executable, str(HERE / "torch_worker.py"), *arguments]
        with (folder / f"{rank}.log").open("w", encoding="utf-8") as log:
            processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT))
    try:
        for process in processes:
            process.wait(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        pass  # told by the cases that have no result
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [json.loads(out.read_text(encoding="utf-8")) if out.exists() else {} for out in outs]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    found = {}

    def of(world):
        if world not in found:
            folder = tmp_path_factory.mktemp(f"processes{world}")
            found[world] = started(world, folder), folder
        return found[world]

    return of


def names(world):
    return [*torch_training.of(world, Path()), *torch_cases.of(world)]


def check(results, world, name):
    found, folder = results(world)
    logs = [(folder / f"{rank}.log").read_text(encoding="utf-8")[-2000:] for rank in range(world)]
    for rank, of_process in enumerate(found):
        assert of_process.get(name, "not run: another case failed, or the time was up") == "passed", logs[
            rank
        ]


@pytest.mark.parametrize("name", names(2))
def test_two_processes(results, name):
    check(results, 2, name)


@pytest.mark.parametrize("name", names(4))
def test_four_processes(results, name):
    check(results, 4, name)


@pytest.mark.parametrize("kind", torch_training.OPTIMIZERS)
def test_a_checkpoint_of_two_processes_is_loaded_by_one(results, kind):
    found, folder = results(2)
    assert found[0][f"checkpoint of {kind}"] == "passed"
    with pytest.warns(UserWarning, match="load in a single process"):
        torch_training.go_on_alone(folder / kind, kind)
