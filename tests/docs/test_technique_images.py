"""Every page of an explanation, a measure or a survey of concepts shows a small image that the project made."""

import re

import pytest

from cnnviz_jax.plugins import plugins

from .pages import DOCS, FAMILIES, sections
from .test_pages import built_in_techniques

CONCEPTS = ("tcav", "craft")
OF_THEIR_OWN = {"feature-maps": "../images/feature-maps.png"}
IN_FAMILIES = {name for page in FAMILIES for name in sections(page)}
SHOWN = sorted(
    name
    for name in built_in_techniques() - IN_FAMILIES
    if plugins().techniques[name].kind in ("explain", "measure") or name in CONCEPTS
)
IMAGES = DOCS / "images" / "techniques"
MOST_BYTES = 100_000


@pytest.mark.parametrize("name", SHOWN)
def test_the_page_shows_its_own_image(name):
    text = (DOCS / "techniques" / f"{name}.md").read_text(encoding="utf-8")
    shown = {path: words for words, path in re.findall(r"^!\[([^\]]+)\]\(([^)]+)\)$", text, re.M)}
    path = OF_THEIR_OWN.get(name, f"../images/techniques/{name}.png")
    assert shown.get(path), f"{name}.md does not show {path} with words beside it"
    assert (DOCS / "techniques" / path).stat().st_size < MOST_BYTES


@pytest.mark.parametrize("page", FAMILIES, ids=lambda page: page.stem)
def test_the_page_of_a_family_shows_its_measures_side_by_side(page):
    path = f"../images/measures/{page.stem}.png"
    assert re.search(rf"^!\[[^\]]+\]\({re.escape(path)}\)$", page.read_text(encoding="utf-8"), re.M)
    assert (page.parent / path).stat().st_size < MOST_BYTES


def test_the_images_are_few_and_small():
    files = list(IMAGES.iterdir())
    assert {file.stem for file in files} == set(SHOWN) - set(OF_THEIR_OWN)
    assert sum(file.stat().st_size for file in files) < 2_000_000
