"""Checkpoints, folders and stores of several arrays."""

import json
from importlib.util import find_spec

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from l1_any.cli import zarr_files
from l1_any.cli.errors import CommandError
from l1_any.cli.inputs import read, read_all

X = np.linspace(-3, 3, 12, dtype=np.float32).reshape(3, 4)
needs = {
    name: pytest.mark.skipif(find_spec(name) is None, reason=f"needs {name}")
    for name in ("torch", "h5py", "zarr")
}


@needs["torch"]
def test_nested_mappings_of_a_checkpoint(tmp_path):
    import torch

    x = torch.from_numpy(X.copy())
    state = {
        "model": {"encoder.weight": x, "encoder.bias": x[0]},
        "optimizer": {"state": {0: {"m": x.T}}},
        "epoch": 3,
    }
    torch.save(state, tmp_path / "last.ckpt")
    np.testing.assert_array_equal(read(tmp_path / "last.ckpt", key="model/encoder.weight"), X)
    names = [name for name, _ in read_all(tmp_path / "last.ckpt")]
    assert names == ["model/encoder.weight", "model/encoder.bias", "optimizer/state/0/m"]
    with pytest.raises(CommandError, match="choose one by --key, or --all: model/encoder"):
        read(tmp_path / "last.ckpt")


def sharded(folder):
    save_file({"a": X, "b": X[0]}, folder / "model-1.safetensors")
    save_file({"c": X.astype(ml_dtypes.bfloat16)}, folder / "model-2.safetensors")
    where = {"a": "model-1.safetensors", "c": "model-2.safetensors"}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return index


def test_a_folder_of_shards_by_its_index(tmp_path):
    index = sharded(tmp_path)
    for path in (tmp_path, index):
        assert [name for name, _ in read_all(path)] == ["a", "c"]  # the index has no b
        y = read(path, key="c")
        assert (y.dtype.name, y.shape) == ("bfloat16", (3, 4))
        assert not y.flags.owndata
    index.unlink()
    assert [name for name, _ in read_all(tmp_path)] == ["a", "b", "c"]


@needs["h5py"]
@pytest.mark.parametrize("options", [{}, {"chunks": (2, 2), "compression": "gzip", "shuffle": True}])
def test_hdf5(tmp_path, options):
    import h5py

    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("layers/0/w", data=X.astype(">f8"), **options)
        file.create_dataset("steps", data=[1, 2, 3])
    y = read(tmp_path / "x.h5", key="layers/0/w")
    assert y.dtype == np.float64
    np.testing.assert_array_equal(y, X)
    (_, whole), (name, error) = read_all(tmp_path / "x.h5")
    np.testing.assert_array_equal(whole, X)
    assert name == "steps"
    assert "holds int64" in str(error)


@needs["zarr"]
@pytest.mark.parametrize("version", [2, 3])
def test_zarr(tmp_path, monkeypatch, version):
    import zarr

    group = zarr.open_group(str(tmp_path / "x.zarr"), mode="w", zarr_format=version)
    array = group.create_array("layers/w", shape=X.shape, chunks=(2, 3), dtype="float32")
    array[...] = X
    np.testing.assert_array_equal(read(tmp_path / "x.zarr"), X)  # the only one
    np.testing.assert_array_equal(read(tmp_path / "x.zarr", key="layers/w"), X)
    monkeypatch.setattr(zarr_files, "_IN_MEMORY", 0)
    large = read(tmp_path / "x.zarr", key="layers/w")
    assert type(large).__module__.startswith("dask.array")
    np.testing.assert_array_equal(large.compute(), X)


@needs["zarr"]
def test_the_command_reads_a_large_zarr_in_parts(tmp_path, run_python):
    import zarr

    array = zarr.create_array(str(tmp_path / "huge.zarr"), shape=(5, 1000), chunks=(1, 400), dtype="float32")
    array[...] = np.arange(5000, dtype=np.float32).reshape(5, 1000)
    code = (
        "from l1_any.cli import parts, zarr_files; zarr_files._IN_MEMORY = 0;"
        "import dask; dask.config.set({'array.chunk-size': '4 kB'});"
        "from l1_any.__main__ import main; main()"
    )
    done = run_python(code, "compare", tmp_path / "huge.zarr", "--json", "--library", "numpy")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)["rows"][0]["result"]
    assert result["value"] == 4999 * 2500
    assert result["parts"] > 2


def test_all_arrays_as_one_table(command, tmp_path):
    arrays = {"w": np.asarray([[0, 0.5, -2], [1e-4, 0, 0]], np.float32), "i": np.arange(3), "none": X[:0]}
    save_file(arrays, tmp_path / "x.safetensors")
    done = command("compare", tmp_path / "x.safetensors", "--all", env={"COLUMNS": "100"})
    assert (done.returncode, done.stderr) == (0, "")
    line = next(line.split() for line in done.stdout.splitlines() if line.startswith("w "))
    assert line == ["w", "2x3", "float32", "2.5001", "0.4167", "3", "66.7", "%"]
    assert "i: " in done.stdout
    assert "I64, expected" in " ".join(done.stdout.split())
    facts = json.loads(command("compare", tmp_path / "x.safetensors", "--all", "--json").stdout)
    w = next(item for item in facts["arrays"] if item["name"] == "w")
    assert (w["shape"], w["zeros"], w["small"]) == ([2, 3], 3, pytest.approx(4 / 6))
    assert next(item for item in facts["arrays"] if item["name"] == "none")["value"] == 0


@pytest.mark.parametrize("options", [["--all"], ["x.npy", "--all", "--key", "a"], ["absent.npz", "--all"]])
def test_all_needs_a_file(command, options):
    done = command("compare", *options)
    assert done.returncode == 2
    assert done.stderr.startswith("l1-any: ")
    assert done.stderr.count("\n") == 1
