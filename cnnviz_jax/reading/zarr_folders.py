"""Zarr folders as data: known codecs, no links out, no more than the chunks may hold.

A zarr says itself by which codecs it is read, and among those that may be installed are some that run what a chunk
says. And a chunk of a few kilobytes may unpack to gigabytes, which is looked at before it is unpacked.
"""

import itertools
import math
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz_jax.extras import require
from cnnviz_jax.files import read_json
from cnnviz_jax.reading.bounds import MOST_ARRAYS, check_total, folder_bytes, most_bytes, told
from cnnviz_jax.reading.zstd import check_frames

_KINDS = "biufcUST"
_PACKERS = {
    "BloscCodec": "blosc", "Blosc": "blosc", "ZstdCodec": "zstd", "Zstd": "zstd", "GzipCodec": "gzip", "GZip": "gzip",
    "Zlib": "zlib", "LZ4": "lz4",
}  # fmt: skip
"""Codecs that make chunks smaller, by the names of their classes in zarr and numcodecs."""
_PLAIN = {
    "BytesCodec", "TransposeCodec", "VLenUTF8Codec", "VLenUTF8", "Crc32cCodec", "CRC32C", "CRC32", "Shuffle", "Delta",
    "V2Codec",
}  # fmt: skip
"""Codecs that leave the size as it is, or as good as."""
_SHARDING = "ShardingCodec"
_MOST_ABSENT = 1 << 14
_MOST_ABSENT_INSIDE = 1 << 20
_INDEX_BYTES = 16
"""Of each chunk in a shard: where it begins, and its size."""
_CHECKSUM_BYTES = 4
_PIECE_BYTES = 1 << 20


class ZarrFolder(Mapping[str, "ZarrNumbers"]):
    """The arrays of a zarr group, or the one array that a folder is, under the name `""`."""

    def __init__(self, path: str | Path) -> None:
        """Open a folder.

        Raises:
            UsageError: zarr is not installed.
            OSError: The system refuses it.
            ValueError: It is no zarr, or none that may be read.
        """
        zarr = require("zarr", what="a .zarr folder")
        path = Path(path)
        with told():
            size = folder_bytes(path)
            found = zarr.open(str(path), mode="r")
            is_array = hasattr(found, "shape")
            arrays = [("", found)] if is_array else _arrays(found, path)
            self.attributes: dict[str, Any] = dict(found.attrs)
            self._arrays = {name: ZarrNumbers(array, path, size) for name, array in arrays}

    def __getitem__(self, name: str) -> "ZarrNumbers":
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)


