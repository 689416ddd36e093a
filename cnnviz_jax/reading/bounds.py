"""How much memory a file of arrays may ask for, and what any fault in one becomes."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from cnnviz_jax.errors import CnnvizError, reason_of
from cnnviz_jax.files import is_plain

COMPRESSION = 64
SLACK_BYTES = 64 << 20
MOST_ARRAYS = 100_000
"""Arrays of one file; the largest published networks have some thousands."""


def most_bytes(size_bytes: int) -> int:
    """Return how many bytes of numbers a file or folder of so many bytes may unpack to."""
    return COMPRESSION * size_bytes + SLACK_BYTES


def check_total(promised: int, size_bytes: int) -> None:
    """Refuse what would take far more memory than the file has bytes.

    Raises:
        ValueError: It is more than 64 times the file, and 64 MiB.
    """
    if promised > most_bytes(size_bytes):
        raise ValueError(
            f"its {size_bytes:,} bytes promise {promised:,} bytes of numbers; where that is meant, save it uncompressed"
        )


def folder_bytes(folder: Path) -> int:
    """Return the bytes below a folder, refused where something in it is no file or leads out of it.

    Raises:
        FileNotFoundError: Nothing is there.
        ValueError: It is no folder, or holds a pipe, a device or a link to elsewhere.
    """
    total, root = 0, folder.resolve()
    if not folder.is_dir():
        folder.stat()
        raise ValueError("it is no folder")
    for place, folders, names in os.walk(folder):
        for path in (Path(place, name) for name in (*folders, *names)):
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise ValueError(f"{path} is a link out of the folder")
        for path in (Path(place, name) for name in names):
            if not is_plain(path):
                raise ValueError(f"{path} is neither file nor folder")
            total += path.stat().st_size
    return total


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Turn whatever a parser of a stranger's bytes raises into a `ValueError` of one printable line.

    What the system says of a path passes as `OSError`, and our own errors as they are. There is no list of what else
    to catch: parsers raise whatever their insides do.
    """
    try:
        yield
    except (CnnvizError, KeyboardInterrupt, GeneratorExit):
        raise
    except OSError as error:
        if error.strerror and error.errno:
            raise
        raise ValueError(reason_of(error)) from error
    except BaseException as error:
        raise ValueError(reason_of(error)) from error
