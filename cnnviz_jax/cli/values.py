"""Reading words and numbers off the command line; every fault is a `UsageError` in a sentence."""

from __future__ import annotations

import argparse
import re
from typing import Literal, NoReturn

from cnnviz_jax.errors import UsageError, did_you_mean
from cnnviz_jax.options.values import classes_called


class Parser(argparse.ArgumentParser):
    """An argument parser that raises `UsageError` where argparse prints its usage and leaves."""

    def error(self, message: str) -> NoReturn:
        """Raise the fault as a sentence that names the help."""
        raise UsageError(f"{message}; `{self.prog} --help` shows what can be given.")


def listing_parser(prog: str, description: str) -> Parser:
    """Return the parser of a listing: no words, and `--json`."""
    parser = Parser(prog=prog, description=description, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def model_arguments(parser: Parser) -> None:
    """Add the options that choose a model."""
    parser.add_argument("--model", metavar="MODEL", help="a name that `cnnviz models` lists, or package.module:factory")
    parser.add_argument(
        "--weights", metavar="FILE|URL", help="the model's weights: .safetensors, .pth and others, or an Orbax folder"
    )


def channel_indices(text: str, count: int | None = None) -> list[int]:
    """Return the channels that a text such as `0:64`, `3,7,40` or `0:10:2,50` names.

    Args:
        text: Numbers and Python slices joined by commas.
        count: How many channels there are; needed for slices without an end, such as `:`.

    Raises:
        UsageError: The text is no such list, or names nothing.
    """
    indices: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d+)\s*|\s*(\d*):(\d*)(?::(\d+))?\s*", part)
        if not found:
            raise UsageError(f"channels {text!r} is not a list such as 0:64 or 3,7,40")
        single, start, stop, step = found.groups()
        if single is not None:
            indices.append(int(single))
            continue
        if not stop and count is None:
            raise UsageError(f"channels {text!r} has no end; say where to stop, as in {start or 0}:64")
        if step and not int(step):
            raise UsageError(f"channels {text!r} has step 0; a step is 1 or more")
        indices += range(int(start or 0), int(stop) if stop else int(count or 0), int(step or 1))
    if not indices:
        raise UsageError(f"channels {text!r} names no channel; a range is START:END with END left out, as in 0:64")
    return indices


def seed_number(text: str | None) -> int | None:
    """Return the number of a `--seed`, or `None` where none is given.

    Raises:
        UsageError: The seed is no whole number from 0 to 2**32 - 1.
    """
    if text is None:
        return None
    if not re.fullmatch(r"\d+", text) or int(text) >= 2**32:
        raise UsageError(f"seed {text!r} is not a whole number from 0 to {2**32 - 1}")
    return int(text)


def evaluations_at_once(text: str | None) -> int | Literal["auto"]:
    """Return what `--chunk` says; `auto` where it is not given.

    Raises:
        UsageError: It is neither `auto` nor a whole number above 0.
    """
    if text is None or text == "auto":
        return "auto"
    if not re.fullmatch(r"0*[1-9]\d*", text):
        raise UsageError(f"chunk {text!r} is neither auto nor a whole number of evaluations, 1 or more")
    return int(text)


def target_classes(text: str, labels: tuple[str, ...] | list[str] | None = None) -> int | list[int]:
    """Return the class index that a text names, or one index per image where it names several.

    Args:
        text: `243`, `243,281`, or a label of the model such as `tabby`.
        labels: The model's class names, if it has any.

    Raises:
        UsageError: The text is neither numbers nor one of the labels.
    """
    parts = [part.strip() for part in text.split(",")]
    if all(re.fullmatch(r"-?\d+", part) for part in parts):
        numbers = [int(part) for part in parts]
        return numbers[0] if len(numbers) == 1 else numbers
    matching = classes_called(text, labels or ())
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise UsageError(f"target {text!r} is the label of classes {', '.join(map(str, matching))}; give the number")
    raise UsageError(
        f"target {text!r} is neither a class index, nor one index per image joined by commas, nor a label of"
        f" this model.{did_you_mean(text, labels or ())}"
    )
