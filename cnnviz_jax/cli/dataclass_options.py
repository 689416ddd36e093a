"""Options that dataclasses declare: their fields as arguments, the fields' docstrings as help.

Not by tyro, as the options of techniques are: it prints a mistake as a box in place of a sentence, and it fills in
defaults, where an option that is not given must leave the field to a file or to a variable.
"""

import argparse
import dataclasses
import typing
from typing import Any, Literal

from cnnviz_jax.cli.values import Parser
from cnnviz_jax.options.docs import field_docs


def add_options(parser: Parser, title: str, declared: type, **flags: str) -> argparse._ArgumentGroup:
    """Add an option for each field of a dataclass to a group of a parser, and return the group.

    Args:
        parser: Where they go.
        title: The group's heading in the help.
        declared: The dataclass.
        **flags: Flags of fields whose flag is not their name, without the dashes.
    """
    group, docs, hints = parser.add_argument_group(title), field_docs(declared), typing.get_type_hints(declared)
    for field in dataclasses.fields(declared):
        flag, hint = flags.get(field.name, field.name.replace("_", "-")), hints[field.name]
        kinds = typing.get_args(hint) or (hint,)
        takes: dict[str, Any] = {"metavar": flag.rpartition("-")[2].upper()}
        if hint is bool:
            takes = {"action": "store_true", "default": None}
        elif typing.get_origin(hint) is Literal:
            takes = {"choices": kinds}
        elif typing.get_origin(hint) is tuple:  # `tuple[Part, ...]` is given part by part, other tuples as one text
            takes |= {"action": "append"} if Ellipsis in kinds else {}
        elif set(kinds) - {type(None)} in ({int}, {float}):
            takes["type"] = int if int in kinds else float
        shown = field.default is not False and isinstance(field.default, int | float | str)
        told = docs[field.name] + (f" (default: {field.default})" if shown else "")
        group.add_argument(f"--{flag}", dest=field.name, help=told.replace("%", "%%"), **takes)
    return group


def given_options(found: argparse.Namespace, declared: type) -> dict[str, Any]:
    """Return the options of a dataclass that were given on the line."""
    values = {field.name: getattr(found, field.name) for field in dataclasses.fields(declared)}
    return {name: value for name, value in values.items() if value is not None}
