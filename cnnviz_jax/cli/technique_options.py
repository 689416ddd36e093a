"""The options of a line: those of its verb, and those of one technique, whose config dataclass tyro reads."""

import contextlib
import dataclasses
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from cnnviz_jax.cli.help_style import fault_of, plain_help
from cnnviz_jax.cli.positionals import resembles_option
from cnnviz_jax.cli.values import Leave, Parser, indices
from cnnviz_jax.errors import PluginError, UsageError
from cnnviz_jax.plugins import Plugins
from cnnviz_jax.plugins.specs import Kind, TechniqueSpec


@dataclass(frozen=True)
class Common:
    """An option of the verb itself; it gives way to a technique's option of the same name."""

    name: str
    """Its name, without dashes."""
    metavar: str
    """What stands for its value in the help; empty for a flag, which is `yes` where it is given."""
    help: str
    """One line for the help."""
    default: str | None = None
    """Its value where it is not given."""


MODEL_OPTIONS = (
    Common("model", "MODEL", "a name that `cnnviz models` lists, or package.module:factory"),
    Common("weights", "FILE|URL", "the model's weights: .safetensors, .pth and others, or an Orbax folder"),
    Common("precision", "float32|tf32|bfloat16", "of the numbers that layers multiply; float32 if left out"),
    Common("dictionary", "FILE", "features of a layer, as `cnnviz dictionary` kept them, to name as LAYER/dictionary"),
)
OUTPUT_OPTIONS = (
    Common("out", "FILE", "where to write; the suffix says how, as `cnnviz renderers` lists"),
    Common("renderer", "NAME", "which renderer writes it, where the suffix leaves a choice"),
)
TARGET_OPTION = Common(
    "target",
    "TARGET",
    "a class by index or label, one index per image by commas, LAYER:CHANNEL, LAYER:CHANNEL@ROW,COL, of a dense output"
    " CLASS@ROW,COL,HEIGHTxWIDTH or CLASS@MASKFILE, or a sum such as '3 - 0.5 * conv3:17'; each image's top class if"
    " left out",
)
SEED_OPTION = Common("seed", "INT", "seed of everything random; the same seed gives the same result")
CHUNK_OPTION = Common("chunk", "INT", "evaluations at once, in place of what memory allows; changes no result")
RUN_OPTIONS = (*OUTPUT_OPTIONS, SEED_OPTION, CHUNK_OPTION)
REDUCTION_OPTION = Common("reduction", "NAME", "channels to one number: max_abs (default), sum, sum_abs", "max_abs")
MASKS_OPTION = Common("masks", "FOLDER", "masks of the objects, white on black, named as the images")
MAPS_OPTIONS = (TARGET_OPTION, MASKS_OPTION, REDUCTION_OPTION, *RUN_OPTIONS)
"""Of verbs that make maps and measure them."""
LABELS_OPTION = Common("labels", "folders|CSV", "classes: the folders' names, or a CSV of path and label")
BATCH_OPTION = Common("batch", "INT", "images at once, in place of what memory allows")
SURVEY_OPTIONS = (*OUTPUT_OPTIONS, SEED_OPTION, BATCH_OPTION)
"""Of verbs that read a data set once and write one result."""
LAYER_OPTION = Common("layer", "LAYER", "the layer, as `cnnviz layers MODEL` lists it")
JSON_OPTION = Common("json", "", "print JSON on stdout, and nothing else")
_RESERVED = {"words", *(option.name for option in (*MODEL_OPTIONS, *RUN_OPTIONS))}


@dataclass(frozen=True)
class Line:
    """What follows the verb and the name of the technique, read."""

    words: tuple[str, ...]
    """The model and the images."""
    common: dict[str, str | None]
    """The verb's own options as text; `None` where not given or taken over by the technique."""
    options: dict[str, Any]
    """Every option of the technique, at the given value or its default."""


def verb_help(kind: Kind, usage: str, description: str, registry: Plugins) -> str:
    """Return the help of a verb whose technique is not named yet: how it is written, and the techniques it runs."""
    specs = [spec for spec in registry.techniques.values() if spec.kind == kind]
    width = max((len(spec.name) for spec in specs), default=0) + 2
    listed = "\n".join(f"  {spec.name:<{width}}{spec.summary}" for spec in specs) or "  none are loaded"
    return (
        f"usage: {usage}\n\n{description}\n\ntechniques:\n{listed}\n\n"
        f"`cnnviz {kind} {'--method ' if '--method' in usage else ''}TECHNIQUE --help` shows the options of one."
    )


