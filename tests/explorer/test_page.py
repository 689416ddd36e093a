"""The page in a real browser, from the disk, without a network: every kind of page, and nothing of it is code."""

import json
import re
from urllib.parse import quote

import pytest

from cnnviz_jax.errors import UsageError
from tests.explorer.browser import CHROMIUM, Browser
from tests.explorer.sites import COUNT, HOSTILE, IMAGE, explore, made

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def page(browser):
    """The site's first page, opened anew; what the browser complains of fails the test."""
    browser.resize(1400)
    browser.complaints.clear()
    browser.failed.clear()
    browser.send("Page.navigate", url="about:blank")
    browser.open(address())
    yield browser
    assert browser.complaints == []
    assert browser.failed == []


def address():
    return (made().folder.root / "index.html").as_uri()


def text(page, selector):
    return page.evaluate(f"{every(selector)}.map(one => one.textContent)")


def every(selector):
    return f"[...document.querySelectorAll({json.dumps(selector)})]"


NAMED = "(one.getAttribute('aria-label') || one.querySelector('[aria-label]'))"


def layer(place):
    return made().layers[place]


def to(name, unit=None):
    return f"#/{quote(name, safe='')}" + ("" if unit is None else f"/{unit}")


def test_the_network_is_a_graph_of_its_layers(page):
    assert text(page, "h1") == ["small & <b>"]
    assert text(page, ".row .k0")[1:] == [row["name"] for row in made().summary["layers"]]
    assert text(page, ".row.shown .k0") == list(made().layers)
    arcs = page.evaluate("document.querySelectorAll('.wires .arc').length")
    assert arcs >= 1  # the residual branch
    assert text(page, ".dead") == ["1 dead"]


def test_every_kind_of_page_shows_itself(page):
    kinds = {
        to(layer(2)): (layer(2), 20, ".grid a.cell"),
        f"{to(layer(2))}?show=dead": (layer(2), 1, ".grid a.cell"),
        f"{to(layer(2))}?sort=maximum": (layer(2), 20, ".grid a.cell"),
        to(layer(2), 3): (f"{layer(2)}:3", 9, "#panel-exemplars figure"),
        "#/image/7": ("image 7", 3, ".bars li"),
        "#/image/7?box=1,2,5,6": ("image 7", 1, ".box"),
        "#/class/2": ("cow", 4, "section:nth-of-type(2) .strip a"),
        "#/nowhere/3": ("Not here", 1, ".warning"),
    }
    for where, (title, count, selector) in kinds.items():
        page.go(where)
        assert text(page, "h1") == [title], where
        assert page.evaluate(f"document.querySelectorAll({json.dumps(selector)}).length") == count, where
        assert page.evaluate("document.title").endswith("small & <b>")


def test_the_numbers_on_the_page_are_those_of_the_site(page):
    for name, unit in list(made().units())[::3]:
        page.go(to(name, unit))
        shown = set(page.evaluate(f"{every('.panels [data-value]')}.map(one => +one.dataset.value)"))
        held = made().unit(name, unit)
        wanted = {tile["value"] for panel in ("exemplars", "levels") for tile in held.tiles(panel)}
        wanted |= {value for value in held.facts.values() if isinstance(value, float | int)}
        wanted |= {value for _, value, _ in held.panels["classes"][0]["rows"]}
        assert {float(value) for value in wanted} <= shown
        boxes = page.evaluate("[...document.querySelectorAll('#panel-exemplars figure')].map(one => one.dataset.box)")
        assert boxes == [" ".join(map(str, tile["box"])) for tile in held.tiles("exemplars")]


def test_back_and_forward_walk_through_what_was_seen(page):
    page.go(to(layer(2)))
    page.go(to(layer(2), 3))
    page.evaluate("history.back()")
    page.wait(f"document.querySelector('h1').textContent === {json.dumps(layer(2))}")
    page.evaluate("history.forward()")
    page.wait(f"document.querySelector('h1').textContent === {json.dumps(layer(2) + ':3')}")


def test_keys_walk_units_search_and_go_up(page):
    page.go(to(layer(2), 3))
    page.key("ArrowRight")
    page.wait(f"document.querySelector('h1').textContent === {json.dumps(layer(2) + ':4')}")
    page.key("ArrowLeft")
    page.wait(f"document.querySelector('h1').textContent === {json.dumps(layer(2) + ':3')}")
    page.key("u")
    page.wait(f"document.querySelector('h1').textContent === {json.dumps(layer(2))}")
    page.key("/")
    assert page.evaluate("document.activeElement.id") == "word"
    page.type(f"{layer(2)}:17")
    page.wait("document.querySelectorAll('#found a').length > 0")
    page.evaluate("document.getElementById('search').requestSubmit()")
    page.wait(f"document.querySelector('h1').textContent === {json.dumps(layer(2) + ':17')}")
    page.key("/")
    page.type("cow")
    page.wait("document.querySelectorAll('#found a').length > 0")
    assert text(page, "#found a")[0] == "cowclass"
    page.key("Escape")
    assert page.evaluate("document.getElementById('found').hidden")


