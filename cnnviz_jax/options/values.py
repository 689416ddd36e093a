"""What users write as options: calls such as `relative(0.15)` or `pad(12, value=0.5)`, and names of classes. Light."""

import ast
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from cnnviz_jax.errors import UsageError

_CALL = re.compile(r"\s*([A-Za-z_][\w.+^-]*(?::[\w.]+)?)\s*(?:\((.*)\))?\s*", re.DOTALL)


class Call(NamedTuple):
    """A text such as `pad(12, value=0.5)`, read."""

    name: str
    """What stands before the bracket: a word, which may have `-`, `+`, `^`, or `package.module:Class`."""
    values: tuple[Any, ...]
    """The values without a name: Python literals, and bare words as they stand."""
    named: dict[str, Any]
    """Those with a name."""


def call_of(text: str) -> Call:
    """Return the call that a text spells: a name, alone or with Python literals and bare words in brackets.

    Raises:
        ValueError: It is no call, or a value is neither a literal nor a word.
    """
    match = _CALL.fullmatch(text)
    if match is None:
        raise ValueError(f"{text.strip()!r} is not a name with values in brackets")
    try:
        call = ast.parse(f"f({match[2] or ''})", mode="eval").body
        if not isinstance(call, ast.Call):
            raise ValueError(f"{match[2]!r} is no list of values")
    except SyntaxError as error:
        raise ValueError(f"{match[2]!r} is no list of values") from error
    values = tuple(_value(each) for each in call.args)
    return Call(match[1], values, {str(each.arg): _value(each.value) for each in call.keywords})


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Name):
        return node.id
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        raise ValueError(f"{ast.unparse(node)!r} is no number, word or list") from None


def number_in(call: Call) -> float | None:
    """Return the one number in a call's brackets, `None` where there are no values.

    Raises:
        ValueError: There is more than that, or it is no number.
    """
    if not call.values and not call.named:
        return None
    if call.named or len(call.values) > 1 or type(call.values[0]) not in (int, float):
        raise ValueError(f"{call.name} takes one number")
    return float(call.values[0])


def word_and_number(text: str, option: str, words: dict[str, bool]) -> tuple[str, float | None]:
    """Return the word and the number of a text such as `relative(0.15)`.

    Args:
        text: What the user wrote.
        option: The option's name, for the error.
        words: The words allowed, and whether each takes a number.

    Raises:
        UsageError: Another word, or a number too many or too few.
    """
    forms = ", ".join(f"{each}(number)" if takes else each for each, takes in words.items())
    refused = UsageError(f"{option} is one of {forms}; got {text!r}")
    try:
        call = call_of(text)
        word, number = call.name.lower(), number_in(call)
    except ValueError as error:
        raise refused from error
    if word not in words or (number is not None) != words[word]:
        raise refused
    return word, number


def classes_called(name: str, labels: Iterable[str]) -> list[int]:
    """Return the indices of the classes with that label, whatever the case and the spaces around it."""
    wanted = name.strip().casefold()
    return [index for index, label in enumerate(labels) if label.casefold() == wanted]
