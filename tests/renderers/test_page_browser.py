"""The page in a real browser: images are enlarged by keyboard, and the parts of cards stand in rows."""

import pytest

import cnnviz_jax as cv
from tests.explorer.browser import CHROMIUM, Browser
from tests.renderers import factories

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    path = cv.render(factories.report(), folder / "report.html")
    with Browser(folder / "profile") as browser:
        browser.send("Page.navigate", url=path.as_uri())
        browser.wait("document.documentElement?.classList.contains('has-script')")
        yield browser
        assert browser.complaints == []


def focused(page, what="getAttribute('aria-label')"):
    return page.evaluate(f"document.activeElement.{what}")


def test_enter_and_space_enlarge_what_has_the_focus_and_escape_gives_it_back(page):
    for key, code in (("Enter", "Enter"), (" ", "Space")):
        page.evaluate("document.querySelector('.card svg.image').focus()")
        label = focused(page)
        page.send("Input.dispatchKeyEvent", type="keyDown", key=key, code=code)
        assert page.evaluate("document.getElementById('large').open")
        assert page.evaluate("document.querySelector('#large p').textContent") == label
        assert page.evaluate("document.querySelector('#large svg').hasAttribute('tabindex')") is False
        page.evaluate("document.getElementById('large').close()")
        assert focused(page) == label


def test_of_a_grid_of_tiles_tab_reaches_one_and_arrows_walk(page):
    tiles = "document.querySelectorAll('.tiles.kernels img')"
    reached = f"[...{tiles}].filter(one => one.tabIndex === 0).length"
    assert page.evaluate(f"{tiles}.length") == 6
    assert page.evaluate(reached) == 1
    page.evaluate(f"{tiles}[0].focus()")
    for key, alt in (("ArrowLeft", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("ArrowDown", 1)):
        page.send("Input.dispatchKeyEvent", type="keyDown", key=key, code=key)
        assert focused(page, "alt") == f"filter {alt}"
    assert page.evaluate(reached) == 1


@pytest.mark.parametrize("width", [1400, 400])
def test_images_and_colour_bars_of_cards_in_a_row_stand_at_one_height(page, width):
    page.resize(width)
    places = page.evaluate(
        "[...document.querySelectorAll('.card')].map(card => [card, card.querySelector('svg.image'),"
        " card.querySelector('.reading'), card.querySelector('.caption')]"
        ".map(one => Math.round(one.getBoundingClientRect().top)))"
    )
    rows = {place[0]: place for place in places}
    assert len(rows) > (1 if width > 500 else 2)
    assert all(place == rows[place[0]] for place in places)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [1400, 700, 400])
def test_nothing_in_a_card_is_wider_than_the_card(page, width):
    page.resize(width)
    beyond = page.evaluate(
        "[...document.querySelectorAll('.card')].flatMap(card => [...card.querySelectorAll('*')]"
        ".filter(one => !one.closest('.sr, defs')"
        " && one.getBoundingClientRect().right > card.getBoundingClientRect().right + 1)"
        ".map(one => `${one.tagName}.${one.className.baseVal ?? one.className}`))"
    )
    assert beyond == []
