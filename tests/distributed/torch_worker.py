"""One process of a group on this machine: runs the cases of `torch_cases`, and writes what became of each as JSON."""

import datetime as dt
import json
import os
import sys
import traceback
from pathlib import Path

import torch
import torch.distributed as dist

import l1_any  # noqa: F401 - before the group, as in a program

RECEIVE_SECONDS = 30


def run(cases):
    """Run cases in order, and stop at the first that fails: the other process may wait in it for this one."""
    found = {}
    for name, case in cases.items():
        try:
            case()
        except Exception:  # noqa: BLE001 - told by the test
            found[name] = traceback.format_exc()
            break
        found[name] = "passed"
    return found


def main(rank, world, store, out, folder):
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{store}",
        rank=rank,
        world_size=world,
        timeout=dt.timedelta(seconds=RECEIVE_SECONDS),
    )
    import torch_cases
    import torch_training

    cases = torch_training.of(world, Path(folder)) | torch_cases.of(world)
    found = run(cases)
    Path(out).write_text(json.dumps(found), encoding="utf-8")
    if all(text == "passed" for text in found.values()):
        dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
