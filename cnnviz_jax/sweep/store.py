"""Per-example results: a zarr 3 group written by TensorStore, every chunk with a CRC-32C.

Axis 0 is the example's id, padded to whole device batches. A value is written at its place whoever computed it, and
rewriting gives the same bytes, so nothing has to be undone after a crash. `status` is written after the rest
is durable: a row with a status has all its values.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz_jax.extras import require
from cnnviz_jax.files import write_json
from cnnviz_jax.sweep.errors import StorageError

STATUS = "status"
_CHUNK_BYTES = 8 << 20
_LEAST_ROWS = 64
_SCALAR_ROWS = 4096


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

    def __init__(self, arrays: Mapping[str, Any], specs: Mapping[str, ArraySpec], rows: int) -> None:
        self.arrays, self.specs, self.rows = dict(arrays), dict(specs), rows
        self._transaction: Any = None
        self._statuses: list[tuple[int, np.ndarray]] = []
        self._pending: tuple[Any, list[tuple[int, np.ndarray]]] | None = None
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
        rows = -(-count // device_batch) * device_batch
        with storing("the arrays"):
            # zarr wants a group's own file in every folder above an array: `heat/cam` needs one in `heat`.
            for group in {"", *(str(Path(name).parent) for name in specs if "/" in name)}:
                path = folder / group / "zarr.json"
                if not path.exists():
                    write_json(path, {"zarr_format": 3, "node_type": "group", "attributes": {}})
            arrays = {name: _open(folder / name, spec, rows, device_batch) for name, spec in specs.items()}
        return cls(arrays, specs, rows)

    @classmethod
    def open(cls, folder: Path, *, check: bool = True) -> ExampleStore:
        """Return the store for reading.

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
        return cls(arrays, specs, int(arrays[STATUS].shape[0]) if STATUS in arrays else 0)

    def put(self, start: int, rows: Mapping[str, np.ndarray]) -> None:
        """Take rows from `start` on; they are durable after `flush`."""
        ts = require("tensorstore")
        stop = min(start + len(rows[STATUS]), self.rows)
        if stop <= start:
            return
        with storing("per-example results"):
            if self._transaction is None:
                self._transaction = ts.Transaction()
            for name, array in self.arrays.items():
                if name != STATUS:
                    array.with_transaction(self._transaction)[start:stop].write(rows[name][: stop - start]).result()
            # Held back until everything else is durable: a row whose status is there has all its values.
            self._statuses.append((start, rows[STATUS][: stop - start]))
            self._held_rows += stop - start
            if self._held_rows >= _LEAST_ROWS:
                self._begin_write()

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
            return np.asarray(self.arrays[name][rows].read().result())

    def _begin_write(self) -> None:
        """Begin to write what is held; whole chunks are written once, while the devices compute."""
        # A transaction holds its rows in memory and writes each chunk once; without it, a chunk of 64 rows and device
        # batches of 4 would be read, changed and compressed 16 times.
        self._finish_write()
        if self._transaction is not None:
            self._pending = (self._transaction.commit_async(), self._statuses)
            self._transaction, self._statuses, self._held_rows = None, [], 0

    def _finish_write(self) -> None:
        if self._pending is None:
            return
        commit, statuses = self._pending
        self._pending = None
        commit.result()
        for start, values in statuses:
            self.arrays[STATUS][start : start + len(values)].write(values).result()


def drop_unfinished(folder: Path) -> None:
    """Remove what writers killed in the middle of a chunk have left; call it while nobody writes.

    TensorStore writes a chunk beside its place, to a name that ends in `.__lock`, and renames it. It takes up a file
    of that name without shortening it: after a kill, a shorter chunk would keep the longer one's end and be damaged.
    """
    with storing("the arrays"):
        for path in folder.rglob("*.__lock"):
            path.unlink(missing_ok=True)


def _open(path: Path, spec: ArraySpec, rows: int, device_batch: int) -> Any:
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
        create=True,
        open=True,
    ).result()


def _is_group(path: Path) -> bool:
    return '"node_type": "group"' in path.read_text() or '"node_type":"group"' in path.read_text()


@contextlib.contextmanager
def storing(what: str) -> Iterator[None]:
    """Turn what libraries raise for full or failing disks and damaged files into `StorageError`."""
    try:
        yield
    except StorageError:
        raise
    except (OSError, ValueError, RuntimeError) as error:
        text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        # TensorStore and Orbax pass the system's words on in errors of their own types.
        full = any(mark in str(error) for mark in ("RESOURCE_EXHAUSTED", "No space left", "Disk quota"))
        reason = "the disk is full" if full else "reading or writing failed"
        raise StorageError(f"{reason} at {what}: {text[:300]}") from error
