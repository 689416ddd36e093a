"""Reading words and numbers off the command line; every fault is a `UsageError` in a sentence."""

import argparse
import re
from typing import Literal, NoReturn

from cnnviz_jax.errors import UsageError


class Leave(BaseException):
    """The end of a command that only printed its help.

    Not `SystemExit`, which plugins and factories raise too: taken for ours, it would end a command without a word.
    """

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Parser(argparse.ArgumentParser):
    """An argument parser that raises `UsageError` where argparse prints its usage and leaves."""

    def error(self, message: str) -> NoReturn:
        """Raise the fault as a sentence that names the help."""
        raise UsageError(f"{message}; `{self.prog} --help` shows what can be given.")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Leave after the help was printed."""
        raise Leave(status)


def listing_parser(prog: str, description: str) -> Parser:
    """Return the parser of a listing: no words, and `--json`."""
    parser = Parser(prog=prog, description=description, allow_abbrev=False)
    add_json(parser)
    return parser


def add_json(parser: Parser) -> None:
    """Add `--json`, which every command has."""
    parser.add_argument("--json", action="store_true", help="print JSON on stdout, and nothing else")


def indices(text: str, what: str, count: int | None = None) -> list[int]:
    """Return the numbers that a text such as `0:64`, `3,7,40` or `0:10:2,50` names.

    Args:
        text: Numbers and Python slices joined by commas.
        what: What they count, for the error, such as `channels`.
        count: How many there are; needed for slices without an end, such as `:`.

    Raises:
        UsageError: The text is no such list, or names nothing.
    """
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*|\s*(\d*):(\d*)(?::(\d+))?\s*", part)
        if not match:
            raise UsageError(f"{what} {text!r} is not a list such as 0:64 or 3,7,40")
        single, start, stop, step = match.groups()
        if single is not None:
            found.append(int(single))
            continue
        if not stop and count is None:
            raise UsageError(f"{what} {text!r} has no end; say where to stop, as in {start or 0}:64")
        if step and not int(step):
            raise UsageError(f"{what} {text!r} has step 0; a step is 1 or more")
        found += range(int(start or 0), int(stop) if stop else int(count or 0), int(step or 1))
    if not found:
        raise UsageError(f"{what} {text!r} names none; a range is START:END with END left out, as in 0:64")
    return found


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


def whole_number(text: str, name: str, *, least: Literal[0, 1] = 1) -> int:
    """Return the number of an option that counts something.

    Raises:
        UsageError: It is no whole number, or below `least`.
    """
    if not re.fullmatch(r"\d+", text) or int(text) < least:
        raise UsageError(f"{name} {text!r} is not a whole number{', 1 or more' if least else ''}")
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
