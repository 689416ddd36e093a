"""A technique's config dataclass is its command line."""

from dataclasses import dataclass
from typing import Literal

import pytest

from cnnviz_jax.cli import main
from cnnviz_jax.cli.commands import COMMANDS
from cnnviz_jax.cli.technique_options import MODEL_OPTIONS, OUTPUT_OPTIONS, Common, read_line
from cnnviz_jax.cli.values import Leave
from cnnviz_jax.errors import PluginError, UsageError
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.specs import TechniqueSpec


@dataclass(frozen=True)
class RowsConfig:
    window: int | tuple[int, int] | None = None
    """Height and width of the cover."""
    fill: float | tuple[float, ...] | str = 0.5
    """What covers."""
    score: Literal["drop", "raw"] = "drop"
    """How it is scored."""
    absolute: bool = False
    """Whether signs are dropped."""
    layer: str | None = None
    """Layer."""


SPEC = TechniqueSpec(
    name="rows", kind="explain", summary="Covers rows", config=RowsConfig, build=len, references=("A 2020",)
)
LAYER = Common("layer", "LAYER", "the layer")
TARGET = Common("target", "CLASS", "the class")


def read(*arguments, spec=SPEC):
    return read_line(
        spec,
        arguments,
        common=(*MODEL_OPTIONS, LAYER, TARGET, *OUTPUT_OPTIONS),
        words_help="model and images",
        usage="cnnviz explain rows MODEL",
    )


def test_options_have_their_defaults_and_words_are_kept():
    line = read("shapes", "a.png", "b.png")
    assert line.words == ("shapes", "a.png", "b.png")
    assert line.options == {"window": None, "fill": 0.5, "score": "drop", "absolute": False, "layer": None}
    assert set(line.common.values()) == {None}


@pytest.mark.parametrize(
    "arguments",
    [
        "shapes a.png --window 3 4 --fill 0.1 0.2 0.3 --score raw --absolute --target 7 --out x.png",
        "--window 3 4 shapes --fill 0.1 0.2 0.3 --score raw --absolute a.png --target 7 --out x.png",
        "--out x.png --target 7 --score raw --fill 0.1 0.2 0.3 --absolute --window 3 4 shapes a.png",
        "shapes --window 3 4 --fill 0.1 0.2 0.3 --absolute --target=7 --out=x.png --score=raw -- a.png",
    ],
)
def test_words_may_stand_before_between_and_behind_options(arguments):
    line = read(*arguments.split())
    assert line.words == ("shapes", "a.png")
    assert line.options == {"window": (3, 4), "fill": (0.1, 0.2, 0.3), "score": "raw", "absolute": True, "layer": None}
    assert (line.common["target"], line.common["out"]) == ("7", "x.png")


def test_an_image_whose_name_begins_like_an_option_stands_behind_dashes():
    assert read("shapes", "--", "--odd.png").words == ("shapes", "--odd.png")


def test_a_negative_number_is_a_value():
    assert read("shapes", "--fill", "-1", "a.png", "--target", "-2").options["fill"] == -1.0


def test_a_technique_takes_over_an_option_of_the_verb():
    line = read("shapes", "--layer", "conv1")
    assert line.options["layer"] == "conv1"
    assert line.common["layer"] is None


def test_help_shows_the_docstrings_of_the_config(capsys):
    with pytest.raises(Leave) as left:
        read("--help")
    assert left.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith("usage: cnnviz explain rows MODEL\n\nCovers rows\n")
    assert "\noptions:\n  -h, --help " in out
    assert not {"│", "╭", "None"} & {*out, *out.split()}
    for text in ("Covers rows", "A 2020", "Height and width of the cover.", "What covers.", "{drop,raw}", "--target"):
        assert text in out


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        ("shapes a.png --windwo 3", ("unrecognized options: --windwo", "did you mean '--window'?")),
        ("shapes --window x a.png", ("error parsing --window", "['x']")),
        ("shapes --score best a.png", ("--score", "best")),
    ],
)
def test_a_wrong_option_is_named_in_one_sentence_and_others_are_not(arguments, texts, capsys):
    with pytest.raises(UsageError) as refused:
        read(*arguments.split())
    told = str(refused.value)
    assert all(text in told for text in texts)
    assert told.endswith("`cnnviz explain rows --help` shows what can be given.")
    assert not {"a.png", "\n", "│", "None"} & {*told.split(), *told}
    assert capsys.readouterr() == ("", "")


def test_an_option_without_default_has_to_be_given():
    @dataclass(frozen=True)
    class Needy:
        kernel: str
        """Name of the kernel."""

    spec = TechniqueSpec(name="needy", kind="explain", summary="x", config=Needy, build=len)
    assert read("shapes", "--kernel", "blur", spec=spec).options == {"kernel": "blur"}
    with pytest.raises(UsageError, match="--kernel"):
        read("shapes", spec=spec)


def test_a_config_may_not_claim_the_commands_own_options():
    @dataclass(frozen=True)
    class Greedy:
        out: str = ""

    spec = TechniqueSpec(name="greedy", kind="explain", summary="x", config=Greedy, build=len)
    with pytest.raises(PluginError, match="its option 'out' is the command's own"):
        read("shapes", spec=spec)


TECHNIQUES = sorted((spec.kind, spec.name) for spec in plugins().techniques.values() if spec.kind in COMMANDS)


@pytest.mark.parametrize(("kind", "name"), TECHNIQUES, ids=[" ".join(pair) for pair in TECHNIQUES])
def test_every_technique_can_be_run_from_its_command(kind, name, capsys):
    assert main([kind, name, "--help"]) == 0
    assert "--out" in capsys.readouterr().out
