"""Display options: declared once, typed in Python, on the command line and on their page."""

import dataclasses
import typing

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.cli.display_options import display_options, given_display
from cnnviz_jax.errors import UsageError
from cnnviz_jax.plugins.display_options import DisplayOptions
from cnnviz_jax.plugins.rendering import display_classes
from cnnviz_plugins.renderers import options
from cnnviz_plugins.renderers.figure import _DRAWN, words_of
from tests.docs.pages import DOCS
from tests.renderers import factories

CLASSES = {each for each in vars(options).values() if isinstance(each, type) and each.__module__ == options.__name__}


def words(hint):
    parts = (hint, *typing.get_args(hint))
    return {word for part in parts if typing.get_origin(part) is typing.Literal for word in typing.get_args(part)}


def test_the_keywords_with_types_are_what_the_renderers_declare():
    declared = {}
    for each in CLASSES:
        for name, hint in typing.get_type_hints(each).items():
            declared.setdefault(name, []).append(hint)
    typed = typing.get_type_hints(DisplayOptions)
    assert set(typed) - set(declared) == {"margin_px", "best", "block", "exemplars"}  # of cnnviz_plugins.synthesize
    for name, hint in ((name, typed[name]) for name in declared):
        if words(hint):
            assert words(hint) == set().union(*map(words, declared[name])), name
        else:
            assert set(declared[name]) == {hint}, name


def test_every_class_of_options_is_on_the_page():
    page = (DOCS / "display.md").read_text(encoding="utf-8")
    assert [each.__name__ for each in CLASSES if f".{each.__name__}\n" not in page] == []


@pytest.mark.parametrize("kind", _DRAWN)
def test_every_figure_declares_its_options_with_words_for_the_help(kind):
    shown = {option.name: option for option in display_options(kind)}
    assert {"title", "dpi"} <= set(shown)
    assert all(option.help.startswith("display: ") and option.metavar for option in shown.values())
    assert len(display_classes(kind)) == 2


def test_words_and_numbers_of_a_line_become_values_of_their_types():
    given = {"scale": "shared", "opacity": "0.5", "dpi": "80", "title": None, "other": "x"}
    assert given_display("Attribution", given) == {"scale": "shared", "opacity": 0.5, "dpi": 80}
    with pytest.raises(UsageError, match=r"--dpi is a whole number, got '8\.5'"):
        given_display("Attribution", {"dpi": "8.5"})
    with pytest.raises(UsageError, match=r"--policy is one of .*, got 'ful'\. Did you mean 'full'"):
        given_display("Attribution", {"policy": "ful"})


@pytest.mark.parametrize(
    "result", [factories.attribution(factories.signed(1, 5, 5)), factories.filters(), factories.receptive_fields(),
               factories.synthesis()], ids=lambda result: type(result).__name__,
)  # fmt: skip
def test_a_title_stands_in_the_place_of_the_heading(result):
    assert words_of(cv.figure(result, title="after $ten$ epochs"))[0] == "after $ten$ epochs"
    assert words_of(cv.figure(result))[0] not in ("", "after $ten$ epochs")


def test_a_figure_names_file_class_logit_and_probability():
    result = dataclasses.replace(
        factories.attribution(factories.signed(2, 5, 5)), names=("dog.png", "cat.png"),
        probabilities=np.array([0.971, 0.5], np.float32),
    )  # fmt: skip
    said = [text.get_text() for text in cv.figure(result).texts]
    assert "dog.png · 3 star · logit 0 · probability 97.1 %" in said
    together = "\n".join(text.get_text() for text in cv.figure([result, result]).texts)
    assert "dog.png" in together
    assert "logit 1, p 50.0 %" in together
    assert result[1].names == ("cat.png",)
