"""The options of one technique: its config dataclass read off the command line by tyro."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from cnnviz_jax.cli.positionals import resembles_option
from cnnviz_jax.errors import PluginError
from cnnviz_jax.plugins.specs import TechniqueSpec


@dataclass(frozen=True, kw_only=True)
class Common:
    """An option of the verb itself; it gives way to a technique's option of the same name."""

    name: str
    """Its name, without dashes."""
    metavar: str
    """What stands for its value in the help."""
    help: str
    """One line for the help."""


MODEL_OPTIONS = (
    Common(name="model", metavar="MODEL", help="a name that `cnnviz models` lists, or package.module:factory"),
    Common(
        name="weights",
        metavar="FILE|URL",
        help="the model's weights: .safetensors, .pth and others, or an Orbax folder",
    ),
    Common(
        name="precision",
        metavar="float32|bfloat16",
        help="of the numbers that convolutions and matrix products multiply; float32 if left out",
    ),
)
OUTPUT_OPTIONS = (
    Common(name="out", metavar="FILE", help="where to write; the suffix says how, as `cnnviz renderers` lists"),
    Common(name="renderer", metavar="NAME", help="which renderer writes it, where the suffix leaves a choice"),
)
SEED_OPTION = Common(name="seed", metavar="INT", help="seed of everything random; the same seed gives the same result")
CHUNK_OPTION = Common(
    name="chunk", metavar="INT", help="evaluations at once, in place of what memory allows; results do not depend on it"
)
_RESERVED = {
    "words",
    *(option.name for option in (*MODEL_OPTIONS, *OUTPUT_OPTIONS, SEED_OPTION, CHUNK_OPTION)),
}


@dataclass(frozen=True)
class Line:
    """A technique's command line, read."""

    words: tuple[str, ...]
    """The model and the images."""
    common: dict[str, str | None]
    """The verb's own options as text; `None` where not given or taken over by the technique."""
    options: dict[str, Any]
    """Every option of the technique, at the given value or its default."""


def read_line(spec: TechniqueSpec, arguments: Sequence[str], *, common: Sequence[Common], words_help: str) -> Line:
    """Return a technique's command line, read against its config dataclass.

    With `--help` this prints the help, made of the docstrings of the config's fields, and leaves.

    Args:
        spec: The technique.
        arguments: What follows its name.
        common: The options of the verb.
        words_help: What the words are, for the help.

    Raises:
        PluginError: The technique has an option that the command line needs for itself.
    """
    import tyro

    own = {field.name for field in dataclasses.fields(spec.config) if field.init}
    if taken := own & _RESERVED:
        raise PluginError(f"technique {spec.name!r} cannot be run here: its option {min(taken)!r} is the command's own")
    shown = [option for option in common if option.name not in own]
    words_type = Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="WORDS", help=words_help, help_behavior_hint=""),
    ]
    fields: list[Any] = [("words", words_type, dataclasses.field(default=()))]
    for option in shown:
        marks = tyro.conf.arg(metavar=option.metavar, help=option.help, help_behavior_hint="")
        fields.append((option.name, Annotated[str | None, marks], dataclasses.field(default=None)))
    config_type = Annotated[spec.config, tyro.conf.arg(name="", help=f"what {spec.name} itself can be told")]
    has_defaults = all(
        field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        for field in dataclasses.fields(spec.config)
        if field.init
    )
    at_default: Any = dataclasses.field(default_factory=spec.config) if has_defaults else dataclasses.field()
    fields.append(("options", config_type, at_default))
    line_type = dataclasses.make_dataclass("Line", fields, frozen=True, kw_only=True)

    settings: dict[str, Any] = {
        "prog": f"cnnviz {spec.kind} {spec.name}",
        "description": "\n\n".join([spec.summary, *spec.references]),
        "config": (tyro.conf.OmitArgPrefixes,),
    }

    def parse(given: Sequence[str]) -> Any:
        return tyro.cli(line_type, args=list(given), **settings)

    found = _parsed_with_words_anywhere(arguments, parse)
    return Line(
        words=found.words,
        common={option.name: getattr(found, option.name, None) for option in common},
        options={
            field.name: getattr(found.options, field.name) for field in dataclasses.fields(spec.config) if field.init
        },
    )


def _parsed_with_words_anywhere(arguments: Sequence[str], parse: Callable[[Sequence[str]], Any]) -> Any:
    """Return the line parsed, with words behind options, which tyro alone would refuse or read as values."""
    if {"-h", "--help"} & set(arguments):
        return parse(arguments)
    found = _quietly(parse, arguments)
    if found is None:
        found = parse(_words_last(arguments, parse))
    return found


def _quietly(parse: Callable[[Sequence[str]], Any], given: Sequence[str]) -> Any:
    """Return the line parsed, or `None` where tyro would print what is wrong and leave."""
    unread = io.StringIO()
    try:
        with contextlib.redirect_stdout(unread), contextlib.redirect_stderr(unread):
            return parse(given)
    except SystemExit:
        return None


def _words_last(arguments: Sequence[str], parse: Callable[[Sequence[str]], Any]) -> list[str]:
    """Return the line with its words behind `--`.

    An option's values are the longest run behind it that makes sense for it alone. Where none does, tyro
    says what is wrong with that option, and leaves.
    """

    def is_whole(option: Sequence[str]) -> bool:
        found = _quietly(parse, option)
        return found is not None and not found.words

    end = list(arguments).index("--") if "--" in arguments else len(arguments)
    words: list[str] = []
    options: list[str] = []
    position = 0
    while position < end:
        stop = position + 1
        while stop < end and not resembles_option(arguments[stop]):
            stop += 1
        if resembles_option(arguments[position]):
            cut = next((cut for cut in range(stop, position, -1) if is_whole(arguments[position:cut])), None)
            if cut is None:
                cut = min(stop, position + 2)
                parse(arguments[position:cut])
        else:
            cut = position
        options += arguments[position:cut]
        words += arguments[cut:stop]
        position = stop
    return [*options, "--", *words, *arguments[end + 1 :]]
