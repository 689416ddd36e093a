"""What is said of images of a data set that could not be read."""

from collections.abc import Iterable, Mapping

from cnnviz_jax.errors import ImageError


def unread_note(reasons: Iterable[str]) -> tuple[str, ...]:
    """Return the warning of images that could not be read, by why; nothing where all could."""
    told = tuple(reasons)
    return (f"{len(told)} images could not be read, such as {told[0]}",) if told else ()


def check_some_read(reasons: Mapping[int, str], count: int) -> None:
    """Refuse a data set of which nothing could be read.

    Args:
        reasons: Why images could not be read, by their number.
        count: How many there are.

    Raises:
        ImageError: None of them could.
    """
    if len(reasons) == count:
        raise ImageError(f"none of {count} images can be read; the first: {next(iter(reasons.values()))}")
