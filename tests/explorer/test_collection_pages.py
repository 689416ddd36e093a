"""Collections in a real browser: lists, concepts, maps of cells that zoom and are chosen from, search."""

import pytest

from tests.explorer import test_atlas_pages, test_collections
from tests.explorer.browser import CHROMIUM, Browser
from tests.explorer.test_page import CONTRAST, every, text

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(params=["concepts", "cells"])
def page(browser, request):
    """One of two sites, opened anew; what the browser complains of fails the test."""
    site = (test_collections.made if request.param == "concepts" else test_atlas_pages.site)()
    browser.resize(1400)
    browser.complaints.clear()
    browser.failed.clear()
    browser.open((site.folder.root / "index.html").as_uri())
    browser.site = site
    yield browser
    assert browser.complaints == []
    assert browser.failed == []


def addresses(site):
    return [f"#/{name}/{number}" for name, titles in site.collections.items() for number in range(len(titles))]


def values_in(parts):
    """Every number that parts show, those of cells that are not chosen left out."""
    for part in parts:
        if part["part"] == "facts":
            yield from (value for _, value in part["rows"] if isinstance(value, int | float))
        elif part["part"] in ("bars", "units"):
            yield from (row[2 if part["part"] == "units" else 1] for row in part["rows"])
        elif part["part"] == "tiles":
            yield from (tile["value"] for tile in part["tiles"] if "value" in tile)


def test_every_page_shows_its_numbers_and_is_listed(page):
    for where in addresses(page.site):
        name, number = where.split("/")[1:]
        page.go(where)
        held = page.site.page(name, int(number))
        assert text(page, "h1") == [held.title]
        shown = set(page.evaluate(f"{every('[data-value]')}.map(one => +one.dataset.value)"))
        assert {float(value) for value in values_in(held.parts)} <= shown
        page.settled()
        assert page.evaluate(f"{every('main a')}.every(one => one.getAttribute('href').startsWith('#/'))")
    for name, titles in page.site.collections.items():
        page.go(f"#/{name}")
        assert text(page, ".units .label") == titles
    page.go("#/")
    assert set(text(page, ".units .label")) == {title for titles in page.site.collections.values() for title in titles}
    page.go(f"#/{name}/99")
    assert text(page, "h1") == ["Not here"]


def test_search_finds_pages_by_their_titles(page):
    (name, titles), *_ = page.site.collections.items()
    page.key("/")
    page.type(titles[-1])
    page.wait("document.querySelectorAll('#found a').length > 0")
    links = page.evaluate(f"{every('#found a')}.map(one => one.getAttribute('href'))")
    assert f"#/{name}/{len(titles) - 1}" in links
    page.key("Escape")


def test_no_page_is_wider_than_its_window_and_words_stand_out(page):
    for width, dark in ((360, False), (360, True), (1400, False), (1400, True)):
        page.resize(width, dark=dark)
        for where in ("#/", *addresses(page.site)[:2]):
            page.go(where)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), where
            assert page.evaluate(CONTRAST) >= 4.5, where


def test_a_map_of_cells_zooms_moves_and_shows_what_is_chosen(browser):
    site = test_atlas_pages.site()
    browser.complaints.clear()
    browser.open((site.folder.root / "index.html").as_uri())
    browser.go("#/atlas/0")
    _, fine = test_atlas_pages.levels(site.page("atlas", 0))
    drawn = f"{every('.cells g')}.map(one => one.dataset.cell)"
    assert browser.evaluate(drawn) == [f"{cell['row']} {cell['column']}" for cell in fine["cells"]]
    view = "document.querySelector('.cells').getAttribute('viewBox')"
    browser.evaluate("document.querySelector('.cells').focus()")
    for _ in range(2):
        browser.key("+")
    assert len(browser.evaluate(drawn)) < len(fine["cells"])
    assert browser.evaluate(view).split()[2:] == ["25", "25"]
    before = browser.evaluate(view)
    browser.key("ArrowLeft")
    assert browser.evaluate(view) != before
    assert browser.evaluate("location.hash") == "#/atlas/0"  # arrows move the map, not the page
    browser.evaluate(f"{every('.steps button')}.find(one => one.textContent === 'whole').click()")
    cell = fine["cells"][0]
    chosen = f"document.querySelector('[data-cell=\"{cell['row']} {cell['column']}\"]')"
    browser.evaluate(f"{chosen}.dispatchEvent(new KeyboardEvent('keydown', {{key: 'Enter', bubbles: true}}))")
    assert cell["tile"]["alt"] in text(browser, ".chosen p")
    shown = set(browser.evaluate(f"{every('.chosen [data-value]')}.map(one => +one.dataset.value)"))
    assert {float(value) for value in values_in(cell["parts"])} <= shown
    assert browser.evaluate(f"{every('.cells g')}.every(one => one.getAttribute('aria-label'))") is True
    assert browser.complaints == []
