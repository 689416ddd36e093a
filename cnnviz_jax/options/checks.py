"""Checks of options that are numbers, so that one mistake reads the same in every technique.

Light: configs call them when they are made. `None` passes: it stands for an option that was not given.
"""

from typing import Any

from cnnviz_jax.errors import CnnvizError, UsageError


def check_at_least(least: int, **options: float | None) -> None:
    """Raise `UsageError` for the first option that is below `least`."""
    for name, value in options.items():
        if value is not None and not value >= least:
            raise UsageError(f"{name} is at least {least}, got {value}")


def check_positive(**options: float | None) -> None:
    """Raise `UsageError` for the first option that is not above 0."""
    for name, value in options.items():
        if value is not None and not value > 0:
            raise UsageError(f"{name} is positive, got {value}")


def check_size(
    option: str, size: object, *, unit: str = "pixels", most: int = 2, error: type[CnnvizError] = UsageError
) -> None:
    """Raise `error` unless `size` is one to `most` positive whole numbers: a side, or height and width.

    Args:
        option: The option's name, for the error.
        size: What the user gave.
        most: How many numbers it may be.
        unit: What the numbers count, for the error.
        error: What is raised.
    """
    sizes = size if isinstance(size, tuple) else (size,)
    if size is not None and (not 1 <= len(sizes) <= most or any(not isinstance(n, int) or n < 1 for n in sizes)):
        many = "one or two" if most == 2 else f"one to {most}"
        raise error(f"{option} is {many} positive whole numbers of {unit}, got {in_short(size)}")


def in_short(value: Any) -> str:
    """Return a value as an error shows it: an array by its shape, a long text cut."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"an array of shape {tuple(value.shape)}"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
