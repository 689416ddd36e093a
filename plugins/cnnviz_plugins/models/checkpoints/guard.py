"""One sentence for whatever reading a stranger's bytes raises."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from cnnviz_jax.plugin import CnnvizError, WeightsError

_LONGEST_REASON = 200


@contextlib.contextmanager
def told(path: Path, what: str) -> Iterator[None]:
    """Turn what the block raises into a `WeightsError` that names the file; our own errors pass.

    Parsers of damaged files raise whatever their insides do (`zlib.error`, `TokenError`, `struct.error`,
    `RecursionError`, a panic of Rust, which is no `Exception`), so there is no list of what to catch.

    Args:
        path: The file or folder.
        what: What it should be, such as `PyTorch checkpoint`.
    """
    try:
        yield
    except (CnnvizError, KeyboardInterrupt, GeneratorExit):
        raise
    except OSError as error:
        if error.strerror and error.errno:
            raise WeightsError(f"cannot read {str(path)!r}: {error.strerror}") from error
        raise WeightsError(f"{str(path)!r} is not a whole {what}: {reason(error)}") from error
    except BaseException as error:
        raise WeightsError(f"{str(path)!r} is not a whole {what}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """The first line of an error's text, short and printable, or its class where it says nothing."""
    if isinstance(error, MemoryError):
        return "it would take more memory than there is"
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return printable if len(printable) <= _LONGEST_REASON else f"{printable[:_LONGEST_REASON]}..."
