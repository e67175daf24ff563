"""Files that are damaged, or that were made to do harm: what the readers of the command must refuse in one line."""

import io
import json
import os
import pickle
import struct
import zipfile
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from safetensors.numpy import save

X = np.linspace(-3, 3, 12, dtype=np.float32).reshape(3, 4)
ESCAPES = "a\x1b[31m\nl1-any: all agree\r\u202eb"
BOMB_BYTES = 3 << 30


class Bomb:
    """Leaves a file behind if its pickle is executed."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def saved(function, *arguments, **options):
    """The bytes that a function writes to a stream."""
    stream = io.BytesIO()
    function(stream, *arguments, **options)
    return stream.getvalue()


def npy(header, data=b"", version=1):
    """A .npy file with any text in its header."""
    text = header.encode("latin1") + b"\n"
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + len(text).to_bytes(2 if version == 1 else 4, "little")
        + text
        + data
    )


def described(descr="<f4", shape=(3, 4), **more):
    return repr({"descr": descr, "fortran_order": False, "shape": shape} | more)


def safetensors(header, data=b"", size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


def entry(dtype="F32", shape=(3, 4), offsets=(0, 48)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def archive(members, compression=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name), content, compress_type=compression)
    return stream.getvalue()


def made_nested():
    """Checkpoints whose mappings hold themselves, or each other again and again."""
    if not find_spec("torch"):
        return
    import torch

    loop = {"x": torch.ones(1)}
    loop["again"] = loop
    wide = {"x": torch.ones(1)}
    for _ in range(40):
        wide = {"a": wide, "b": wide}
    deep = {"x": torch.ones(1)}
    for _ in range(200):
        deep = {"a": deep}
    for content in (loop, wide, deep, {"a": {"x": torch.ones(1)}, "a/x": torch.ones(1)}, {"a": {}}):
        yield saved(lambda stream, content=content: torch.save(content, stream))


def hdf5(x, **options):
    """An HDF5 file with one dataset in a group."""
    import h5py

    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_dataset("group/x", data=x, **options)
    return stream.getvalue()


def zip_bomb():
    """A .npz file of 3 MB, whose only array has 3 GB of zeros.

    The blocks between full flushes do not depend on each other, so the same block is repeated.
    """
    head = npy(described(shape=(BOMB_BYTES // 4,)))
    block = bytes(1 << 20)
    packer = zlib.compressobj(wbits=-15)
    start = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    middle = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    repeats = BOMB_BYTES // len(block)
    data = start + middle * repeats + packer.flush()
    checksum = zlib.crc32(head)
    for _ in range(repeats):
        checksum = zlib.crc32(block, checksum)
    size, name = len(head) + BOMB_BYTES, b"x.npy"
    common = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0, checksum, len(data), size, len(name), 0)
    local = b"PK\x03\x04" + common + name + data
    central = b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    return local + central + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)


def sound():
    """Sound files of each kind."""
    files = {
        "one.npy": saved(np.save, X),
        "fortran.npy": saved(np.save, np.asfortranarray(X).astype(">f8")),
        "long.npy": npy(described(), X.tobytes(), version=2),
        "one.npz": saved(np.savez, x=X),
        "packed.npz": saved(np.savez_compressed, x=np.zeros(5000, np.float32)),
        "one.safetensors": save({"x": X}),
        "two.safetensors": save({"x": X, "y": X[:0]}),
    }
    if find_spec("torch"):
        import torch

        x = torch.from_numpy(X.copy())
        files |= {
            "one.pt": saved(lambda stream: torch.save(x, stream)),
            "old.pt": saved(lambda stream: torch.save(x, stream, _use_new_zipfile_serialization=False)),
            "map.pth": saved(lambda stream: torch.save({"x": x, "epoch": 3}, stream)),
            "deep.ckpt": saved(lambda stream: torch.save({"model": {"x": x}, "epoch": 3}, stream)),
        }
    if find_spec("h5py"):
        files |= {"one.h5": hdf5(X), "packed.h5": hdf5(X, chunks=(2, 2), compression="gzip")}
    return files


def flipped(content, random):
    content = bytearray(content)
    for _ in range(random.randint(1, 4)):
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    return bytes(content)


def cut(content, random):
    return content[: random.randrange(len(content))]


def spliced(content, random):
    start, end = sorted(random.randrange(len(content)) for _ in range(2))
    return random.choice([content[:start] + content[end:], content[:end] + content[start:]])


def made_npy():
    """Headers of .npy files that no writer makes."""
    shapes = [(10**12,), (10**30,), (2**62, 2), (-1,), (-3, -4), (3, -4), (0, 10**30), (3.0, 4), "x", None]
    descr = ["|O", "<U4", "<M8[s]", "<c32", "", None, [("a", "|O")], [("a", "<f4", (10**9,))], "<i4"]
    headers = [described(shape=shape) for shape in shapes] + [described(descr) for descr in descr]
    headers += [
        "(" * 3000,
        "{" * 9000,
        described(more=1),
        "{}",
        "1 + 1",
        "__import__('os')",
        "9" * 5000,
        "\x00" * 50,
    ]
    yield from (npy(header, X.tobytes()) for header in headers)
    yield npy(described() + " " * 40_000_000, X.tobytes(), version=2)
    yield b"\x93NUMPY\x03\x00" + b"\xff" * 4 + b"{}"


def made_npz(trace):
    """Archives with members that np.savez does not write."""
    x = saved(np.save, X)
    objects = saved(np.save, np.array([Bomb(trace), pickle.dumps(Bomb(trace))], dtype=object))
    yield zip_bomb()
    yield archive({"x.npy": objects})
    yield archive({"x.npy": pickle.dumps(pickle.dumps(Bomb(trace)))})
    yield archive({ESCAPES + ".npy": x, "b.npy": x})
    yield archive({f"{i}{ESCAPES}" * 1000 + ".npy": x for i in range(30)})
    yield archive({ESCAPES: x})
    yield archive({"x.npy": x}, zipfile.ZIP_BZIP2)
    yield archive({"x.npy": x}, zipfile.ZIP_LZMA)
    yield archive({"x.npy": npy(described(shape=(10**12,)), X.tobytes())})
    yield archive({"x.npy": npy(described() + " " * 40_000_000, X.tobytes(), 2)}, zipfile.ZIP_DEFLATED)


def made_safetensors():
    """Headers of .safetensors files that no writer makes."""
    yield safetensors({"x": entry()}, X.tobytes(), size=2**63)
    yield safetensors({"x": entry()}, X.tobytes(), size=2**40)
    yield safetensors({"x": entry()}, X.tobytes(), size=5)
    yield safetensors({"x": entry(shape=(-3, -4))}, X.tobytes())
    yield safetensors({"x": entry(shape=(2**40, 2**40))}, X.tobytes())
    yield safetensors({"x": entry(offsets=(48, 0))}, X.tobytes())
    yield safetensors({"x": entry(offsets=(0, 2**60), shape=(2**58,))}, X.tobytes())
    yield safetensors({"x": entry("F7")}, X.tobytes())
    yield safetensors({ESCAPES: entry(), "y": entry(offsets=(48, 96))}, X.tobytes() * 2)
    yield safetensors({ESCAPES: entry("I32")}, X.tobytes())
    yield safetensors({"x": ESCAPES})
    yield safetensors(b"[" * 100_000)
    yield safetensors(b"")
    yield safetensors(b" " * 40_000_000 + b"{}")


def made_pt(trace):
    """Files that torch.save writes, but that are no plain data."""
    yield archive({"x/data.pkl": pickle.dumps(Bomb(trace)), "x/version": "3\n"})
    yield pickle.dumps({"x": pickle.dumps(Bomb(trace)), "y": Bomb(trace)})
    if not find_spec("torch"):
        return
    import torch

    x = torch.ones(1)
    for content in (
        x.expand(10**12),
        {"w": x.expand(10**6, 10**6)},
        x.to(torch.bfloat16).expand(10**12),
        torch.view_as_complex(torch.ones(1, 2)).conj().expand(10**12),
        torch.ones(10).as_strided((10**6, 10**6), (0, 0)),
        {ESCAPES: x, "b": x},
        {"w": Bomb(trace)},
        {"w": pickle.dumps(Bomb(trace))},
        [x, [x]],
        torch.empty(10**12, device="meta"),
        torch.ones(3, 3).to_sparse(),
    ):
        yield saved(lambda stream, content=content: torch.save(content, stream))
    stored = zipfile.ZipFile(io.BytesIO(saved(lambda stream: torch.save(x, stream))))
    yield archive({name: stored.read(name) for name in stored.namelist()}, zipfile.ZIP_DEFLATED)


def made_hdf5(folder):
    """Files whose datasets are not in them, or are not numbers."""
    if not find_spec("h5py"):
        return
    import h5py

    other = folder / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = X
    makers = [
        lambda file: file.create_dataset("x", (10**12,), "f4", chunks=(10**6,)),
        lambda file: file.create_dataset("x", (10**12,), "f4"),
        lambda file: file.create_dataset("x", (12,), "f4", external=[("/dev/zero", 0, 48)]),
        lambda file: file.create_virtual_dataset("x", virtual(h5py, other)),
        lambda file: file.__setitem__("x", h5py.ExternalLink(str(other), "x")),
        lambda file: file.__setitem__("x", h5py.SoftLink("/x")),
        lambda file: file.__setitem__("x", ["a", "b"]),
        lambda file: file.__setitem__("x", h5py.Empty("f4")),
        lambda file: [file.__setitem__(name, X) for name in (ESCAPES.replace("/", ""), "b")],
    ]
    for make in makers:
        stream = io.BytesIO()
        with h5py.File(stream, "w") as file:
            make(file)
        yield stream.getvalue()


def virtual(h5py, path):
    layout = h5py.VirtualLayout((3, 4), "f4")
    layout[:] = h5py.VirtualSource(str(path), "x", (3, 4))
    return layout


def made_zarr(folder):
    """Folders of which an array is not a plain one; each path is refused."""
    traps = {
        "pickle.zarr/.zarray": zarray(filters=[{"id": "pickle"}]),
        "both.zarr/.zarray": zarray(filters=[{"id": "pickle", "name": "zlib"}]),
        "huge.zarr/.zarray": zarray(shape=[10**12], chunks=[10**12]),
        "many.zarr/.zarray": zarray(shape=[10**12], chunks=[1]),
        "never.zarr/.zarray": zarray(shape=[10**12], chunks=[10**7]),
        "negative.zarr/.zarray": zarray(shape=[-1], chunks=[1]),
        "text.zarr/.zarray": b"[" * 100_000,
        "list.zarr/zarr.json": b"[]",
        "empty.zarr/.zgroup": b'{"zarr_format": 2}',
        "integers.zarr/.zarray": zarray(dtype="<i4"),
        "objects.zarr/.zarray": zarray(dtype="|O", filters=[{"id": "pickle"}]),
    }
    for name, content in traps.items():
        path = folder / name
        path.parent.mkdir()
        path.write_bytes(content)
        (path.parent / "0").write_bytes(pickle.dumps(Bomb(folder / "executed")))
        yield path.parent
    (folder / "device.zarr").mkdir()
    (folder / "device.zarr" / ".zarray").write_bytes(zarray())
    (folder / "device.zarr" / "0").symlink_to("/dev/zero")
    yield folder / "device.zarr"


def zarray(**options):
    plain = {"shape": [12], "chunks": [12], "dtype": "<f4", "compressor": None, "filters": None}
    return json.dumps({"zarr_format": 2, "fill_value": 0, "order": "C"} | plain | options).encode()


def made_folders(folder):
    """Folders of .safetensors files whose index names what is not beside it."""
    for number, name in enumerate(["../x.safetensors", "absent.safetensors", "x.npy", 3, "/dev/zero"]):
        inside = folder / f"shards{number}"
        inside.mkdir()
        (inside / "x.safetensors").write_bytes(save({"x": X}))
        (inside / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": name}}))
        yield inside
    for number, text in enumerate(["[]", "{}", '{"weight_map": 3}', "{" * 100_000, '{"weight_map": {}}']):
        path = folder / f"{number}.safetensors.index.json"
        path.write_text(text)
        yield path


def odd_paths(folder):
    """Names that are no regular file, or that a terminal would not print as they are."""
    os.mkfifo(folder / "pipe.npy")
    (folder / "zeros.npy").symlink_to("/dev/zero")
    (folder / "zeros.pt").symlink_to("/dev/zero")
    (folder / "loop.npz").symlink_to("loop.npz")
    (folder / "nowhere.npy").symlink_to("absent.npy")
    (folder / "to_pipe.pt").symlink_to("pipe.npy")
    (folder / "folder.safetensors").mkdir()
    yield from (folder / name for name in ("pipe.npy", "zeros.npy", "zeros.pt", "loop.npz", "nowhere.npy"))
    yield from (folder / name for name in ("to_pipe.pt", "folder.safetensors", "x" * 300 + ".npy", "x.csv"))
    for name in ("\x1b[31m\nl1-any: all agree.npy", "\udcff\udcfe.npz", "\u202e.safetensors", "a\rb.npy"):
        (folder / name).write_bytes(b"damaged")
        yield folder / name


def files(folder, random, count):
    """Write the files; yield each path, and whether the command must refuse it."""
    number = 0

    def written(content, suffix):
        nonlocal number
        number += 1
        path = folder / f"{number}{suffix}"
        path.write_bytes(content)
        return path

    trace = folder / "executed"
    made = {
        ".npy": made_npy(),
        ".npz": made_npz(trace),
        ".safetensors": made_safetensors(),
        ".pt": made_pt(trace),
        ".ckpt": made_nested(),
        ".h5": made_hdf5(folder),
    }
    for suffix, contents in made.items():
        yield from ((written(content, suffix), True) for content in contents)
    (folder / "odd").mkdir()
    odd = [*odd_paths(folder / "odd"), *made_folders(folder / "odd"), *made_zarr(folder)]
    yield from ((path, True) for path in odd)
    whole = sound()
    yield from ((written(content, Path(name).suffix), False) for name, content in whole.items())
    for _ in range(count - number - len(odd)):
        name = random.choice(sorted(whole))
        damage = random.choice([flipped, flipped, cut, spliced])
        # A cut loses the end of every format. Other damage may leave a file that is sound, with other numbers.
        yield written(damage(whole[name], random), Path(name).suffix), damage is cut
