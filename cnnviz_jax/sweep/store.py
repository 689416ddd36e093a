"""Per-example results: a zarr 3 group written by TensorStore, every chunk with a CRC-32C.

Axis 0 is the example's id, padded to whole device batches. A value is written at its place whoever computed it, and
rewriting gives the same bytes, so nothing has to be undone after a crash. `status` is written after the rest
is durable: a row with a status has all its values.

A CRC tells that a chunk is whole, not that it is there, nor that it is the right one. So beside the group lies another
of digests: for every array and device batch one that is bound to the array's name and the place, made of what the
device computed and written once that is durable. `checking` compares the two.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz_jax.errors import raised_as
from cnnviz_jax.extras import require
from cnnviz_jax.files import read_json, write_json
from cnnviz_jax.reading.zstd import check_frames
from cnnviz_jax.sweep.errors import StorageError, SweepStop, one_line
from cnnviz_jax.sweep.layout import DIGESTS, irregular

STATUS = "status"
_CHUNK_BYTES = 8 << 20
_LEAST_ROWS = 64
_SCALAR_ROWS = 4096
_CRC_BYTES = 4
_GROUP = {"zarr_format": 3, "node_type": "group", "attributes": {}}
_NUMBER = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True)
class ArraySpec:
    """One array: what a row is, and what stands where nothing was written."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def fill(self) -> Any:
        """NaN for floats, 0 for the status, -1 for other whole numbers."""
        kind = np.dtype(self.dtype).kind
        return "NaN" if kind == "f" else (0 if kind in "ub" else -1)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row, not compressed."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize

    def chunk_rows(self, device_batch: int) -> int:
        """Return rows per chunk, a multiple of the device batch: a file costs about 1 ms whatever is in it."""
        # Whole device batches, so that no device batch lies in two chunks. Maps of 224 x 224 in float16 are 98 KiB: 64
        # of them are a file of 6 MiB before zstd; 4,096 scalars, one of 16 KiB.
        wanted = _SCALAR_ROWS if not self.shape else min(_LEAST_ROWS, max(1, _CHUNK_BYTES // max(1, self.row_bytes)))
        return max(device_batch, wanted // device_batch * device_batch)


class ExampleStore:
    """The per-example arrays of one run, open for writing rows or for reading."""

    def __init__(
        self, folder: Path, arrays: Mapping[str, Any], specs: Mapping[str, ArraySpec], rows: int, device_batch: int
    ) -> None:
        self.folder, self.arrays, self.specs, self.rows = folder, dict(arrays), dict(specs), rows
        self.device_batch = device_batch
        """Examples per device batch; 0 where the store was opened without knowing of its run."""
        self.names = tuple(sorted(specs))
        """The arrays in the order of the digests' columns."""
        self._digests: Any = None
        self._transaction: Any = None
        self._held: list[tuple[int, np.ndarray, np.ndarray]] = []
        self._pending: tuple[Any, list[tuple[int, np.ndarray, np.ndarray]]] | None = None
        self._held_rows = 0

    @classmethod
    def create(cls, folder: Path, specs: Mapping[str, ArraySpec], count: int, device_batch: int) -> ExampleStore:
        """Return the store, made where it does not exist yet.

        Args:
            folder: The zarr group.
            specs: Arrays by name; `heat/cam` lies in the group `heat`.
            count: How many examples.
            device_batch: Examples per device batch.

        Raises:
            StorageError: The disk is full or failing, or what lies there is another run's.
        """
        with storing("the arrays"):
            for path in _groups(folder, specs):
                if not _is_our_group(path):
                    write_json(path, _GROUP)
        return cls.of_run(folder, specs, count, device_batch, create=True)

    @classmethod
    def of_run(
        cls, folder: Path, specs: Mapping[str, ArraySpec], count: int, device_batch: int, *, create: bool = False
    ) -> ExampleStore:
        """Return the store of a run with all that must lie in it, for reading; see `create`.

        Raises:
            StorageError: An array or the digests are missing, or what lies there is another run's.
        """
        rows = -(-count // device_batch) * device_batch
        for group in (folder, folder.with_name(DIGESTS)):
            if (strange := irregular(group)) is not None:
                raise StorageError(f"{strange} is neither file nor folder; has something else written to {group}?")
        with storing("the arrays"):
            arrays = {name: _open(folder / name, spec, rows, device_batch, create) for name, spec in specs.items()}
            store = cls(folder, arrays, specs, rows, device_batch)
            spec = _digest_spec(specs)
            store._digests = _open(folder.with_name(DIGESTS) / "digests", spec, rows // device_batch, 1, create)
        return store

    @classmethod
    def open(cls, folder: Path, *, check: bool = True) -> ExampleStore:
        """Return whatever arrays lie in a folder, for reading.

        Raises:
            StorageError: There is none, or its metadata is broken.
        """
        ts = require("tensorstore")
        names = sorted(
            path.parent.relative_to(folder).as_posix() for path in folder.rglob("zarr.json") if not _is_group(path)
        )
        if check and STATUS not in names:
            raise StorageError(f"no per-example results in {folder}")
        arrays = {}
        with storing("the arrays"):
            for name in names:
                spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{folder / name}/"}}
                arrays[name] = ts.open(spec, open=True, read=True).result()
        specs = {name: ArraySpec(tuple(a.shape[1:]), str(a.dtype.numpy_dtype)) for name, a in arrays.items()}
        return cls(folder, arrays, specs, int(arrays[STATUS].shape[0]) if STATUS in arrays else 0, 0)

    def put(self, start: int, rows: Mapping[str, np.ndarray]) -> None:
        """Take rows from `start` on, whole device batches; they are durable after `flush`."""
        ts = require("tensorstore")
        stop = min(start + len(rows[STATUS]), self.rows)
        if stop <= start:
            return
        rows = {name: rows[name][: stop - start] for name in self.names}
        with storing("per-example results"):
            if self._transaction is None:
                self._transaction = ts.Transaction()
            for name, array in self.arrays.items():
                if name != STATUS:
                    array.with_transaction(self._transaction)[start:stop].write(rows[name]).result()
            # Held back until everything else is durable: a row whose status is there has all its values.
            self._held.append((start, rows[STATUS], self.digests_of(start, rows)))
            self._held_rows += stop - start
            if self._held_rows >= _LEAST_ROWS:
                self._begin_write()

    def digests_of(self, start: int, rows: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the digests of whole device batches from `start` on, (device batches, arrays).

        Args:
            start: The first example, a multiple of the device batch.
            rows: Rows of some arrays; the columns of the others are 0, "not written".
        """
        size = self.device_batch
        count = max((len(values) for values in rows.values()), default=0) // size
        found = np.zeros((count, len(self.names)), np.uint64)
        for column, name in enumerate(self.names):
            for i in range(count) if name in rows else ():
                own = rows[name][i * size : (i + 1) * size]
                hashed = hashlib.sha256(f"{name}\0{start + i * size}\0{own.dtype}\0".encode())
                hashed.update(np.ascontiguousarray(own).reshape(-1).data)
                found[i, column] = int.from_bytes(hashed.digest()[:8], "little") or 1
        return found

    def flush(self) -> None:
        """Wait until everything taken is durable, statuses last."""
        with storing("per-example results"):
            self._begin_write()
            self._finish_write()

    def read(self, name: str, rows: Any) -> np.ndarray:
        """Return rows of an array.

        Raises:
            StorageError: A chunk is damaged.
        """
        with storing(f"the array {name}"):
            if self.device_batch:
                self._check_chunks(self.folder / name, self.specs[name], rows, self.rows, self.device_batch)
            return np.asarray(self.arrays[name][rows].read().result())

    def digests(self, start: int, stop: int) -> np.ndarray:
        """Return the digests that were written with the device batches from example `start` to `stop`.

        Raises:
            StorageError: They are damaged.
        """
        rows = slice(start // self.device_batch, -(-stop // self.device_batch))
        with storing("the digests"):
            count = self.rows // self.device_batch
            self._check_chunks(self.folder.with_name(DIGESTS) / "digests", _digest_spec(self.specs), rows, count, 1)
            return np.asarray(self._digests[rows].read().result())

    def chunk_rows(self, name: str) -> int:
        """Return the rows of a chunk of an array."""
        return self.specs[name].chunk_rows(self.device_batch)

    def chunks(self, name: str) -> set[int]:
        """Return the numbers of the chunks of an array that lie on the disk."""
        folder, spec = self.folder / name, self.specs[name]
        found = (folder / "c").iterdir() if (folder / "c").is_dir() else ()
        numbers = {int(path.name) for path in found if _NUMBER.fullmatch(path.name)}
        return {number for number in numbers if chunk_file(folder, number, spec).is_file()}

    def damaged_groups(self) -> list[Path]:
        """Return the files that make folders groups and do not, or are not there: other readers need them."""
        return [path for path in _groups(self.folder, self.specs) if not _is_our_group(path)]

    def forget_from(self, start: int) -> None:
        """Make everything from an example on unwritten, so that what is there is what the checkpoint counts.

        What a run had written before it was killed would be written again, to the same bytes; but of a chunk that the
        kill or the disk has damaged, no part could be written again.
        """
        with storing("per-example results"):
            for number in sorted(self.chunks(STATUS)):
                rows = self.chunk_rows(STATUS)
                begin = max(number * rows, start)
                if begin < (end := min((number + 1) * rows, self.rows)):
                    self.arrays[STATUS][begin:end].write(np.zeros(end - begin, np.uint8)).result()
            for name in self.names:
                for number in self.chunks(name):
                    if number * self.chunk_rows(name) >= start:
                        chunk_file(self.folder / name, number, self.specs[name]).unlink()

    @staticmethod
    def _check_chunks(folder: Path, spec: ArraySpec, rows: Any, count: int, device_batch: int) -> None:
        """Refuse chunks that would unpack to more than their array needs: the decoder looks when it has done so."""
        per_chunk = spec.chunk_rows(device_batch)
        if isinstance(rows, slice):
            first, stop, _ = rows.indices(count)
            numbers: Iterable[int] = range(first // per_chunk, -(-stop // per_chunk))
        else:
            numbers = np.unique(np.asarray(rows) // per_chunk).tolist()
        for number in numbers:
            with contextlib.suppress(FileNotFoundError):  # nothing was written there
                check_frames(chunk_file(folder, number, spec), per_chunk * spec.row_bytes, trailer_bytes=_CRC_BYTES)

    def _begin_write(self) -> None:
        """Begin to write what is held; whole chunks are written once, while the devices compute."""
        # A transaction holds its rows in memory and writes each chunk once; without it, a chunk of 64 rows and device
        # batches of 4 would be read, changed and compressed 16 times.
        self._finish_write()
        if self._transaction is not None:
            self._pending = (self._transaction.commit_async(), self._held)
            self._transaction, self._held, self._held_rows = None, [], 0

    def _finish_write(self) -> None:
        if self._pending is None:
            return
        commit, held = self._pending
        self._pending = None
        commit.result()
        ts = require("tensorstore")
        digesting, stating = ts.Transaction(), ts.Transaction()
        for start, statuses, digests in held:
            place = start // self.device_batch
            self._digests.with_transaction(digesting)[place : place + len(digests)].write(digests).result()
            self.arrays[STATUS].with_transaction(stating)[start : start + len(statuses)].write(statuses).result()
        digesting.commit_async().result()
        stating.commit_async().result()


def chunk_file(folder: Path, number: int, spec: ArraySpec) -> Path:
    """Return where a chunk of an array lies: only axis 0 is cut."""
    return folder.joinpath("c", str(number), *("0" for _ in spec.shape))


def _digest_spec(specs: Mapping[str, ArraySpec]) -> ArraySpec:
    return ArraySpec((len(specs),), "uint64")


def drop_unfinished(folder: Path) -> None:
    """Remove what writers killed in the middle of a chunk have left; call it while nobody writes.

    TensorStore writes a chunk beside its place, to a name that ends in `.__lock`, and renames it. It takes up a file
    of that name without shortening it: after a kill, a shorter chunk would keep the longer one's end and be damaged.
    """
    with storing("the arrays"):
        for path in (*folder.rglob("*.__lock"), *folder.with_name(DIGESTS).rglob("*.__lock")):
            path.unlink(missing_ok=True)


def _open(path: Path, spec: ArraySpec, rows: int, device_batch: int, create: bool) -> Any:
    ts = require("tensorstore")
    chunk = [spec.chunk_rows(device_batch), *spec.shape]
    return ts.open(
        {
            "driver": "zarr3",
            "kvstore": {"driver": "file", "path": f"{path}/"},
            "metadata": {
                "shape": [rows, *spec.shape],
                "data_type": spec.dtype,
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
                "fill_value": spec.fill,
                # The CRC comes last, so it is over what lies on the disk. One byte has no endianness to name.
                "codecs": [
                    {"name": "bytes", "configuration": {"endian": "little"}}
                    if spec.dtype != "uint8"
                    else {"name": "bytes"},
                    {"name": "zstd", "configuration": {"level": 1}},
                    {"name": "crc32c"},
                ],
            },
        },
        create=create,
        open=True,
    ).result()


def _groups(folder: Path, specs: Mapping[str, ArraySpec]) -> list[Path]:
    # zarr wants a group's own file in every folder above an array: `heat/cam` needs one in `heat`.
    groups = sorted({"", *(str(Path(name).parent) for name in specs if "/" in name)})
    return [*(folder / group / "zarr.json" for group in groups), folder.with_name(DIGESTS) / "zarr.json"]


def _is_our_group(path: Path) -> bool:
    try:
        return bool(read_json(path) == _GROUP)
    except (OSError, ValueError, RecursionError):
        return False


def _is_group(path: Path) -> bool:
    return '"node_type": "group"' in path.read_text() or '"node_type":"group"' in path.read_text()


def storing(what: str) -> AbstractContextManager[None]:
    """Turn what libraries raise for full or failing disks and damaged files into `StorageError`."""

    def stored(error: Exception) -> StorageError:
        # TensorStore and Orbax pass the system's words on in errors of their own types.
        full = any(mark in str(error) for mark in ("RESOURCE_EXHAUSTED", "No space left", "Disk quota"))
        reason = "the disk is full" if full else "reading or writing failed"
        return StorageError(f"{reason} at {what}: {one_line(error)}")

    return raised_as(stored, of=(OSError, ValueError, RuntimeError), but=SweepStop)
