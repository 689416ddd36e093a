"""One sentence for whatever reading a stranger's bytes raises."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from cnnviz_jax.plugin import CnnvizError, WeightsError, reason_of


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
        raise WeightsError(f"{str(path)!r} is not a whole {what}: {reason_of(error)}") from error
    except BaseException as error:
        raise WeightsError(f"{str(path)!r} is not a whole {what}: {reason_of(error)}") from error
