"""The run folder: where everything lies, files that are whole or absent, and the lock of the one who writes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnviz_jax.sweep.exits import LockedError

FORMAT = 1
"""Version of what a run folder holds; part of the fingerprint."""


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run."""

    root: Path

    @property
    def run(self) -> Path:
        """The frozen specification and its fingerprint, written once."""
        return self.root / "run.json"

    @property
    def done(self) -> Path:
        """The proof of success, written last."""
        return self.root / "DONE.json"

    @property
    def lock(self) -> Path:
        """Held by process 0 of a live run."""
        return self.root / "lock"

    @property
    def checkpoints(self) -> Path:
        """One folder per checkpoint, named for the next example."""
        return self.root / "ckpt"

    @property
    def rejected(self) -> Path:
        """Checkpoints that failed verification, kept for inspection."""
        return self.checkpoints / "rejected"

    @property
    def examples(self) -> Path:
        """The zarr group of per-example results."""
        return self.root / "examples.zarr"

    @property
    def results(self) -> Path:
        """What the reducers found, and the manifest."""
        return self.root / "result"

    @property
    def shards(self) -> Path:
        """The run folders of shards, `0-of-3` and so on."""
        return self.root / "shards"

    def errors(self, process: int) -> Path:
        """Pictures that one process could not read, one JSON object a line."""
        return self.root / "errors" / f"p{process:05d}.jsonl"

    def log(self, process: int) -> Path:
        """What one process did, one JSON object a line."""
        return self.root / "log" / f"p{process:05d}.jsonl"

    def shard(self, index: int, count: int) -> RunFolder:
        """Return the run folder of one shard; the run itself where there is only one."""
        return self if count == 1 else RunFolder(self.shards / f"{index}-of-{count}")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is either whole or absent, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_json(path: Path, content: Any) -> None:
    """Write JSON that is either whole or absent."""
    write_whole(path, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())


def read_json(path: Path) -> Any:
    """Return what a JSON file holds."""
    return json.loads(path.read_text())


def append_json(path: Path, content: Any) -> None:
    """Append one line of JSON; readers skip a last line that is not whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        file.write(json.dumps(content, sort_keys=True) + "\n")


def read_lines(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of all `.jsonl` files of a folder, those cut short left out."""
    for path in sorted(folder.glob("*.jsonl")) if folder.is_dir() else ():
        with open(path) as lines:
            for line in lines:
                with contextlib.suppress(json.JSONDecodeError):
                    yield json.loads(line)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable, where the file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Lock:
    """The right to write in a run folder, given back when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
            LockedError: A live process holds it.
        """
        import fcntl

        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(path, "a+")  # noqa: SIM115  # held for the life of the run
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.seek(0)
            holder = self._file.read().strip() or "another process"
            self._file.close()
            raise LockedError(f"{path.parent} is in use by {holder}; wait for it, or stop it first") from error
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} on {socket.gethostname()}, since {time.strftime('%F %T')}\n")
        self._file.flush()

    def release(self) -> None:
        """Give the lock back."""
        self._file.close()


def holder_of(path: Path) -> str | None:
    """Return who holds the lock now, `None` if nobody does; takes nothing from anybody."""
    import fcntl

    if not path.exists():
        return None
    with open(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().strip() or "another process"
        except OSError:
            return None
    return None
