"""The run folder: where everything lies, and the lock of the one who writes."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cnnviz_jax.files import Inside, is_plain, lock
from cnnviz_jax.sweep.errors import LockedError, SweepUsageError, one_line

FORMAT = 2
"""Version of what a run folder holds; part of the fingerprint."""
DIGESTS = "digests.zarr"
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""Faults of a full or failing disk, after which the same command can go on."""
_LONGEST = 300


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run."""

    root: Path

    run = Inside("run.json")
    """The frozen specification and its fingerprint, written once."""
    done = Inside("DONE.json")
    """The proof of success, written last."""
    lock = Inside("lock")
    """Held by process 0 of a live run."""
    checkpoints = Inside("ckpt")
    """One folder per checkpoint, named for the next example."""
    finished_checkpoints = Inside("checkpoints.jsonl")
    """One JSON object a line for each checkpoint that was ever durable; beside them, to tell of their loss."""
    examples = Inside("examples.zarr")
    """The zarr group of per-example results."""
    digests = Inside(DIGESTS)
    """The zarr group of the digests of `examples`; see `store`."""
    results = Inside("result")
    """What the reducers found, and the manifest."""
    shards = Inside("shards")
    """The run folders of shards, `0-of-3` and so on."""

    @property
    def rejected(self) -> Path:
        """Checkpoints that failed verification, kept for inspection."""
        return self.checkpoints / "rejected"

    def errors(self, process: int) -> Path:
        """Images that one process could not read, one JSON object a line."""
        return self.root / "errors" / f"p{process:05d}.jsonl"

    def log(self, process: int) -> Path:
        """What one process did, one JSON object a line."""
        return self.root / "log" / f"p{process:05d}.jsonl"

    def shard(self, index: int, count: int) -> RunFolder:
        """Return the run folder of one shard; the run itself where there is only one."""
        return self if count == 1 else RunFolder(self.shards / f"{index}-of-{count}")

    def make(self) -> None:
        """Make the folder where it does not exist.

        Raises:
            SweepUsageError: Nobody can, or a file lies there.
        """
        with _placing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)

    @property
    def shard_folders(self) -> list[RunFolder]:
        """The run folders of all shards that lie here, none if it has none."""
        # Not `Path.is_dir`, which raises for names that no file can have.
        found = sorted(self.shards.iterdir()) if os.path.isdir(self.shards) else []
        return [RunFolder(path) for path in found]


@contextlib.contextmanager
def _placing(root: Path) -> Iterator[None]:
    """Turn what the system says of a place where no run can lie into a sentence; a disk's faults pass."""
    try:
        yield
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in DISK:
            raise
        why = error.strerror if isinstance(error, OSError) else one_line(error)
        raise SweepUsageError(f"{str(root)!r:.100} cannot be a run folder: {why}; name another") from error


def irregular(folder: Path) -> Path | None:
    """Return something below a folder that is neither file nor folder, such as a named pipe; `None` if all are.

    Libraries would wait for a pipe, and read a device, for ever.
    """
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names):
            # What a live run has deleted or renamed meanwhile is no more, and no fault.
            if not is_plain(path) and os.path.lexists(path):
                return path
    return None


def remove(path: Path) -> None:
    """Delete a file, a folder with all in it, or a link, not what that leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


class Lock:
    """The right to write in a run folder, given back when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
            LockedError: A live process holds it.
        """
        RunFolder(path.parent).make()
        if path.exists() and not is_plain(path):
            raise SweepUsageError(f"{path} is no file, and should be the lock of the run; remove it")
        # flock ends with the process that holds it, kill -9 included, so a crash leaves no lock to be removed by hand.
        # Not "w", which would wipe out the holder's name before it is known whether the lock is free.
        with _placing(path.parent):
            self._file = open(path, "a+", errors="replace")  # noqa: SIM115  # held for the life of the run
        if not lock(self._file.fileno()):
            self._file.seek(0)
            holder = _told(self._file.read(_LONGEST))
            self._file.close()
            raise LockedError(f"{path.parent} is in use by {holder}; wait for it, or stop it first")
        try:
            self._file.truncate(0)
            self._file.write(f"process {os.getpid()} on {socket.gethostname()}, since {time.strftime('%F %T')}\n")
            self._file.flush()
        except BaseException:
            with contextlib.suppress(OSError):  # what was not written is written again when it is closed
                self._file.close()
            raise

    def release(self) -> None:
        """Give the lock back."""
        with contextlib.suppress(OSError):  # as above; the lock goes with the descriptor
            self._file.close()


def holder_of(path: Path) -> str | None:
    """Return who holds the lock now, `None` if nobody does; takes nothing from anybody."""
    if not is_plain(path):
        return None
    try:
        with open(path, errors="replace") as file:
            return None if lock(file.fileno(), shared=True) else _told(file.read(_LONGEST))
    except OSError:  # a file system without locks, or a file that is not ours to read
        return None


def _told(text: str) -> str:
    return one_line(text) or "another process"
