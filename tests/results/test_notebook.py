"""In a notebook a result shows its figure and what was done, as HTML in which nothing of the user's is markup."""

import base64
import html.parser
import importlib
import pkgutil
import re
import sys
import types

import matplotlib.figure
import numpy as np
import pytest

import cnnviz_jax as cv
import cnnviz_jax.results
from cnnviz_jax.errors import RenderError
from cnnviz_jax.plugins.rendering import png_bytes
from cnnviz_jax.results.result import Result
from tests.renderers import factories
from tests.results.every_result import MAKERS, made

PNG = b"\x89PNG\r\n\x1a\n"


class Tags(html.parser.HTMLParser):
    """Collects the tags, the images' addresses and the text of a piece of HTML."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


def test_every_class_of_result_is_made_here():
    for module in pkgutil.iter_modules(cnnviz_jax.results.__path__):
        importlib.import_module(f"cnnviz_jax.results.{module.name}")
    assert {kind.__name__ for kind in Result.__subclasses__() if kind.__module__.startswith("cnnviz_jax")} == set(
        MAKERS
    )


@pytest.mark.parametrize("name", MAKERS)
def test_every_result_shows_its_figure_in_a_notebook(name):
    found = Tags(made(name)._repr_html_())
    assert set(found.tags) <= {"div", "img", "details", "summary", "table", "tr", "th", "td"}
    (address,) = found.addresses
    kind, _, data = address.partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data).startswith(PNG)
    assert made(name)._repr_png_().startswith(PNG)


@pytest.mark.parametrize("name", MAKERS)
def test_the_text_of_a_result_is_one_line_without_numbers(name):
    text = repr(made(name))
    assert text.startswith(f"{name}(")
    assert "\n" not in text
    assert len(text) < 1000
    assert "array(" not in text


def test_labels_and_warnings_are_escaped_and_scale_target_and_technique_are_said():
    result = factories.attribution(factories.signed(2, 6, 6), warnings=(f"beware {factories.HOSTILE}",))
    shown = result._repr_html_()
    assert "<script" not in shown
    words = Tags(shown).text
    for said in ("made at conv1 · net", "3 star · logit 0", factories.HOSTILE, f"beware {factories.HOSTILE}"):
        assert said in words
    assert "symmetric around 0, cut at the 99th percentile of |value|; own scale for each" in words
    assert "window=4, 4" in words


def test_a_long_result_is_shown_in_part_and_says_so():
    result = factories.attribution(factories.signed(9, 4, 4))
    assert "3 more images are not shown" in Tags(result._repr_html_()).text
    assert "not shown" not in Tags(cv_fragment(result, limit=9)).text


def cv_fragment(result, **display):
    from cnnviz_jax.plugins.rendering import required

    return required("fragment", result)(result, **display)


def test_values_that_are_not_finite_are_refused_not_drawn():
    result = factories.attribution(np.full((1, 4, 4), np.nan))
    with pytest.raises(RenderError, match="NaN or infinite"):
        result._repr_html_()


def test_several_attributions_stand_in_one_figure_and_others_beside_one_another(monkeypatch):
    shown = in_a_notebook(monkeypatch)
    images = np.random.default_rng(0).random((2, 6, 6, 3)).astype(np.float32)
    both = [factories.attribution(factories.signed(2, 6, 6), images=images) for _ in range(2)]
    cv.show(both)
    assert len(Tags(shown[-1]).addresses) == 1
    cv.show(*both)
    assert len(Tags(shown[-1]).addresses) == 2
    cv.show([both[0], factories.filters()])
    assert len(Tags(shown[-1]).addresses) == 2


def in_a_notebook(monkeypatch):
    """Stand in for IPython with a kernel; returns what is displayed."""
    shown = []
    display = types.ModuleType("IPython.display")
    display.HTML = str
    display.display = lambda text, display_id=False: shown.append(text)
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    ipython.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return shown


def test_outside_of_notebooks_the_browser_shows_an_offline_page(monkeypatch, capsys):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    cv.show(factories.filters())
    (path,) = re.findall(r"shown in (\S+)", capsys.readouterr().err)
    assert opened == [f"file://{path}"]
    with open(path, encoding="utf-8") as page:
        assert Tags(page.read()).addresses[0].startswith("data:image/png")


def test_a_figure_is_matplotlibs_to_go_on_with(tmp_path):
    drawn = cv.figure(factories.filters(), limit=2)
    assert isinstance(drawn, matplotlib.figure.Figure)
    drawn.text(0.5, 0.5, "mine")
    drawn.savefig(tmp_path / "mine.png")
    with pytest.raises(RenderError, match="no renderer offers a figure of dict"):
        cv.figure({})


def test_several_in_one_figure_are_of_the_same_images(tmp_path):
    one, other = factories.attribution(factories.signed(2, 5, 5)), factories.attribution(factories.signed(1, 5, 5))
    path = cv.render([one, one], tmp_path / "both.svg")
    assert path.read_text().count("<image") == 2 * (1 + 2 * 2)  # per image itself, and per map grey and colour
    with pytest.raises(RenderError, match="same images; these differ"):
        cv.render([one, other], tmp_path / "both.png")
    with pytest.raises(RenderError, match="one class, these are Attribution, FilterBank"):
        cv.render([one, factories.filters()], tmp_path / "both.png")
    with pytest.raises(RenderError, match="no renderer of several FilterBank in one file"):
        cv.render([factories.filters()] * 2, tmp_path / "both.png")
    with pytest.raises(RenderError, match="these are none"):
        png_bytes([])


def test_an_overlay_is_colour_over_grey_in_zero_to_one():
    images = np.full((1, 2, 2, 3), 0.5, np.float32)
    result = factories.attribution(np.array([[[0, 1], [0.5, 0]]]), images=images)
    laid = result.overlay(colormap="gray", opacity=0.5, percentile=100)
    assert laid.shape == (1, 2, 2, 3)
    np.testing.assert_allclose(laid[0, ..., 0], [[0.25, 0.75], [0.5, 0.25]], atol=0.01)
    np.testing.assert_allclose(result.overlay(opacity=0), 0.5, atol=1e-6)
    with pytest.raises(cv.errors.UsageError, match="no display option 'opaque'"):
        result.overlay(opaque=1)
