"""The page: nothing from outside, labels as text, everything of a report in its place."""

import base64
import dataclasses
import hashlib
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from cnnviz_jax.errors import RenderError, UsageError
from cnnviz_plugins.renderers.html import page, render
from cnnviz_plugins.renderers.page.sections import spark
from tests.renderers import factories

VOID = {"meta", "link", "img", "br", "input", "hr"}


class Reader(HTMLParser):
    """Collects tags, addresses, text and the contents of style and script, and checks that tags are closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.ids, self.open, self.raw = [], [], [], [], {}
        self.attributes, self.words = set(), []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name in {"href", "src", "xlink:href", "action", "data", "poster", "srcset"}:
                self.addresses.append(value)
            if name == "id":
                self.ids.append(value)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in {"style", "script"}:
            self.raw[self.open[-1]] = data
        else:
            self.words.append(data)


@pytest.fixture(scope="module")
def text():
    return page(factories.report())


@pytest.fixture(scope="module")
def read(text):
    return Reader(text)


def test_the_page_is_well_formed_with_unique_identifiers(read):
    assert read.open == []
    assert len(read.ids) == len(set(read.ids))


def test_every_address_lies_inside_the_page(read):
    assert read.addresses
    for address in read.addresses:
        assert address.startswith("data:") or address.removeprefix("#") in read.ids, address[:80]
    assert not {"style", "onclick", "onload", "onerror"} & read.attributes
    assert "url(" not in read.raw["style"]
    assert "@import" not in read.raw["style"]
    assert not re.search(r"fetch|XMLHttp|import|eval|innerHTML|localStorage", read.raw["script"])


def test_every_embedded_image_can_be_read(read):
    images = [address for address in read.addresses if address.startswith("data:image")]
    assert len(images) > 20
    for address in images:
        head, _, body = address.partition(",")
        assert head == "data:image/png;base64"
        with Image.open(io.BytesIO(base64.b64decode(body, validate=True))) as image:
            image.load()


def test_labels_are_shown_as_text(text, read):
    assert read.tags.count("script") == 1
    assert "<script>alert" not in text
    words = "".join(read.words)
    assert words.count(factories.HOSTILE) >= 10  # title, facts, names, labels, warnings, summaries, reasons, provenance


def test_the_policy_allows_only_the_pages_own_style_and_script(text, read):
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1].replace("&#39;", "'")
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(read.raw[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


def test_equal_reports_give_equal_pages(text):
    assert page(factories.report()) == text


def test_everything_of_the_report_is_there(read):
    words = " ".join(" ".join(read.words).split())
    for expected in (
        "3 star", "75.0 %", "< 0.1 %", "saliency", "gradient", "largest |value| over channels", "raw 4 × 4",
        "Feature maps", "all 5 channels", "6 filters of 3 × 3 × 3", "w / ‖w‖", "Receptive fields", "whole input",
        "2 of 5 targets gave an image", "no gradient at the start", "dead: nothing tried", "status diverged",
        "Not applied to this model", "no pooling", "1 min 10 s", "window 4, 4 · fill mean · sigma 0.15",
        '"technique": "made"', "9 × 9 × 6", "jax 1", "Warning model", "Warning beware of",
    ):  # fmt: skip
        assert expected in words, expected


def test_a_target_without_an_image_has_none(text):
    section = text[text.index('id="synthesised"') : text.index('id="techniques"')]
    assert section.count("<img") == 2
    assert section.count('class="empty"') == 3


def test_no_number_on_the_page_is_nan(text):
    shown = re.sub(r'"data:[^"]*"', "", text)
    assert not re.search(r"\b(nan|inf|infinity)\b", shown, re.IGNORECASE)


@pytest.mark.parametrize(
    "result",
    [
        factories.attribution(factories.signed(1, 6, 6, 3), "pixels"),
        factories.attribution(np.zeros((2, 6, 6))),
        factories.attribution(np.full((1, 1, 1), -1.0)),
        factories.attribution(factories.signed(1, 3, 9, 5), "pixels", channels=5),
        factories.attribution(factories.signed(1, 3, 9, 1), "pixels", channels=1),
        factories.attribution(factories.signed(1, 3, 4, 5), "maps"),
        factories.filters(),
        factories.filters(i=20),
        factories.receptive_fields(),
        factories.synthesis(),
        factories.synthesis(("dead",)),
    ],
    ids=lambda result: type(result).__name__,
)
def test_a_single_result_is_a_page_of_its_own(result):
    read = Reader(page(result, title="my <title>"))
    assert "my <title>" in "".join(read.words)
    assert read.open == []
    for address in read.addresses:
        assert address.startswith("data:") or address.removeprefix("#") in read.ids


def test_receptive_fields_are_drawn_over_the_first_image(text):
    section = text[text.index('id="fields"') : text.index('id="synthesised"')]
    assert '<use href="#image-0"' in section
    assert section.count('class="box"') == 5


def test_wrong_options_and_kinds_are_refused(tmp_path):
    with pytest.raises(UsageError, match="no display option 'alpha' here"):
        render(factories.filters(), tmp_path / "out.html", alpha=1)
    with pytest.raises(RenderError, match="no page for dict; there are pages for Report, Attribution"):
        page({})
    with pytest.raises(RenderError, match="NaN or infinite"):
        render(factories.attribution(np.full((1, 2, 2), np.inf)), tmp_path / "out.html")
    assert not list(tmp_path.iterdir())


def test_a_curve_becomes_points_in_its_box():
    assert spark(np.array([0.0, 1.0, 2.0])) == "0.0,22.0 50.0,12.0 100.0,2.0"
    assert spark(np.array([3.0, 3.0])) == "0.0,22.0 100.0,22.0"
    assert spark(np.array([0.0, np.nan])) == ""
    assert len(spark(np.arange(5000.0)).split()) == 100


def test_layers_and_units_link_into_a_site_that_is_given():
    report = dataclasses.replace(factories.report(), site="../a%20site/index.html", site_layers=("conv1",))
    read = Reader(page(report))
    outside = {address for address in read.addresses if not address.startswith(("#", "data:"))}
    units = {f"../a%20site/index.html#/conv1/{k}" for k in range(5)}
    assert outside == {"../a%20site/index.html", "../a%20site/index.html#/conv1", *units}
    assert "../a%20site" not in page(dataclasses.replace(report, site="", site_layers=()))
