"""Faults at the n-th write below a folder: of Python's own files and folders, and of TensorStore's arrays.

`Faults` stands between a sweep and the system, counts everything that changes what lies below one folder, and from the
n-th call on lets it fail: as a full disk does (everything that needs space), as a bad block does (that call alone), as
a disk does that turned read-only (everything), or as the death of the process does (nothing is written any more, not
even by what tidies up).
"""

import builtins
import contextlib
import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorstore as ts

from cnnviz_jax.sweep.errors import StorageError, SweepUsageError
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.verify import verify
from tests.sweep import harness, small

KINDS = ("ENOSPC", "EIO", "EROFS", "death")
_FREES = {"unlink", "remove", "rmdir", "rename", "replace", "close"}
"""Calls that a full disk does not refuse."""


class Death(BaseException):
    """The process is no more; nothing in it may catch this, and nothing of it reaches the disk."""


class Faults:
    """Counts the writes below a folder, and lets them fail from the n-th on."""

    def __init__(self, folder: Path, kind: str = "ENOSPC", at: int = 0, *, really: bool = False) -> None:
        self.folder, self.kind, self.at = str(folder), kind, at
        self.really = really
        """Whether death is that of the process, by SIGKILL."""
        self.calls = 0
        self.names: list[str] = []
        self._guard = threading.Lock()
        self._under_way: list[Any] = []

    def is_below(self, path: Any) -> bool:
        """Return whether a path lies in the folder."""
        try:
            return os.path.abspath(os.fspath(path)).startswith(self.folder)
        except TypeError:  # a file's number
            return False

    def call(self, name: str) -> Exception | None:
        """Count a call; return what it fails with, `None` where it may go on."""
        with self._guard:
            self.calls += 1
            self.names.append(name)
            number = self.calls
        if not self.at or number < self.at or (self.kind == "EIO" and number > self.at):
            return None
        if self.kind == "death":
            if self.really:
                os.kill(os.getpid(), signal.SIGKILL)
            raise Death(f"call {number}, {name}")
        code = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EROFS": errno.EROFS}[self.kind]
        return None if self.kind == "ENOSPC" and name in _FREES else OSError(code, os.strerror(code))

    def check(self, name: str) -> None:
        """Count a call, and raise what it fails with."""
        error = self.call(name)
        if error is not None:
            raise error

    @contextlib.contextmanager
    def installed(self) -> Iterator["Faults"]:
        """Stand in the way while the block runs."""
        with pytest.MonkeyPatch.context() as patched:
            for name in ("mkdir", "rmdir", "unlink", "remove"):
                patched.setattr(os, name, self._of_path(name, getattr(os, name)))
            for name in ("rename", "replace"):
                patched.setattr(os, name, self._of_path(name, getattr(os, name), place=1))
            opened = self._opening(builtins.open)
            patched.setattr(builtins, "open", opened)
            patched.setattr(io, "open", opened)
            patched.setattr(os, "fsync", self._syncing(os.fsync))
            patched.setattr(ts.TensorStore, "write", self._of_array("write", ts.TensorStore.write))
            patched.setattr(ts.Transaction, "commit_async", self._of_array("commit", ts.Transaction.commit_async))
            try:
                yield self
            finally:
                for future in self._under_way:  # a dead process's threads are dead as well
                    with contextlib.suppress(Exception):
                        future.result()

    def _of_path(self, name: str, real: Callable[..., Any], place: int = 0) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            if len(args) > place and "dir_fd" not in kwargs and self.is_below(args[place]):
                self.check(name)
            elif kwargs.get("dir_fd") is not None and self.is_below(os.readlink(f"/proc/self/fd/{kwargs['dir_fd']}")):
                self.check(name)  # as shutil.rmtree works
            return real(*args, **kwargs)

        return called

    def _opening(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def called(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            if not set(mode) & set("wax+") or not self.is_below(file):
                return real(file, mode, *args, **kwargs)
            self.check("open")
            return _File(real(file, mode, *args, **kwargs), self)

        return called

    def _syncing(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def called(number: Any) -> Any:
            if self.is_below(os.readlink(f"/proc/self/fd/{number if isinstance(number, int) else number.fileno()}")):
                self.check("fsync")
            return real(number)

        return called

    def _of_array(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def called(array: Any, *args: Any, **kwargs: Any) -> Any:
            error = self.call(name)
            if error is not None:  # as TensorStore words what the system says
                word = "RESOURCE_EXHAUSTED" if self.kind == "ENOSPC" else "UNKNOWN"
                raise ValueError(f"{word}: Error writing local file: {error.args[1]} [os_error_code='{error.args[0]}']")
            future = real(array, *args, **kwargs)
            self._under_way.append(future)
            return future

        return called


class _File:
    """A file that is written to through the faults; half of a write that fails reaches the disk."""

    def __init__(self, file: Any, faults: Faults) -> None:
        self._file, self._faults = file, faults

    def write(self, data: Any) -> int:
        try:
            self._faults.check("write")
        except BaseException:
            self._file.write(data[: len(data) // 2])
            raise
        return int(self._file.write(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "_File":
        self._file.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._file.__exit__(*raised)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)


def undisturbed(folder: Path) -> tuple[int, dict[str, bytes]]:
    """Return how many writes the small sweep makes below a new folder, and what it finds."""
    faults = Faults(folder)
    with faults.installed():
        swept(folder)
    return faults.calls, harness.content(folder)


def swept(folder: Path) -> None:
    """Run the sweep that is disturbed: two checkpoints, of which the older is deleted."""
    small.sweep(folder, keep=1, limit=8)


def losses(folder: Path, kind: str, at: int, expected: dict[str, bytes]) -> list[str]:
    """Let the n-th write of a sweep into a new folder fail, resume it, and return what is wrong; nothing should be."""
    found = []
    try:
        with Faults(folder, kind, at).installed():
            swept(folder)
    except Death:
        pass
    except SweepUsageError as error:
        if kind != "EROFS":  # no run can lie on a disk that is read-only from the start: name another place
            found.append(f"refused: {error}")
    except StorageError as error:
        if error.code != 5 or kind == "death":
            found.append(f"stopped with {error.code}: {error}")
    except BaseException as error:  # what a user would see as a traceback
        found.append(f"raised {type(error).__name__}: {error}")
    return found + losses_after(folder, expected)


def losses_after(folder: Path, expected: dict[str, bytes]) -> list[str]:
    """Return what is wrong with a run that was disturbed, before it is resumed and after."""
    found = []
    if (folder / "run.json").exists():
        found += [f"verify, before it is resumed: {fault}" for fault in verify(RunFolder(folder)).faults]
    try:
        swept(folder)
    except Exception as error:
        return [*found, f"did not resume: {type(error).__name__}: {error}"]
    content = harness.content(folder)
    found += [f"{name} is not what it should be" for name in expected if content.get(name) != expected[name]]
    found += [f"verify: {fault}" for fault in verify(RunFolder(folder)).faults]
    left = [path for path in folder.rglob(".*") if path.is_file()]
    return found + [f"{path.relative_to(folder)} is left behind" for path in left]


def main() -> None:
    """Run the sweep in this process and kill it at a write: `python -m tests.sweep.faults FOLDER NUMBER`."""
    folder, at = Path(sys.argv[1]), int(sys.argv[2])
    with Faults(folder, "death", at, really=True).installed():
        swept(folder)


if __name__ == "__main__":
    main()
