"""The run-time check of annotations in tests: beartype on every function, but not on constructors."""

from collections.abc import Callable
from typing import Any, Self

from beartype import BeartypeConf, beartype

_WHOLE_NUMBERS_ARE_FLOATS = BeartypeConf(is_pep484_tower=True)


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` with arguments and result checked against its annotations.

    Constructors are left alone: jax rebuilds registered dataclasses with shapes, axis numbers and
    placeholders in the place of arrays. `Self` is not checked: beartype reads it in whole classes only.
    """
    if function.__name__ == "__init__":
        return function
    hints = function.__annotations__
    hints |= {name: Any for name, hint in hints.items() if hint is Self}
    return beartype(function, conf=_WHOLE_NUMBERS_ARE_FLOATS)
