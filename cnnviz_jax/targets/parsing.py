"""Targets in words and plain tables, as the command line, Python and TOML give them."""

import re
from collections.abc import Mapping
from typing import Any

from cnnviz_jax.errors import TargetError, did_you_mean
from cnnviz_jax.model.model import Model
from cnnviz_jax.options.values import classes_called
from cnnviz_jax.targets.classes import class_score
from cnnviz_jax.targets.target import Target
from cnnviz_jax.targets.units import channel, neuron


def class_named(label: str, model: Model) -> int:
    """Return the index of the class with that label, whatever its case.

    Raises:
        TargetError: No class has it, or several have; near labels are listed.
    """
    labels = model.labels or ()
    found = classes_called(label, labels)
    if len(found) == 1:
        return found[0]
    if found:
        raise TargetError(f"classes {', '.join(map(str, found))} of {model.name} are called {label!r}; say the number")
    raise TargetError(f"no class of {model.name} is called {label!r}; say its number.{did_you_mean(label, labels)}")


def target_in_words(text: str, model: Model) -> int | list[int]:
    """Return the class that a text names, or one class per image where it names several.

    Args:
        text: `243`, `243,281`, or a label of the model such as `tabby`.
        model: Its labels are the names.

    Raises:
        TargetError: The text is neither numbers nor one of the labels.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"-?\d+", part) for part in parts):
        return class_named(text, model)
    numbers = [int(part) for part in parts]
    return numbers[0] if len(numbers) == 1 else numbers


def target_in_table(given: Any) -> Target:
    """Return the target of one image that plain data of TOML or JSON names.

    Args:
        given: A class index, or `{layer, channel}`, with `row` and `col` for one neuron.

    Raises:
        TargetError: It is none of these.
    """
    if isinstance(given, int) and not isinstance(given, bool):
        return class_score(given)
    if isinstance(given, Mapping) and set(given) == {"layer", "channel"}:
        return channel(str(given["layer"]), int(given["channel"]))
    if isinstance(given, Mapping) and set(given) == {"layer", "channel", "row", "col"}:
        return neuron(str(given["layer"]), int(given["row"]), int(given["col"]), int(given["channel"]))
    raise TargetError(f"a target is a class, or {{layer, channel}} with or without row and col; got {given!r}")
