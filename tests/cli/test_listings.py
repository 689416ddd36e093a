"""Listings: tables for people, JSON for programs."""

import json

import pytest

from cnnviz_jax.cli.tables import show
from cnnviz_jax.plugins import plugins

PLUGIN = """
from cnnviz_jax.plugins.hookspecs import hookimpl
from cnnviz_jax.plugins.specs import AdapterSpec, ModelSpec, RendererSpec


@hookimpl
def cnnviz_models():
    yield ModelSpec(name="tiny", summary="A [bold]tiny[/bold] net", build="builtins:len")


@hookimpl
def cnnviz_adapters():
    yield AdapterSpec(name="abacus", summary="Beads", matches=callable, build="builtins:len", fallback=True)


@hookimpl
def cnnviz_renderers():
    yield RendererSpec(name="beads", summary="Beads", accepts=("*",), suffixes=(".bead",), render="builtins:len")
"""


@pytest.mark.parametrize("verb", ["models", "techniques", "adapters", "renderers"])
def test_the_json_lists_what_the_registry_holds(verb, cnnviz):
    code, out, _ = cnnviz(verb, "--json")
    rows = json.loads(out)
    assert code == 0
    assert {row["name"] for row in rows} == set(getattr(plugins(), verb))
    assert all(row["summary"] and row["plugin"].startswith("cnnviz-jax:") for row in rows)


def test_the_table_has_one_line_per_technique_and_one_kind_if_asked(cnnviz):
    _, out, _ = cnnviz("techniques", "--kind", "inspect")
    names = [line.split()[0] for line in out.splitlines()]
    assert names == ["name", *(spec.name for spec in plugins().techniques.values() if spec.kind == "inspect")]
    assert "filters" in names


def test_an_unpackaged_plugin_is_listed_with_its_file(cnnviz, tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    for verb, name in (("models", "tiny"), ("adapters", "abacus"), ("renderers", "beads")):
        _, out, _ = cnnviz(verb, "--plugin", "mine.py", "--json")
        assert {row["plugin"] for row in json.loads(out) if row["name"] == name} == {"mine.py"}
    _, out, _ = cnnviz("--plugin", "mine.py", "plugins")
    line = next(line for line in out.splitlines() if line.startswith("mine.py"))
    assert line.split()[1:3] == ["file", "loaded"]
    assert "models tiny" in line


def test_markup_in_a_summary_is_shown_as_text(cnnviz, tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    assert "A [bold]tiny[/bold] net" in cnnviz("models", "--plugin", "mine.py")[1]


def test_a_missing_or_broken_plugin_file_is_refused(refusal, tmp_path):
    assert refusal("models", "--plugin", "none.py").startswith("no plugin file 'none.py'")
    (tmp_path / "bad.py").write_text("1 / 0")
    assert refusal("models", "--plugin", "bad.py") == (
        "the plugin file 'bad.py' cannot be loaded: ZeroDivisionError: division by zero"
    )


def test_no_rows_are_told_in_a_sentence_or_as_an_empty_list(capsys):
    show([], as_json=False, empty="Nothing here.")
    assert capsys.readouterr().out == "Nothing here.\n"
    show([], as_json=True, empty="Nothing here.")
    assert capsys.readouterr().out == "[]\n"


def test_help_of_a_verb_lists_its_techniques(cnnviz):
    code, out, _ = cnnviz("explain", "--help")
    assert code == 0
    for spec in plugins().techniques.values():
        assert (f"  {spec.name} " in out) == (spec.kind == "explain")
