"""The gallery and the list of techniques follow the plugins and their pages."""

import sys

import pytest

from .pages import DOCS
from .test_pages import built_in_techniques


@pytest.fixture
def gallery(monkeypatch):
    """The Sphinx extension."""
    pytest.importorskip("sphinx", reason="Sphinx, of the extra docs, is not installed")
    monkeypatch.syspath_prepend(str(DOCS / "extensions"))
    import gallery

    yield gallery
    sys.modules.pop("gallery")


def test_every_technique_has_a_card_with_its_summary_and_its_page(gallery):
    found = [card for each in gallery.cards(DOCS).values() for card in each]
    assert {card.name for card in found} == built_in_techniques()
    assert all(card.summary and (DOCS / f"{card.page}.md").is_file() for card in found)


def test_cards_show_the_images_of_the_pages(gallery):
    kinds = gallery.cards(DOCS)
    assert all(card.image and (DOCS / card.image).is_file() and card.alt for card in kinds["explain"])
    assert all(card.image for card in kinds["measure"])
    shares = [sum(card.image is not None for card in found) / len(found) for found in kinds.values()]
    assert min(shares) > 0, "a kind has no image at all"


def test_a_page_that_gets_an_image_gets_a_card_with_it(gallery, tmp_path):
    (tmp_path / "techniques").mkdir()
    page = tmp_path / "techniques" / "saliency.md"
    page.write_text("# `saliency`\n\nWords.\n")
    assert [card.image for card in gallery.cards(tmp_path)["explain"]] == [None]
    page.write_text("# `saliency`\n\n![A map](../images/new.png)\n\n![Another](../images/old.png)\n")
    assert [(card.image, card.alt) for card in gallery.cards(tmp_path)["explain"]] == [("images/new.png", "A map")]
    assert all(found == [] for kind, found in gallery.cards(tmp_path).items() if kind != "explain")
