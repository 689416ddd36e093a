"""Files that are whole or absent, JSON in them, their digests, locks on them, and paths inside a folder."""

import contextlib
import errno
import functools
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, overload

_TEMPORARY = re.compile(r"\..{1,40}\.[0-9a-f]{8}(\.\w+)?")
"""The names that `whole` gives to what is being written."""

_END_BYTES = 4096
# Waiting for a file server is most of the time. A million files are not a million tasks at once.
_READERS, _AT_ONCE = 16, 4096


class Inside:
    """The path of a name inside a folder, as an attribute of what has the folder as `root`."""

    def __init__(self, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...

    @overload
    def __get__(self, owner: Any, kind: type | None = None) -> Path: ...

    def __get__(self, owner: Any, kind: type | None = None) -> Self | Path:
        return self if owner is None else Path(owner.root, self._name)


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; the file gets its name when the block ends, and goes if it raises.

    So a reader sees a whole file or none, also after a power cut. The folder is made where it is missing. The
    temporary name keeps the suffix, by which some writers choose their format.

    Raises:
        OSError: The folder or the file cannot be written, or the block wrote no file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not made here but by whoever writes: `open` gives a new file the mode that the umask asks for, `mkstemp` 0600.
    temporary = path.with_name(f".{path.stem[:40]}.{secrets.token_hex(4)}{path.suffix}")
    try:
        yield temporary
        put_in_place(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def drop_temporaries(folder: Path) -> None:
    """Remove the files that `whole` was writing in a folder when the process was killed; while nobody writes there."""
    for path in folder.glob(".*") if folder.is_dir() else ():
        if _TEMPORARY.fullmatch(path.name) and not path.is_dir():
            path.unlink(missing_ok=True)


def put_in_place(temporary: Path, path: Path) -> None:
    """Give a finished file its name, durably."""
    # In this order: a rename that reaches the disk before the content would leave an empty file under the name.
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    with contextlib.suppress(OSError):  # not every file system opens folders
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def check_writable(folder: Path) -> None:
    """Refuse a folder in which no file can be made, or which cannot be made itself.

    Tried and not looked up: permissions say nothing of `/proc`, nor of a disk that was turned read-only.

    Raises:
        OSError: None can; its `filename` is the folder that it failed in.
    """
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(there))
    trial = there / f".cnnviz-{secrets.token_hex(4)}"
    try:
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(there)) from error


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is either whole or absent; see `whole`."""
    with whole(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, content: Any, *, sort_keys: bool = True) -> None:
    """Write JSON that is either whole or absent."""
    write_whole(path, (json.dumps(content, indent=1, sort_keys=sort_keys) + "\n").encode())


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no file, or holds no JSON.
    """
    check_plain(path)
    return parse_json(path.read_text(encoding="utf-8"))


_MOST_LEVELS = 100


def parse_json(text: str | bytes) -> Any:
    """Return what JSON text holds: no more than 100 brackets deep, so that whoever reads it may call itself per level.

    Raises:
        ValueError: It is no JSON, or nested deeper.
    """
    too_deep = "its brackets are nested too deep"
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError(too_deep) from error
    level = [content]
    for _ in range(_MOST_LEVELS):
        inside = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        level = [each for many in inside for each in many if isinstance(each, dict | list)]
        if not level:
            return content
    raise ValueError(too_deep)


def append_json(path: Path, content: Any) -> None:
    """Append one line of JSON; readers skip a last line that is not whole.

    Raises:
        OSError: It cannot be written.
        ValueError: Something other than a file is there; a named pipe would be waited for, for ever.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(path):
        check_plain(path)
    with open(path, "a") as file:
        file.write(json.dumps(content, sort_keys=True) + "\n")


def is_plain(path: Path) -> bool:
    """Return whether a path is a regular file, or a link to one; a named pipe would be waited for, for ever."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def check_plain(path: Path) -> None:
    """Refuse what is no file; see `is_plain`.

    Raises:
        OSError: Nothing is there, or the system does not say what.
        ValueError: Something else is there.
    """
    if not is_plain(path):
        path.stat()  # the system's own words where nothing is there
        raise ValueError("it is no file")


def read_lines(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of all `.jsonl` files of a folder; lines cut short or of other things are left out."""
    for path in sorted(folder.glob("*.jsonl")) if folder.is_dir() else ():
        if not is_plain(path):
            continue
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                with contextlib.suppress(ValueError, RecursionError):
                    found = json.loads(line)
                    if isinstance(found, dict):
                        yield found


def lock(handle: int, *, shared: bool = False, wait: bool = False) -> bool:
    """Return whether this process now holds an open file or folder, until it closes it or ends, however it ends.

    Not `filelock`: its lock empties the file that is to name the holder, and to look whether a run is alive it would
    have to take the lock, under the nose of a sweep that starts. Where there is no `fcntl` nothing is locked.

    Args:
        handle: The file's or folder's descriptor.
        shared: Others may hold it in the same way; for a look, which takes nothing from anybody.
        wait: Wait until the others let go, in place of returning False.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def content_mark(path: Path, *, full: bool = False) -> str:
    """Return a text that changes with a file: its size and the SHA-256 of its first and last 4 KiB, or of all of it.

    What cannot be read, or is no regular file, has a mark of its own.
    """
    if not is_plain(path):
        return "no file"
    try:
        size = path.stat().st_size
        if full:
            return f"{size} {file_sha256(path)}"
        with open(path, "rb") as file:
            hashed = hashlib.sha256(file.read(_END_BYTES))
            file.seek(max(size - _END_BYTES, 0))
            hashed.update(file.read(_END_BYTES))
    except OSError:
        return "unreadable"
    return f"{size} {hashed.hexdigest()}"


def content_marks(paths: Sequence[Path], *, full: bool = False) -> Iterator[str]:
    """Yield the mark of every file, in order, many read at once; see `content_mark`."""
    with ThreadPoolExecutor(_READERS) as readers:
        for begin in range(0, len(paths), _AT_ONCE):
            yield from readers.map(functools.partial(content_mark, full=full), paths[begin : begin + _AT_ONCE])


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
