"""Targets in words and plain tables, as the command line, Python and TOML give them."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from cnnviz_jax.data.images import open_image
from cnnviz_jax.errors import TargetError, did_you_mean
from cnnviz_jax.model.model import Model
from cnnviz_jax.options.values import classes_called
from cnnviz_jax.targets.classes import class_score
from cnnviz_jax.targets.dense import box, dense_shape, pixels
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


def target_in_words(text: str, model: Model) -> int | list[int] | Target:
    """Return what a text names: a class, one class per image, a unit, pixels of a dense output, or a sum.

    Args:
        text: `243`, a label such as `tabby`, or `243,281` for one class per image; `conv3:17`, a channel's mean;
            `conv3:17@4,5`, the unit at row 4 and column 5; of a dense output `3@10,20,32x16`, class 3 in the box of 32
            rows and 16 columns from row 10 and column 20, or `3@mask.png`, where an image file is white. Sums have
            spaces around their signs: `243 - 281`, `0.5 * conv3:17 + tabby`.
        model: Its labels and layers are the names.

    Raises:
        TargetError: The text is none of these, or the model has no such class or unit.
        LayerNotFoundError: The model has no such layer.
        ImageError: The mask cannot be read.
    """
    if classes_called(text, model.labels or ()):
        return class_named(text, model)
    parts = [part.strip() for part in text.split(",")]
    if all(re.fullmatch(r"-?\d+", part) for part in parts):
        numbers = [int(part) for part in parts]
        return numbers[0] if len(numbers) == 1 else numbers
    terms = _TERM.findall(f"+ {text.strip()}")
    if len(terms) == 1 and not terms[0][1]:
        return _plain(text.strip(), model)
    total: Target | None = None
    for sign, factor, plain in terms:
        found = _plain(plain.strip(), model)
        term = class_score(found) if isinstance(found, int) else found
        weighted = float(f"{sign}{factor or 1}") * term
        total = weighted if total is None else total + weighted
    return total if total is not None else class_named(text, model)


_TERM = re.compile(r"(?:^|\s)([+-])\s+(?:(\d+(?:\.\d+)?)\s*\*\s*)?(.+?)(?=\s[+-]\s|$)")
_UNIT = re.compile(r"(?P<layer>.+):(?P<channel>\d+)(?:@(?P<row>\d+),(?P<col>\d+))?")
_BOX = re.compile(r"(\d+),(\d+),(\d+)x(\d+)")


def _plain(text: str, model: Model) -> int | Target:
    """Return one term: a class, a unit of a layer, or pixels of a dense output."""
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    if classes_called(text, model.labels or ()):
        return class_named(text, model)
    if unit := _UNIT.fullmatch(text):
        layer, number = model.layers.resolve(unit["layer"]), int(unit["channel"])
        if unit["row"] is None:
            return channel(layer, number)
        return neuron(layer, int(unit["row"]), int(unit["col"]), number)
    of, at, where = text.rpartition("@")
    if not at:
        return class_named(text, model)
    index = int(of) if re.fullmatch(r"\d+", of) else class_named(of, model)
    if place := _BOX.fullmatch(where):
        top, left, height, width = map(int, place.groups())
        return box(index, top, left, height, width, size=dense_shape(model)[:2])
    return pixels(index, np.asarray(open_image(where, 1), np.float32) > 127.5)


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
