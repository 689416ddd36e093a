"""The pages say what there is: every technique, hook, verb and public name, and nothing else."""

import inspect
import re

import pytest

import cnnviz_jax as cv
from cnnviz_jax.cli.commands import COMMANDS
from cnnviz_jax.plugins import hookspecs, plugins
from cnnviz_jax.plugins.contract import HOOKS

from .pages import CHECKOUT, DOCS, FAMILIES, blocks, headings, pages, sections

TECHNIQUE_PAGES = sorted(page for page in (DOCS / "techniques").glob("*.md") if page.name != "index.md")
SECTIONS = {name: text for page in FAMILIES for name, text in sections(page).items()}
"""What the pages of a family say of each of its measures."""
PARAGRAPHS = ("What it shows", "Formula", "Source", "Cost", "When not to trust it")


def built_in_techniques():
    registry = plugins()
    return {name for name in registry.techniques if registry.owner("technique", name).startswith("cnnviz-jax:")}


def test_every_technique_has_a_page_and_every_page_a_technique():
    own = [page.stem for page in TECHNIQUE_PAGES]
    assert sorted([*own, *SECTIONS]) == sorted(built_in_techniques())


@pytest.mark.parametrize("name", SECTIONS)
def test_the_section_of_a_measure_says_what_a_page_says_and_lists_its_options(name):
    for words in PARAGRAPHS:
        assert f"**{words}.**" in SECTIONS[name], f"{name} has no paragraph '{words}.'"
    config = plugins().techniques[name].config
    assert f".. autoclass:: {config.__module__}.{config.__qualname__}\n" in SECTIONS[name]


@pytest.mark.parametrize("page", FAMILIES, ids=lambda page: page.stem)
def test_the_page_of_a_family_has_an_example_and_is_in_the_table_of_contents(page):
    assert blocks(page, "python")
    assert f"../measures/{page.stem}\n" in (DOCS / "techniques" / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", TECHNIQUE_PAGES, ids=lambda page: page.stem)
def test_a_technique_page_says_what_it_shows_its_formula_source_cost_and_limits(page):
    text = page.read_text(encoding="utf-8")
    assert headings(page) == [f"`{page.stem}`"]
    for words in PARAGRAPHS:
        assert f"**{words}.**" in text, f"{page.name} has no paragraph '{words}.'"
    assert blocks(page, "python"), f"{page.name} has no example"


@pytest.mark.parametrize("page", TECHNIQUE_PAGES, ids=lambda page: page.stem)
def test_a_technique_page_lists_the_options_of_that_technique(page):
    config = plugins().techniques[page.stem].config
    assert f".. autoclass:: {config.__module__}.{config.__qualname__}" in page.read_text(encoding="utf-8")


def test_every_technique_page_is_in_the_table_of_contents():
    listed = re.findall(r"^([a-z][a-z0-9+-]*)$", (DOCS / "techniques" / "index.md").read_text(encoding="utf-8"), re.M)
    assert sorted(listed) == sorted(page.stem for page in TECHNIQUE_PAGES)


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_a_heading_with_its_exact_signature(hook):
    signature = str(inspect.signature(getattr(hookspecs, hook)))
    assert f"`{hook}{signature.replace(chr(39), '')}`" in headings(DOCS / "plugins.md")


def test_the_plugins_page_has_no_hook_that_does_not_exist():
    named = set(re.findall(r"cnnviz_\w+(?=\()", "\n".join(headings(DOCS / "plugins.md"))))
    assert named == set(HOOKS)


def test_every_record_is_on_the_plugins_page():
    text = (DOCS / "plugins.md").read_text(encoding="utf-8")
    for _, record in HOOKS.values():
        assert f".. autoclass:: cnnviz_jax.plugin.{record.__name__}" in text


def test_every_verb_is_a_heading_of_the_command_line_page_and_no_other_is():
    found = [heading for heading in headings(DOCS / "cli.md") if heading.startswith("`cnnviz ")]
    assert found == [f"`cnnviz {verb}`" for verb in COMMANDS]


def test_every_public_name_is_on_the_page_for_users_or_on_that_for_plugins():
    text = "".join((DOCS / name).read_text(encoding="utf-8") for name in ("api.md", "plugins.md"))
    shown = {name.split(".")[-1] for name in re.findall(r":: cnnviz_jax\.([\w.]+)$", text, re.M)}
    assert set(cv.__all__) - shown == set()


def test_the_readme_has_exactly_the_two_set_up_commands():
    commands = [line for block in blocks(CHECKOUT / "README.md", "sh") for line in block.text.splitlines()]
    assert [line for line in commands if "pip install" in line] == [
        "pip install . && cnnviz report",
        "pip install '.[test]' && pytest",
    ]


def test_no_page_holds_a_path_of_one_machine():
    for page in pages():
        assert not re.search(r"(?<![\w.])/(home|root|Users|work|opt)/", page.read_text(encoding="utf-8")), page


def test_every_image_on_a_page_is_there():
    for page in pages():
        for link in re.findall(r"(?:!\[[^\]]*\]\(|```\{image\} )([^\s)]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).is_file(), f"{page.name} shows {link}"
