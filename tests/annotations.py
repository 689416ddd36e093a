"""The run-time check of annotations in tests: beartype on every function, but not on constructors."""

from collections.abc import Callable
from functools import reduce
from operator import or_
from types import UnionType
from typing import Any, Literal, Self, Union, Unpack, get_args, get_origin

from beartype import BeartypeConf, beartype

_WHOLE_NUMBERS_ARE_FLOATS = BeartypeConf(is_pep484_tower=True)


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` with arguments and result checked against its annotations.

    Constructors are left alone: jax rebuilds registered dataclasses with shapes, axis numbers and
    placeholders in the place of arrays.
    """
    if function.__name__ == "__init__":
        return function
    hints = function.__annotations__
    hints |= {name: _checkable(hint) for name, hint in hints.items()}
    return beartype(function, conf=_WHOLE_NUMBERS_ARE_FLOATS)


def _checkable(hint: Any) -> Any:
    """Return the hint with `Any` for what beartype cannot check: `Self` outside classes, plain protocols.

    A word out of a list (`Literal`) is only held to its type: functions answer a wrong word with a sentence of
    their own, which is tested.
    """
    if hint is Self:
        return Any
    if get_origin(hint) is Unpack:  # keywords by the names of a `TypedDict`: the renderer checks them
        return Any
    if get_origin(hint) is Literal:
        return reduce(or_, (type(word) for word in get_args(hint)))
    if isinstance(hint, type) and getattr(hint, "_is_protocol", False):
        return hint if getattr(hint, "_is_runtime_protocol", False) else Any
    if get_origin(hint) in (Union, UnionType):
        parts = [_checkable(part) for part in get_args(hint)]
        return Any if Any in parts else reduce(or_, parts)
    return hint