def test_names_and_labels_are_never_code(page):
    for where in ("#/", "#/class/1", f"#/image/{COUNT - 1}", to(layer(2), 3)):
        page.go(where)
        page.settled()
        assert page.evaluate("document.querySelectorAll('img, script:not([src])').length") == 1  # the page's own script
    page.go("#/class/1")
    assert text(page, "h1") == [HOSTILE]
    page.go(f"#/image/{COUNT - 1}")
    assert text(page, "h1") == [IMAGE]
    policy = page.evaluate("document.querySelector('meta[http-equiv]').content")
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; img-src 'self' file: data:; style-src 'sha256-")
    source = (made().folder.root / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|eval\(|new Function|document\.write", source)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", source)


def test_every_image_has_words_and_every_link_leads_somewhere(page):
    for where in ("#/", to(layer(2)), to(layer(2), 3), "#/image/7", "#/class/2"):
        page.go(where)
        page.settled()
        assert page.evaluate(f"{every('svg[role=img], svg.tile')}.every(one => one.getAttribute('aria-label'))")
        assert page.evaluate(f"{every('a')}.every(one => one.textContent.trim() || {NAMED})")
        links = page.evaluate(f"[...new Set({every('main a')}.map(one => one.getAttribute('href')))]")
        assert all(link.startswith("#/") for link in links)
    for link in links:  # those of the last page
        page.go(link)
        assert text(page, "h1") != ["Not here"], link


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1400])
def test_no_page_is_wider_than_its_window_and_words_stand_out(page, width, dark):
    page.resize(width, dark=dark)
    for where in ("#/", to(layer(2)), to(layer(2), 3), "#/image/7", "#/class/2"):
        page.go(where)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), where
        assert page.evaluate(CONTRAST) >= 4.5, where


CONTRAST = """(() => {
  const parts = (colour) => (colour.match(/[\\d.]+/g) || []).map(Number);
  const curved = (c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * curved(r / 255) + 0.7152 * curved(g / 255) + 0.0722 * curved(b / 255);
  const behind = (one) => {
    for (; one; one = one.parentElement) {
      const c = parts(getComputedStyle(one).backgroundColor);
      if (c.length === 3 || c[3] > 0.5) return c;
    }
    return [255, 255, 255];
  };
  let least = 99;
  const walk = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const one = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || one.closest("svg, .unseen")) continue;
    const [a, b] = [light(parts(getComputedStyle(one).color)), light(behind(one))].sort((x, y) => y - x);
    least = Math.min(least, (a + 0.05) / (b + 0.05));
  }
  return least;
})()"""
"""The least contrast of any text on the page with what lies behind it, as WCAG has it."""


def test_pages_load_little(page):
    page.settled()
    first = [size for _, size in list(page.loaded.values())[-3:]]  # the page, its data, its sheet of images
    assert 0 < sum(first) <= 150_000
    assert (made().folder.root / "index.html").stat().st_size <= 60_000
    for name, unit in list(made().units())[::7]:
        before = len(page.loaded)
        page.go(to(name, unit))
        page.settled()
        assert page.bytes_since(before) <= 400_000


def test_whole_images_show_the_box(page):
    page.go(to(layer(2), 3))
    page.evaluate("document.querySelector('button.quiet').click()")
    page.wait("document.querySelectorAll('#panel-exemplars .box').length === 9")


def test_a_site_that_grows_says_so_and_opens(browser, tmp_path, monkeypatch):
    from cnnviz_jax.site.folder import SiteFolder

    write = SiteFolder.write

    def until_the_head(self, name, content):
        if name == "images-0":
            raise KeyboardInterrupt
        write(self, name, content)

    monkeypatch.setattr(SiteFolder, "write", until_the_head)
    with pytest.raises(KeyboardInterrupt):
        explore(tmp_path / "site", layers="head", detail="light")
    browser.open((tmp_path / "site" / "index.html").as_uri())
    assert "Images and classes are not written yet; the same command continues." in text(browser, ".warning")
    browser.go("#/head/1")
    assert text(browser, "h1") == ["head:1"]
    browser.go("#/image/3")
    assert text(browser, ".warning") == ["image 3 has no page"]


def test_two_checkpoints_stand_side_by_side(browser, tmp_path):
    import jax
    import numpy as np

    import cnnviz_jax as cv
    from tests.explorer.sites import images, labels, model

    before = model().with_params(jax.tree.map(lambda leaf: leaf * np.float32(0.5), model().params))
    cv.explore(before, images(), tmp_path / "before", labels(), layers="stem", batch=4)
    after = explore(tmp_path / "after", layers="stem", beside=tmp_path / "before")
    assert after.summary["beside"] == ["before"]
    browser.complaints.clear()
    browser.open((tmp_path / "after" / "index.html").as_uri())
    browser.go("#/stem/2")
    links = browser.evaluate(f"{every('.steps a')}.map(one => one.getAttribute('href'))")
    (link,) = (one for one in links if "compare" in one)
    browser.go(link)
    browser.settled()
    assert text(browser, ".side > h2") == ["this site", "before"]
    first = every(".side .exemplars figure:first-child [data-value]")
    values = browser.evaluate(f"{first}.map(one => +one.dataset.value)")
    wanted = [cv.open_site(tmp_path / name).unit("stem", 2).tiles()[0]["value"] for name in ("after", "before")]
    assert values == wanted
    assert values[1] == pytest.approx(values[0] / 2)
    theirs = browser.evaluate(f"{every('.side:last-child .panel a')}.map(one => one.getAttribute('href'))")
    assert all(href.startswith("../before/index.html#/") for href in theirs)
    for elsewhere in ("..", "../x", "http://x", ""):
        browser.go(f"#/compare/stem/2?with={elsewhere}")
        assert text(browser, "h1") == ["Not here"]
    assert browser.complaints == []
    assert browser.failed == []


def test_a_site_elsewhere_is_not_put_beside_one(tmp_path):
    with pytest.raises(UsageError, match="does not lie beside"):
        explore(tmp_path / "site", layers="stem", beside=made().folder.root)
    with pytest.raises(UsageError, match="no site in"):
        explore(tmp_path / "site", layers="stem", beside=tmp_path / "nothing")
