import json
import pickle
import zipfile
from importlib.util import find_spec
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from l1_any.cli.errors import CommandError
from l1_any.cli.inputs import read

X = np.linspace(-3, 3, 12, dtype=np.float32).reshape(3, 4)
DTYPES = ["float16", "float32", "float64", "complex64", "complex128"]
needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="only PyTorch writes .pt files")


class Bomb:
    """Leaves a file behind if its pickle is executed."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def torch():
    import torch

    return torch


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 4), (0, 4), ()])
def test_npy_is_mapped_and_keeps_dtype_and_shape(tmp_path, dtype, shape):
    x = np.resize(X, shape).astype(dtype)
    np.save(tmp_path / "x.npy", x)
    y = read(tmp_path / "x.npy")
    assert (y.dtype, y.shape) == (x.dtype, x.shape)
    np.testing.assert_array_equal(y, x)
    assert not y.flags.owndata
    assert not y.flags.writeable


def test_npy_of_the_other_byte_order_and_memory_order(tmp_path):
    np.save(tmp_path / "x.npy", np.asfortranarray(X).astype(">f4"))
    y = read(tmp_path / "x.npy")
    assert y.dtype == np.float32
    assert y.dtype.isnative
    np.testing.assert_array_equal(y, X)


def test_npz_by_key_or_alone(tmp_path):
    np.savez(tmp_path / "one.npz", w=X)
    np.savez_compressed(tmp_path / "two.npz", w=X, b=X[0])
    np.testing.assert_array_equal(read(tmp_path / "one.npz"), X)
    np.testing.assert_array_equal(read(tmp_path / "two.npz", key="b"), X[0])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "complex64"])
def test_safetensors_is_mapped(tmp_path, dtype):
    x = X.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    save_file({"before": X, "x": x, "empty": x[:0]}, tmp_path / "x.safetensors")
    y = read(tmp_path / "x.safetensors", key="x")
    assert y.dtype.name == dtype
    np.testing.assert_array_equal(y, x)
    assert not y.flags.owndata
    assert read(tmp_path / "x.safetensors", key="empty").shape == (0, 4)


@needs_torch
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("dtype", [*DTYPES, "bfloat16"])
def test_pt_of_a_tensor_or_a_mapping(tmp_path, torch, dtype, zipped):
    x = torch.from_numpy(X.copy()).to(getattr(torch, dtype)).requires_grad_()
    torch.save(x, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    torch.save({"w": x.T, "b": x[0], "epoch": 3}, tmp_path / "two.pth", _use_new_zipfile_serialization=zipped)
    for y, expected in (
        (read(tmp_path / "x.pt"), x),
        (read(tmp_path / "two.pth", key="w"), x.T),
    ):
        assert y.dtype.name == dtype
        np.testing.assert_array_equal(y.astype(np.complex128), expected.detach().to(torch.complex128).numpy())


@pytest.mark.skipif(find_spec("torch") is not None, reason="PyTorch is installed")
def test_pt_without_torch_says_what_to_install(tmp_path):
    (tmp_path / "x.pt").write_bytes(b"")
    with pytest.raises(CommandError, match=r'pip install "l1_any\[torch\]"'):
        read(tmp_path / "x.pt")


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pt", ".pth", ".safetensors"])
@pytest.mark.parametrize("inside", ["array", "bare"])
def test_pickles_are_not_executed(tmp_path, suffix, inside):
    trace, path = tmp_path / "executed", tmp_path / f"x{suffix}"
    if inside == "bare":
        path.write_bytes(pickle.dumps(Bomb(trace)))
    elif suffix == ".npz":
        np.savez(path, x=np.array([Bomb(trace)], dtype=object))
    else:
        with path.open("wb") as stream:
            np.save(stream, np.array([Bomb(trace)], dtype=object))
    with pytest.raises(CommandError):
        read(path)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Bomb(trace)))  # noqa: S301 - shows that it would have left a trace
    assert trace.exists()


@needs_torch
@pytest.mark.parametrize("zipped", [True, False])
def test_pickles_within_a_torch_file_are_not_executed(tmp_path, torch, zipped):
    trace, path = tmp_path / "executed", tmp_path / "x.pt"
    torch.save({"w": Bomb(trace)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CommandError, match="more than plain tensors"):
        read(path, key="w")
    assert not trace.exists()


def test_unknown_and_absent_files(tmp_path):
    (tmp_path / "folder").mkdir()
    for path, words in (
        (tmp_path / "x.csv", r"np\.loadtxt"),
        (tmp_path / "x.parquet", r"pandas\.read_parquet"),
        (tmp_path / "pytorch_model.bin", "can run any code"),
        (tmp_path / "x.txt", r"expected a file named \.npy"),
        (tmp_path / "x.npy", "no such file"),
        (tmp_path / "folder", r"no \.safetensors files"),
    ):
        with pytest.raises(CommandError, match=words):
            read(path)
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(CommandError, match="no such file"):
        read(tmp_path / "folder.npy")


@pytest.mark.parametrize("keep", [0, 1, 20, 127, 150])
def test_truncated_files(tmp_path, keep):
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "x.npz", w=X)
    save_file({"w": X}, tmp_path / "x.safetensors")
    for name in ("x.npy", "x.npz", "x.safetensors"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[: min(keep, path.stat().st_size - 1)])
        with pytest.raises(CommandError, match=name):
            read(path)


@needs_torch
@pytest.mark.parametrize("keep", [0, 1, 100, 1000])
def test_truncated_torch_file(tmp_path, torch, keep):
    path = tmp_path / "x.pt"
    torch.save(torch.zeros(1000), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CommandError, match=r"x\.pt"):
        read(path)


def test_damage_within_an_archive(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, w=np.zeros(1000, np.float32))
    content = bytearray(path.read_bytes())
    content[1500] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(CommandError, match=r"x\.npz"):
        read(path)


def test_another_kind_of_file_under_the_name(tmp_path):
    np.savez(tmp_path / "x.zip.npz", w=X)
    (tmp_path / "x.npy").write_bytes((tmp_path / "x.zip.npz").read_bytes())
    np.save(tmp_path / "y.npy", X)
    (tmp_path / "y.npz").write_bytes((tmp_path / "y.npy").read_bytes())
    with zipfile.ZipFile(tmp_path / "text.npz", "w") as archive:
        archive.writestr("readme.txt", "no arrays")
    for name in ("x.npy", "y.npz", "text.npz"):
        with pytest.raises(CommandError, match=name):
            read(tmp_path / name)


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool", "U3", "datetime64[s]", "longdouble"])
def test_other_dtypes_name_a_cast(tmp_path, dtype):
    np.save(tmp_path / "x.npy", np.zeros(3, dtype))
    np.savez(tmp_path / "x.npz", x=np.zeros(3, dtype))
    for name in ("x.npy", "x.npz"):
        with pytest.raises(CommandError, match="cast it first"):
            read(tmp_path / name)


def test_safetensors_of_other_dtypes(tmp_path):
    save_file({"i": np.arange(3)}, tmp_path / "x.safetensors")
    with pytest.raises(CommandError, match=r"'i' .* is I64, expected float16, bfloat16"):
        read(tmp_path / "x.safetensors")


def test_safetensors_whose_header_lies(tmp_path):
    header = json.dumps({"x": {"dtype": "F32", "shape": [1000], "data_offsets": [0, 4000]}}).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(40))
    with pytest.raises(CommandError, match=r"x\.safetensors"):
        read(path)


def test_keys(tmp_path):
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "x.npz", w=X, b=X)
    np.savez(tmp_path / "none.npz")
    np.savez(tmp_path / "many.npz", **{f"w{i}": X for i in range(40)})
    save_file({"w": X, "b": X}, tmp_path / "x.safetensors")
    for name, key, words in (
        ("x.npy", "w", "--key names an array within a file"),
        ("x.npz", None, "holds 2 arrays, choose one by --key, or --all: w, b"),
        ("x.npz", "c", "has no array 'c', it holds: w, b"),
        ("x.npz", "", "has no array ''"),
        ("none.npz", None, "holds no arrays"),
        ("many.npz", None, "w11 and 28 more"),
        ("x.safetensors", None, "holds 2 arrays, choose one by --key, or --all: b, w"),
        ("x.safetensors", "c", "has no array 'c'"),
    ):
        with pytest.raises(CommandError, match=words):
            read(tmp_path / name, key=key)


@needs_torch
def test_torch_files_of_other_things(tmp_path, torch):
    for content, key, words in (
        ([1, 2], None, "neither a tensor nor a mapping"),
        ({"epoch": 3}, None, "holds no arrays"),
        ({"w": torch.zeros(2), "b": torch.zeros(2)}, None, "--key, or --all: w, b"),
        (torch.zeros(2), "w", "holds a single one"),
        (torch.zeros(2, dtype=torch.int32), None, "cast it first"),
        (torch.zeros(2, 2).to_sparse(), None, r"x\.pt"),
    ):
        torch.save(content, tmp_path / "x.pt")
        with pytest.raises(CommandError, match=words):
            read(tmp_path / "x.pt", key=key)
