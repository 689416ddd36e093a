"""The form of JSON that a stranger may have edited, entry by entry, before anything relies on it."""

from collections.abc import Mapping
from typing import Any

from typeguard import CollectionCheckStrategy, TypeCheckError, check_type

from cnnviz_jax.errors import reason_of


def check_form(found: Any, hint: Any, what: str) -> None:
    """Refuse a value that is not of a type, every item of it looked at.

    Args:
        found: The value.
        hint: Its type, such as `dict[str, list[int]]`.
        what: What to call it in the error.

    Raises:
        ValueError: It is something else.
    """
    try:
        check_type(found, hint, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
    except TypeCheckError as error:
        raise ValueError(f"{what} has another form than is written: {reason_of(error)}") from error


def check_entries(found: Any, form: Mapping[str, Any], what: str) -> None:
    """Refuse what is no object with entries of these names and types; others may stand beside them.

    Raises:
        ValueError: It is no object, or an entry is missing or something else.
    """
    if not isinstance(found, dict):
        raise ValueError(f"{what} is no object")
    for name, hint in form.items():
        if name not in found:
            raise ValueError(f"{what} has no `{name}`")
        check_form(found[name], hint, f"`{name}`")
