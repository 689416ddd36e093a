"""The run-time check of annotations in tests: beartype on every function, but not on constructors."""

from collections.abc import Callable
from typing import Any

from beartype import beartype


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` with arguments and result checked against its annotations.

    Constructors are left alone: jax rebuilds registered dataclasses with shapes, axis numbers and
    placeholders in the place of arrays.
    """
    return function if function.__name__ == "__init__" else beartype(function)
