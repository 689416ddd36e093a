"""Weights files written by hand to use up memory or time, to run code, or to read what is not theirs."""

import io
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

_LEGACY = (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True})
_GIGABYTES = 1 << 32


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


def _number(number: int) -> bytes:
    return (
        b"\x8a"
        + bytes([number.bit_length() // 8 + 1])
        + number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
    )


def _numbers(numbers: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(_number, numbers)) + b"t"


def _tensor(key: str, array: np.ndarray, shape: tuple[int, ...] | None = None, size: int | None = None) -> bytes:
    steps = tuple(step // array.itemsize for step in array.strides)
    storage = b"(" + _text("storage") + b"ctorch\nFloatStorage\n" + _text(key) + _text("cpu")
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + _number(array.size if size is None else size) + b"tQ"
        + _number(0) + _numbers(array.shape if shape is None else shape) + _numbers(steps) + b"\x89}tR"
    )  # fmt: skip


def _table(arrays: Mapping[str, np.ndarray]) -> bytes:
    items = b"".join(_text(name) + _tensor(str(n), array) for n, (name, array) in enumerate(arrays.items()))
    return b"\x80\x02}(" + items + b"u."


def zipped_torch(arrays: Mapping[str, np.ndarray], table: bytes | None = None) -> bytes:
    """Return what torch.save writes today."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", _table(arrays) if table is None else table)
        for number, array in enumerate(arrays.values()):
            archive.writestr(f"archive/data/{number}", array.tobytes())
    return out.getvalue()


def legacy_torch(arrays: Mapping[str, np.ndarray], table: bytes | None = None) -> bytes:
    """Return what torch.save wrote before 1.6."""
    heads = b"".join(pickle.dumps(head, protocol=2) for head in _LEGACY)
    keys = pickle.dumps([str(number) for number in range(len(arrays))], protocol=2)
    bodies = b"".join(struct.pack("<q", array.size) + array.tobytes() for array in arrays.values())
    return heads + (_table(arrays) if table is None else table) + keys + bodies


def _pickled(rng: np.random.Generator, folder: Path, table: bytes) -> Path:
    """Write a table of contents into either kind of PyTorch file."""
    path = folder / "bomb.pth"
    path.write_bytes((zipped_torch, legacy_torch)[rng.integers(2)]({}, table))
    return path


def shared_dicts(rng: np.random.Generator, folder: Path) -> Path:
    """A dict that holds the next one twice, and so on: 2**depth paths, with or without a tensor at their end."""
    depth = int(rng.integers(10, 200))
    inner = b"}" + b"q\0" if rng.random() < 0.5 else b"}" + _text("w") + _tensor("0", np.zeros(1, np.float32)) + b"sq\0"
    layers = b"".join(
        b"0}(" + _text("a") + b"h" + bytes([n % 2]) + _text("b") + b"h" + bytes([n % 2]) + b"uq" + bytes([(n + 1) % 2])
        for n in range(depth)
    )
    return _pickled(rng, folder, b"\x80\x02" + inner + layers + b".")


def cyclic_dict(rng: np.random.Generator, folder: Path) -> Path:
    """A dict that holds itself."""
    return _pickled(rng, folder, b"\x80\x02}q\0" + _text("a") + b"h\0s.")


def deep_nesting(rng: np.random.Generator, folder: Path) -> Path:
    """Tuples, lists or dicts in one another, as a value or as a key that would be hashed."""
    depth = int(10 ** rng.uniform(3, 5.3))
    nested = (
        b")" + b"\x85" * depth,
        b"]" * depth + b"a" * (depth - 1),
        (b"}" + _text("a")) * depth + b"N" + b"s" * depth,
    )
    kind = rng.integers(3)
    table = (
        b"}" + nested[kind] + b"Ns." if kind == 0 and rng.random() < 0.5 else b"}" + _text("a") + nested[kind] + b"s."
    )
    return _pickled(rng, folder, b"\x80\x02" + table)


def promised_length(rng: np.random.Generator, folder: Path) -> Path:
    """A string, bytes or whole number that is said to have billions of bytes."""
    size = int(rng.integers(1 << 28, 1 << 34))
    head = (
        b"X" + struct.pack("<I", size & 0xFFFFFFFF), b"B" + struct.pack("<I", size & 0xFFFFFFFF),
        b"\x8d" + struct.pack("<Q", size), b"\x8e" + struct.pack("<Q", size), b"\x96" + struct.pack("<Q", size),
        b"\x8b" + struct.pack("<i", 0x7FFFFFFF), b"\x95" + struct.pack("<Q", size),
        b"T" + struct.pack("<i", 0x7FFFFFFF),
    )[rng.integers(8)]  # fmt: skip
    return _pickled(rng, folder, b"\x80\x05" + head + rng.bytes(50) + b".")


def far_memo(rng: np.random.Generator, folder: Path) -> Path:
    """A place in the memo that would make it gigabytes long."""
    return _pickled(rng, folder, b"\x80\x02}r" + struct.pack("<I", int(rng.integers(1 << 28, 1 << 32))) + b".")


def colliding_keys(rng: np.random.Generator, folder: Path) -> Path:
    """Keys of one hash, so that a dict of them takes quadratic time."""
    count = int(10 ** rng.uniform(3, 4.8))
    step = (1 << 61) - 1
    items = b"".join(_number(number * step) + b"N" for number in range(count))
    return _pickled(rng, folder, b"\x80\x02}(" + items + b"u.")


def code(rng: np.random.Generator, folder: Path) -> Path:
    """A call of something that would make a file, by one of the ways that pickles have."""
    target = str(folder / "ran")
    ways = (
        b"cposix\nmkdir\n(" + _text(target) + b"tR.",
        b"c__builtin__\nexec\n(" + _text(f"open({target!r}, 'w')") + b"tR.",
        b"(" + _text(target) + b"iposix\nmkdir\n.",
        b"(cposix\nmkdir\n" + _text(target) + b"o.",
        b"cposix\nmkdir\n" + _text(target) + b"\x85\x81.",
        _text("posix") + _text("mkdir") + b"\x93(" + _text(target) + b"tR.",
        b"ctorch\nstorage._load_from_bytes\n(" + _text(target) + b"tR.",
        b"ccollections\nOrderedDict.__init__.__globals__\n.",
        b"cnumpy\nload\n(" + _text(target) + b"tR.",
        b"ctorch._utils\n_rebuild_tensor_v2\n}" + _text("__call__") + b"cposix\nmkdir\nsb(" + _text(target) + b"tR.",
        b"\x82\x01.",
    )
    path = folder / "code.pth"
    table = b"\x80\x04" + ways[rng.integers(len(ways))]
    if rng.random() < 0.3:
        path.write_bytes(table)
        return path
    return _pickled(rng, folder, table)


def wrong_tensor(rng: np.random.Generator, folder: Path) -> Path:
    """A tensor that reaches beyond its storage, or a storage that promises billions of numbers."""
    array = np.zeros(4, np.float32)
    shape = tuple(int(n) for n in rng.integers(-2, 1 << int(rng.integers(1, 60)), 1))
    size = int(rng.integers(0, 1 << int(rng.integers(1, 60))))
    path = folder / "wrong.pth"
    table = b"\x80\x02}" + _text("bias") + _tensor("0", array, shape, size if rng.random() < 0.5 else None) + b"s."
    path.write_bytes((zipped_torch, legacy_torch)[rng.integers(2)]({"bias": array}, table))
    return path


def packed_zeros(rng: np.random.Generator, folder: Path) -> Path:
    """A zip archive of a few hundred kilobytes that unpacks to a gigabyte, by any method that Python knows."""
    method = (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)[rng.integers(3)]
    name, suffix = (
        ("bias.npy", ".npz"), ("model.weights.h5", ".keras"), ("archive/data.pkl", ".pth"), ("archive/data/0", ".pth"),
        ("archive/byteorder", ".pth"),
    )[rng.integers(5)]  # fmt: skip
    path = folder / f"packed{suffix}"
    head = b""
    if suffix == ".npz":
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (1 << 28,)})
        head = head.getvalue()
    with zipfile.ZipFile(path, "w", method) as archive:
        if suffix == ".pth" and name != "archive/data.pkl":
            table = b"\x80\x02}" + _text("bias") + _tensor("0", np.zeros(4, np.float32), (1 << 28,), 1 << 28) + b"s."
            archive.writestr("archive/data.pkl", table)
        with archive.open(name, "w", force_zip64=True) as file:
            file.write(head)
            for _ in range(int(rng.integers(100, 300)) if method == zipfile.ZIP_DEFLATED else 70):
                file.write(bytes(1 << 20))
    return path


def many_members(rng: np.random.Generator, folder: Path) -> Path:
    """A zip archive of many members of one place, or with names to climb out by."""
    path = folder / "many.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(int(rng.integers(10, 3_000))):
            archive.writestr(f"{'../' * int(rng.integers(0, 4))}{number}.npy", b"\x93NUMPY\x01\x00")
    return path


def npy_header(rng: np.random.Generator, folder: Path) -> Path:
    """An array of a strange type or of more numbers than there are."""
    shape = ("(1<<40,)", f"({rng.integers(1, 1 << 40)},)", "(-1,)", "(2,) * 99", "((((((", "(1e9,)", "(True,)")[
        rng.integers(7)
    ]
    descr = ("'<f4'", "'O'", "'|S2147483647'", "'<U536870911'", "[('a', '<f4', (999999, 9999))]", "'V2'", "'<f16'")[
        rng.integers(7)
    ]
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
    text = ("(" * 5_000, "[" * 9_000, text, text, text, "-" * 9_000 + "1")[rng.integers(6)]
    body = b"\x93NUMPY" + bytes([int(rng.integers(1, 4)), 0]) + struct.pack("<H", len(text) + 1) + text.encode() + b"\n"
    path = folder / ("header.eqx", "header.npz")[rng.integers(2)]
    if path.suffix == ".eqx":
        path.write_bytes(body + rng.bytes(64))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("bias.npy", body + rng.bytes(64))
    return path


def safetensors_header(rng: np.random.Generator, folder: Path) -> Path:
    """A header that is long, deep, repeated, or says what the file has not."""
    size = int(rng.integers(0, 1 << 62))
    text = (
        "[" * 100_000,
        '{"a":' * 50_000,
        '{"bias":{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}}' % (size, size * 4 % (1 << 63)),  # noqa: UP031
        '{"bias":{"dtype":"F32","shape":[0,%d],"data_offsets":[0,0]}}' % size,  # noqa: UP031
        '{"bias":{"dtype":"F8_E4M3","shape":[16],"data_offsets":[0,16]}}',
        '{"%s":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}' % ("n" * int(rng.integers(1, 200_000))),
        '{"bias":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"bias":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}}',
        '{"\\u001b[31m\\n":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}',
        '{"__metadata__":{"labels":"%s"},"bias":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}' % ("[" * 90_000),
    )[rng.integers(9)]  # fmt: skip
    promised = len(text) if rng.random() < 0.8 else size
    path = folder / "header.safetensors"
    path.write_bytes(struct.pack("<Q", promised) + text.encode() + bytes(16))
    return path


def hdf5_promise(rng: np.random.Generator, folder: Path) -> Path:
    """A dataset of gigabytes of which nothing is written, in chunks of any size."""
    path = folder / "promise.h5"
    with h5py.File(path, "w") as file:
        size = int(rng.integers(1 << 27, 1 << 50))
        kind = rng.integers(3)
        if kind == 0:
            file.create_dataset("bias", (size,), "f4", chunks=(1024,), fillvalue=1.0)
        elif kind == 1:
            chunk = int(rng.integers(1 << 26, 1 << 28))
            made = file.create_dataset("bias", (4,), "f4", chunks=(chunk,), maxshape=(None,), compression="gzip")
            made.id.write_direct_chunk((0,), zlib.compress(bytes(1 << 24), 9))
        else:
            file.create_dataset("bias", (size,), "f4", fillvalue=float("nan"))
    return path


def hdf5_links(rng: np.random.Generator, folder: Path) -> Path:
    """Groups that hold one another by hard links, without end or 2**depth times."""
    path = folder / "links.h5"
    with h5py.File(path, "w") as file:
        inner = file.create_group("g0")
        if rng.random() < 0.3:
            inner["itself"] = inner if rng.random() < 0.5 else file
        for number in range(1, int(rng.integers(5, 60))):
            group = file.create_group(f"g{number}")
            group["a"] = group["b"] = inner
            inner = group
    return path


def hdf5_deep(rng: np.random.Generator, folder: Path) -> Path:
    """Groups in groups, thousands deep, or a thousand beside one another."""
    path = folder / "deep.h5"
    with h5py.File(path, "w") as file:
        if rng.random() < 0.5:
            file.create_group("/".join("g" * int(rng.integers(50, 2_000))))
        for number in range(int(rng.integers(0, 500))):
            file.create_group(f"n{number}")
    return path


def hdf5_elsewhere(rng: np.random.Generator, folder: Path) -> Path:
    """Links and datasets that would read another file of the user."""
    (folder / "secret").write_bytes(bytes(64))
    path = folder / "elsewhere.h5"
    with h5py.File(path, "w") as file:
        if rng.random() < 0.5:
            file["bias"] = h5py.ExternalLink(str(folder / "secret"), "/x")
        else:
            file.create_dataset("bias", (4,), "f4", external=[(str(folder / "secret"), 0, 16)])
    return path


def no_file(rng: np.random.Generator, folder: Path) -> Path:
    """A pipe, a device, a link to itself, an empty file, a folder of nothing."""
    path = folder / ("w.pth", "w.h5", "w.npz", "w.safetensors")[rng.integers(4)]
    kind = rng.integers(5)
    if kind == 0:
        os.mkfifo(path)
    elif kind == 1:
        path.symlink_to(("/dev/zero", "/dev/full", path.name)[rng.integers(3)])
    elif kind == 2:
        path.mkdir()
    elif kind == 3:
        path.write_bytes(rng.bytes(int(rng.integers(0, 2) * 500)))
    return path


BOMBS: tuple[Callable[[np.random.Generator, Path], Any], ...] = (
    shared_dicts, cyclic_dict, deep_nesting, promised_length, far_memo, colliding_keys, code, wrong_tensor,
    packed_zeros,
    many_members, npy_header, safetensors_header, hdf5_promise, hdf5_links, hdf5_deep, hdf5_elsewhere, no_file,
)  # fmt: skip
"""Each writes one file, which nobody should be able to read."""