class ZarrNumbers:
    """One array, read by slices of its first axis."""

    def __init__(self, array: Any, root: Path, size_bytes: int) -> None:
        self._array, self._root, self._size = array, root, size_bytes
        self._codecs = _codecs_of(array)
        if array.dtype.kind not in _KINDS:
            raise ValueError(f"the array {array.path!r:.80} is {str(array.dtype)[:80]}, no numbers or texts")
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype[Any] = array.dtype
        self.ndim = len(self.shape)
        self.rows = int(array.chunks[0]) if self.ndim else 1
        """Entries of the first axis in one chunk."""

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Return some entries of the first axis; all of an array without axes.

        Raises:
            OSError: The system refuses a chunk.
            ValueError: A chunk is damaged, or would unpack to more than it may.
        """
        with told():
            start, stop, _ = rows.indices(self.shape[0]) if self.ndim else (0, 1, 1)
            row = math.prod(self.shape[1:]) * self.dtype.itemsize
            check_total(max(stop - start, 0) * row, self._size)
            self._check_chunks(start, stop)
            return np.asarray(self._array[rows] if self.ndim else self._array[...])

    def _check_chunks(self, start: int, stop: int) -> None:
        are_packed = bool(self._codecs) and _SHARDING not in self._codecs
        chunks = self._array.shards or self._array.chunks  # what has a file of its own
        size = math.prod(chunks) * self.dtype.itemsize
        first = range(start // chunks[0], -(-stop // chunks[0])) if self.ndim else range(1)
        rest = [range(-(-size // chunk)) for size, chunk in zip(self.shape[1:], chunks[1:], strict=True)]
        absent, inside = 0, math.prod(chunks) // math.prod(self._array.chunks)
        for place in itertools.product(first, *rest) if self.ndim else [()]:
            path = self._root / self._array.path / self._array.metadata.encode_chunk_key(place)
            if not path.is_file():
                absent += 1
                # zarr waits for each, and a chunk may be as small as one number: minutes for a few bytes of a stranger.
                if absent > _MOST_ABSENT or absent * inside > _MOST_ABSENT_INSIDE:
                    raise ValueError(f"{absent:,} files or more of the array {self._array.path!r:.80} are missing")
            elif path.stat().st_size < _INDEX_BYTES * (inside if self._array.shards else 0):
                raise ValueError(f"{path} is smaller than the index of its chunks")
            elif are_packed:
                # Texts of any length have no size that could be known before.
                needed = most_bytes(path.stat().st_size) if self.dtype.kind == "T" else size
                check_total(needed, path.stat().st_size)
                _check_packed(path, self._codecs, needed, is_exact=self.dtype.kind != "T")


def _arrays(group: Any, root: Path) -> list[tuple[str, Any]]:
    """Return all arrays of a group and of the groups in it, by the way to them."""
    # Not `group.members()`, which opens many at once and complains on stderr, later, of those that cannot be.
    found = []
    for place, _, names in os.walk(root):
        if ".zarray" in names or ("zarr.json" in names and read_json(Path(place, "zarr.json"))["node_type"] == "array"):
            found.append(Path(place).relative_to(root).as_posix())
        if len(found) > MOST_ARRAYS:
            raise ValueError(f"a group of more than {MOST_ARRAYS:,} arrays")
    return [(name, group[name]) for name in sorted(found)]


def _codecs_of(array: Any) -> tuple[str, ...]:
    """Return the classes of an array's codecs, each of which may be trusted with a stranger's bytes."""
    metadata = array.metadata
    if metadata.zarr_format == 2:
        codecs = [*(metadata.filters or ()), *([metadata.compressor] if metadata.compressor else [])]
    else:
        codecs = _flat(metadata.codecs)
    names = tuple(type(codec).__name__ for codec in codecs)
    if odd := [name for name in names if name not in {*_PLAIN, *_PACKERS, _SHARDING}]:
        raise ValueError(
            f"the array {array.path!r:.80} is packed by {odd[0]}; read are {', '.join(sorted(set(_PACKERS.values())))}"
        )
    packers = [name for name in names if name in _PACKERS]
    if len(packers) > 1:
        raise ValueError(f"the array {array.path!r:.80} is packed twice, by {' and '.join(packers)}")
    return names


def _flat(codecs: Any) -> list[Any]:
    """Return codecs with those inside of shards, of which the innermost pack."""
    found = []
    for codec in codecs:
        inside = [*codec.codecs, *codec.index_codecs] if type(codec).__name__ == _SHARDING else []
        found += [codec, *_flat(inside)]
    return found


def _check_packed(path: Path, codecs: tuple[str, ...], needed: int, *, is_exact: bool) -> None:
    """Refuse a chunk that would unpack to more than so many bytes."""
    packer = next((_PACKERS[name] for name in codecs if name in _PACKERS), None)
    trailer = _CHECKSUM_BYTES * sum(name in ("Crc32cCodec", "CRC32C", "CRC32") for name in codecs)
    if packer == "zstd":
        check_frames(path, needed, trailer_bytes=trailer, is_exact=is_exact)
        return
    if packer in ("gzip", "zlib"):
        unpacked = _inflated(path, needed)
    elif packer in ("blosc", "lz4"):
        with open(path, "rb") as file:
            head = file.read(8)
        unpacked = int.from_bytes(head[4:8] if packer == "blosc" else head[:4], "little")
    else:
        return
    if unpacked > needed:
        raise ValueError(f"the chunk {path} would unpack to more than the {needed:,} bytes that its array needs")


def _inflated(path: Path, most: int) -> int:
    """Return how many bytes a chunk inflates to, no further than one more than `most`."""
    total = 0
    with open(path, "rb") as file:
        inflater = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)  # zlib's head or gzip's
        data = file.read(_PIECE_BYTES)
        while data and total <= most:
            total += len(inflater.decompress(data, _PIECE_BYTES))
            if inflater.eof:  # gzip files may be several, one behind the other
                data = inflater.unused_data or file.read(_PIECE_BYTES)
                inflater = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)
            else:
                data = inflater.unconsumed_tail or file.read(_PIECE_BYTES)
    return total
