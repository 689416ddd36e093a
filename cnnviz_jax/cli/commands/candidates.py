"""What could stand next on a line: commands, techniques, models, options and their words.

Options are read off the help of the command, as shells do for programs that know nothing of completion: what the help
shows is what the command takes, options of plugins and display options included. Light: no help imports jax.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from cnnviz_jax.cli.commands import COMMANDS
from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.positionals import resembles_option
from cnnviz_jax.cli.values import Leave
from cnnviz_jax.errors import CnnvizError
from cnnviz_jax.plugins import Plugins
from cnnviz_jax.plugins.specs import KINDS

GLOBAL = {
    "--plugin": "load an unpackaged plugin file",
    "--no-plugins": "load only the built-in plugins",
    "--quiet": "no progress and no notes",
    "--debug": "show the traceback of every error",
    "--version": "print the version and stop",
    "--help": "show the help",
}
_WORDS = r"\{[\w+,.-]+\}|[\w+-]+(?:\|[\w+-]+)+"
_VALUE = rf"(?:{_WORDS})(?=\s|$)|\S+(?: \.\.\.)?"
_OPTION = re.compile(rf"^ *(?:-\w, )?(--[\w-]+)(?:, --no-[\w-]+)?(?: (?P<value>{_VALUE}))?(?:  +(?P<help>\S.*))?")


class Candidate(NamedTuple):
    """A word that could stand next."""

    word: str
    summary: str


class Option(NamedTuple):
    """An option as a help shows it."""

    name: str
    """With its dashes."""
    value: str
    """What stands for its value; empty for a flag."""
    summary: str

    @property
    def words(self) -> list[str]:
        """The words it can take; none where it takes something else."""
        text = self.value.strip("{}")
        found = re.split(r"[,|]", text) if re.fullmatch(_WORDS, self.value) else []
        return [word for word in found if word not in ("None", "") and not word.isupper()]


def candidates(line: Sequence[str]) -> list[Candidate]:
    """Return what could stand in the place of the last word, whose beginning it is; none where files could.

    Args:
        line: The words behind `cnnviz`, the last of them unfinished or empty.
    """
    *before, begun = line or [""]
    with contextlib.suppress(CnnvizError):
        settings, before = Settings.split(before)
        registry = settings.plugins(quiet=True)
        found = _next(before, begun, registry, settings)
        return [each for each in found if each.word.startswith(begun)]
    return []


def _next(before: list[str], begun: str, registry: Plugins, settings: Settings) -> list[Candidate]:
    if not before:
        return _listed(GLOBAL if begun.startswith("-") else COMMANDS)
    verb, *rest = before
    if verb not in COMMANDS:
        return []
    kind = verb if verb in KINDS and verb != "dictionary" else None
    named = rest[:1] if kind and rest and not resembles_option(rest[0]) else []
    options = help_of(verb, named, settings)
    if verb == "dictionary":  # its help without a method lists the methods
        method = rest[rest.index("--method") + 1] if "--method" in rest[:-1] else "topk"
        options = {"--method": Option("--method", "NAME", "how it is learned; topk if left out")}
        options |= help_of(verb, ["--method", method], settings)
    last = options.get(rest[-1]) if rest else None
    if last is not None and last.value:
        return _values(last, begun, registry)
    name, sign, value = begun.partition("=")
    if sign and name in options:
        return [Candidate(f"{name}={word}", told) for word, told in _values(options[name], value, registry)]
    if begun.startswith("-"):
        return [*(Candidate(each.name, each.summary) for each in options.values()), *_listed(GLOBAL)]
    words = list(_plain_words(rest, options))
    models = {spec.name: spec.summary for spec in registry.models.values()}
    if kind and not words:
        techniques = {spec.name: spec.summary for spec in registry.techniques.values() if spec.kind == kind}
        return [*_joined(techniques, begun), *(_listed(models) if verb == "synthesize" else [])]
    place = len(words) - (1 if kind and words[0] not in models else 0)
    takes_model = any(name in options for name in ("--weights", "--model")) and verb not in ("sweep", "merge")
    return _listed(models) if takes_model and place < (2 if verb == "diff" else 1) else []


def _values(option: Option, begun: str, registry: Plugins) -> list[Candidate]:
    """Return what an option can be given; nothing where that is a file, a number or a text."""
    named = {
        "--model": ("model", None),
        "--renderer": ("renderer", None),
        "--technique": ("technique", "explain"),
        "--techniques": ("technique", "explain"),
        "--metrics": ("technique", "measure"),
        "--method": ("technique", "dictionary"),
    }
    if option.words or option.name not in named:
        return [Candidate(word, "") for word in option.words]
    sort, kind = named[option.name]
    specs = getattr(registry, f"{sort}s").values()
    return _joined({spec.name: spec.summary for spec in specs if kind in (None, getattr(spec, "kind", None))}, begun)


def help_of(verb: str, named: Sequence[str], settings: Settings) -> dict[str, Option]:
    """Return the options that a command's help shows, by name; of the technique that is named, its own too."""
    if named and "," in named[0]:  # `explain a,b` has the options of no technique
        named = [named[0].split(",")[0]]
    text, width = io.StringIO(), os.environ.get("COLUMNS")
    command = importlib.import_module(f"cnnviz_jax.cli.commands.{verb.replace('-', '_')}")
    os.environ["COLUMNS"] = "1000"  # a help option in one line
    try:
        with contextlib.redirect_stdout(text), contextlib.redirect_stderr(io.StringIO()):
            command.run([*named, "--help"], settings)
    except (Leave, CnnvizError):
        pass
    finally:
        os.environ.pop("COLUMNS") if width is None else os.environ.update(COLUMNS=width)
    return {option.name: option for option in options_in(text.getvalue())}


def options_in(text: str) -> Iterator[Option]:
    """Yield the options that a help shows."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        found = _OPTION.match(line)
        if found:
            below = lines[number + 1].strip() if number + 1 < len(lines) else ""
            yield Option(found[1], found["value"] or "", (found["help"] or below).strip())


def _plain_words(rest: Sequence[str], options: Mapping[str, Option]) -> Iterator[str]:
    """Yield the words that are neither options nor their values."""
    is_value = False
    for word in rest:
        if not resembles_option(word) and not is_value:
            yield word
        is_value = word in options and bool(options[word].value)


def _joined(names: Mapping[str, str], begun: str) -> list[Candidate]:
    """Return names, also behind those that the begun word already joins by commas."""
    before = begun[: begun.rfind(",") + 1]
    return [Candidate(before + name, summary) for name, summary in names.items()]


def _listed(names: Mapping[str, str]) -> list[Candidate]:
    return [Candidate(name, summary) for name, summary in names.items()]
