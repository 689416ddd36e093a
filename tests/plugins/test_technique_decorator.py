"""A config made with `technique` carries the record of its technique, and a module's records are read off it."""

import dataclasses

import pytest

from cnnviz_jax.plugin import technique, techniques_in


@technique("edges", "explain", ".edges:Edges.build", "Sobel 1968", "Prewitt 1970", in_report=False)
class EdgesConfig:
    """The gradient of the image itself,
    by differences.

    Nothing of the network is in it.
    """

    width: int = 3
    """Pixels."""


@technique("sobel", "inspect", "elsewhere.sobel:build", takes="image")
class SobelConfig(EdgesConfig):
    """Sobel-Feldman's operator."""


def test_a_module_s_records_come_in_the_order_of_their_configs():
    edges, sobel = techniques_in(__name__)
    assert (edges.name, edges.kind, edges.config, edges.in_report) == ("edges", "explain", EdgesConfig, False)
    assert edges.references == ("Sobel 1968", "Prewitt 1970")
    assert (sobel.name, sobel.config, sobel.takes, sobel.references) == ("sobel", SobelConfig, "image", ())


def test_the_summary_is_the_first_sentence_of_the_docstring_and_names_keep_their_capital():
    edges, sobel = techniques_in(__name__)
    assert edges.summary == "the gradient of the image itself, by differences"
    assert sobel.summary == "Sobel-Feldman's operator"


def test_what_begins_with_a_dot_lies_in_the_package_of_the_config():
    import cnnviz_plugins.measure.plugin as measures

    deletion = techniques_in(measures.__name__)[0]
    assert deletion.build == "cnnviz_plugins.measure.curves:Deletion.build"
    assert techniques_in(__name__)[1].build == "elsewhere.sobel:build"


def test_the_config_is_a_frozen_dataclass_of_keywords():
    assert EdgesConfig(width=5).width == SobelConfig(width=5).width == 5
    with pytest.raises(dataclasses.FrozenInstanceError):
        EdgesConfig().width = 4
    with pytest.raises(TypeError):
        EdgesConfig(5)