def read_plain_line(
    verb: str, usage: str, about: str, arguments: Sequence[str], *, common: Sequence[Common], words_help: str
) -> Line:
    """Return the line of a verb that runs no technique in particular."""
    parser = Parser(prog=f"cnnviz {verb}", usage=usage.replace("%", "%%"), description=about, allow_abbrev=False)
    parser.add_argument("words", nargs="*", metavar="WORDS", help=words_help)
    for option in common:
        takes: dict[str, Any] = {"metavar": option.metavar, "default": option.default}
        if not option.metavar:
            takes = {"action": "store_const", "const": "yes"}
        parser.add_argument(f"--{option.name}", help=option.help, **takes)
    found = vars(parser.parse_intermixed_args(arguments))
    return Line(words=tuple(found.pop("words")), common=found, options={})


def read_line(
    spec: TechniqueSpec,
    arguments: Sequence[str],
    *,
    common: Sequence[Common],
    words_help: str,
    usage: str = "cnnviz VERB TECHNIQUE WORDS [options]",
) -> Line:
    """Return a technique's command line, read against its config dataclass.

    With `--help` this prints the help, made of the docstrings of the config's fields, and leaves.

    Args:
        spec: The technique.
        arguments: What follows its name.
        common: The options of the verb.
        words_help: What the words are, for the help.
        usage: The line in one line, for the help.

    Raises:
        UsageError: An option is unknown, or its value is none that it takes.
        PluginError: The technique has an option that the command line needs for itself.
    """
    import tyro

    own = {field.name for field in dataclasses.fields(spec.config) if field.init}
    flags = [f"--{option.name}" for option in common if not option.metavar and f"--{option.name}" in arguments]
    arguments = [word for word in arguments if word not in flags]
    if "units" in own:
        arguments = with_units_apart(arguments)
    # Weights of an inspection draw nothing, so that verb has no seed, and a technique of it may have one of its own.
    if taken := own & _RESERVED & {"words", *(option.name for option in common)}:
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
        fields.append((option.name, Annotated[str | None, marks], dataclasses.field(default=option.default)))
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
        told, fault = io.StringIO(), io.StringIO()
        try:
            with contextlib.redirect_stdout(told), contextlib.redirect_stderr(fault):
                return tyro.cli(line_type, args=list(given), **settings)
        except SystemExit as leaving:  # after --help, or with a fault that it printed
            if leaving.code in (0, None) and not {"-h", "--help"} & set(given):
                raise PluginError(f"the options of technique {spec.name!r} called sys.exit(0)") from leaving
            if leaving.code not in (0, None):
                raise fault_of(fault.getvalue() or told.getvalue(), settings["prog"]) from leaving
            print(plain_help(told.getvalue(), usage))
            raise Leave(0) from leaving

    # Words behind options tyro alone would refuse or read as values: it is tried first, then given the words last.
    is_help = not {"-h", "--help"}.isdisjoint(arguments)
    found = parse(arguments) if is_help else _quietly(parse, arguments)
    found = parse(_words_last(arguments, parse)) if found is None else found
    return Line(
        words=found.words,
        common={
            option.name: "yes" if f"--{option.name}" in flags else getattr(found, option.name, None)
            for option in common
        },
        options={
            field.name: getattr(found.options, field.name) for field in dataclasses.fields(spec.config) if field.init
        },
    )


def with_units_apart(words: Sequence[str]) -> list[str]:
    """Return the words with `--units 3,17,40` or `--units 0:6` as one word per unit, as options of many values are.

    Raises:
        UsageError: The units are no such list.
    """
    apart: list[str] = []
    is_value = False
    for word in words:
        name, _, value = word.partition("=")
        if name == "--units" and value:
            apart += ["--units", *map(str, indices(value, "units"))]
            continue
        apart += map(str, indices(word, "units")) if is_value and ("," in word or ":" in word) else [word]
        is_value = word == "--units"
    return apart


def _quietly(parse: Callable[[Sequence[str]], Any], given: Sequence[str]) -> Any:
    """Return the line parsed, or `None` where something is wrong with it."""
    try:
        return parse(given)
    except (Leave, UsageError):
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
