"""What users write: options that carry their unit, such as `relative(0.15)`, and names of classes and of images."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cnnviz_jax.errors import UsageError

_FORM = re.compile(r"\s*([a-z][a-z-]*)\s*(?:\(\s*([-+]?[0-9.]+(?:e[-+]?[0-9]+)?)\s*\))?\s*", re.IGNORECASE)


def word_and_number(text: str, option: str, words: dict[str, bool]) -> tuple[str, float | None]:
    """Return the word and the number of a text such as `relative(0.15)`.

    Args:
        text: What the user wrote.
        option: The option's name, for the error.
        words: The words allowed, and whether each takes a number.

    Raises:
        UsageError: Another word, or a number too many or too few.
    """
    match = _FORM.fullmatch(text)
    word = match[1].lower() if match else None
    if match is None or word not in words or (match[2] is not None) != words[word]:
        forms = ", ".join(f"{each}(number)" if takes else each for each, takes in words.items())
        raise UsageError(f"{option} is one of {forms}; got {text!r}")
    try:
        return word, None if match[2] is None else float(match[2])
    except ValueError as error:
        raise UsageError(f"{option}: {match[2]!r} is no number") from error


def classes_called(name: str, labels: Iterable[str]) -> list[int]:
    """Return the indices of the classes with that label, whatever the case and the spaces around it."""
    wanted = name.strip().casefold()
    return [index for index, label in enumerate(labels) if label.casefold() == wanted]
