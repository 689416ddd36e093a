"""Figures: every kind of result in every form, equal bytes for equal results, nothing below 7 points."""

import dataclasses
import re
import sys
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from cnnviz_jax.errors import RenderError, UsageError
from cnnviz_plugins.renderers.figure import figure, render
from tests.renderers import factories

LOW = np.abs(factories.signed(2, 3, 3))
RESULTS = {
    "pixels": (factories.attribution(factories.signed(2, 12, 8, 3), "pixels", warnings=("careful",)), {}),
    "heatmap": (factories.attribution(np.kron(LOW, np.ones((4, 4))), low_res=LOW), {}),
    "shared": (factories.attribution(factories.signed(2, 6, 6)), {"scale": "shared", "colormap": "zeiler-fergus"}),
    "maps": (factories.attribution(factories.signed(1, 4, 6, 5), "maps"), {}),
    "maps shared": (factories.attribution(factories.signed(1, 4, 6, 5), "maps"), {"scale": "shared"}),
    "colour filters": (factories.filters(), {}),
    "grey filters": (factories.filters(5, 7, 1, 3), {"scale": "own"}),
    "deep filters": (factories.filters(3, 3, 20, 3), {}),
    "pointwise filters": (factories.filters(1, 1, 40, 2), {"norm": "raw"}),
    "fields": (factories.receptive_fields(), {}),
    "synthesis": (factories.synthesis(), {}),
    "curves": (factories.synthesis(), {"view": "curves"}),
}


@pytest.fixture(params=RESULTS)
def case(request):
    return RESULTS[request.param]


def words_of(drawn):
    return [text for text in drawn.findobj(Text) if text.get_text().strip() and text.get_visible()]


# PDF embeds fonts anew each time, which is slow: one case with images, one with curves.
FORMS = [(name, suffix) for name in RESULTS for suffix in (".png", ".svg")] + [("heatmap", ".pdf"), ("curves", ".pdf")]


@pytest.mark.parametrize(("name", "suffix"), FORMS)
def test_equal_results_give_equal_bytes_without_dates(name, suffix, tmp_path):
    result, display = RESULTS[name]
    first, second = tmp_path / f"first{suffix}", tmp_path / f"second{suffix}"
    render(result, first, **display)
    with matplotlib.rc_context({"font.size": 30, "image.cmap": "jet", "svg.hashsalt": "else"}):
        render(result, second, **display)
    data = first.read_bytes()
    assert data == second.read_bytes()
    assert not re.search(rb"20\d\d-\d\d-\d\dT|CreationDate", data)
    if suffix == ".svg":
        ElementTree.fromstring(data)
    if suffix == ".png":
        with Image.open(first) as image:
            image.load()
            assert min(image.size) > 200


def test_no_words_are_smaller_than_7_points_or_leave_the_sheet(case):
    result, display = case
    drawn = figure(result, **display)
    assert min(text.get_fontsize() for text in words_of(drawn)) >= 7
    size = FigureCanvasAgg(drawn)
    size.draw()
    box = drawn.bbox
    for text in words_of(drawn):
        extent = text.get_window_extent(size.get_renderer())
        assert extent.x0 >= box.x0 - 1, text
        assert extent.x1 <= box.x1 + 1, text
        assert extent.y0 >= box.y0 - 1, text
        assert extent.y1 <= box.y1 + 1, text


def test_an_attribution_figure_says_technique_layer_target_score_scale_and_warning():
    result, display = RESULTS["pixels"]
    words = "\n".join(text.get_text() for text in words_of(figure(result, **display)))
    for expected in ("made at conv1 · net", "3 star · logit 0", "largest |value| over channels", "99th percentile",
                     "own scale for each", "Warning: careful", "score per unit of intensity"):  # fmt: skip
        assert expected in words


def test_a_label_with_dollars_is_text_not_mathematics():
    words = [text.get_text() for text in words_of(figure(RESULTS["pixels"][0]))]
    assert f"{factories.HOSTILE} · logit 1" in words


def test_a_raw_map_gets_its_own_panel_with_its_size():
    words = [text.get_text() for text in words_of(figure(RESULTS["heatmap"][0]))]
    assert words.count("raw, 3 × 3") == 2


def test_a_channel_without_an_image_is_an_empty_cell_with_its_reason():
    drawn = figure(factories.synthesis())
    words = " ".join(text.get_text().replace("\n", " ") for text in words_of(drawn))
    for reason in (
        "no gradient at the start",
        "diverged",
        "dead: nothing tried makes it active",
        "status: no_gradient",
    ):
        assert reason in words
    assert sum(bool(axes.images) for axes in drawn.axes) == 2  # the two that are ok, of five


def test_curves_are_drawn_only_for_targets_that_are_ok():
    drawn = figure(factories.synthesis(), view="curves")
    whole = [line for line in drawn.axes[0].lines if len(line.get_xdata()) == 6]
    assert len(whole) == 2
    assert "channel 1 (no_gradient)" in " ".join(text.get_text() for text in words_of(drawn))


def test_names_stand_beside_the_ends_of_their_curves_and_apart_where_ends_meet():
    ends = np.array([8.0, 0.1, 0.0, 0.0, 0.0])
    curves = np.linspace(-1.0, 1.0, 6) + (ends - 1.0)[:, None]
    several = dataclasses.replace(factories.synthesis(), curves=curves.astype(np.float32), status=("ok",) * 5)
    axes = figure(several, view="curves").axes[0]
    levels = [text.get_position()[1] for text in axes.texts]  # from the highest end down
    low, high = axes.get_ylim()
    assert levels[0] == pytest.approx((8.0 - low) / (high - low), abs=0.01)
    assert levels[0] - levels[1] > 0.5
    assert np.diff(levels).max() < -0.07, "names overlap"
    assert min(levels) >= 0


@pytest.mark.parametrize(
    ("values", "view"),
    [
        (np.zeros((1, 5, 5)), "heatmap"),
        (np.full((1, 5, 5), 2.0), "heatmap"),
        (np.full((1, 5, 5), -2.0), "heatmap"),
        (np.ones((1, 1, 1)), "heatmap"),
        (np.zeros((1, 5, 5, 3)), "pixels"),
        (factories.signed(1, 5, 5, 1), "pixels"),
        (factories.signed(1, 5, 5, 5), "pixels"),
        (factories.signed(1, 3, 40, 3), "pixels"),
        (factories.signed(1, 40, 3, 3), "pixels"),
        (np.zeros((1, 1, 1, 2)), "maps"),
    ],
)
def test_awkward_maps_can_be_drawn(values, view, tmp_path):
    channels = values.shape[-1] if view == "pixels" else 3
    render(factories.attribution(values, view, channels=channels), tmp_path / "out.png", dpi=60)
    with Image.open(tmp_path / "out.png") as image:
        image.load()


def test_a_map_that_is_not_finite_leaves_no_file(tmp_path):
    with pytest.raises(RenderError, match="NaN or infinite"):
        render(factories.attribution(np.full((1, 2, 2), np.nan)), tmp_path / "out.png")
    assert not list(tmp_path.iterdir())


def test_every_status_but_ok_may_stand_alone(tmp_path):
    for view in ("grid", "curves"):
        render(factories.synthesis(("dead", "diverged")), tmp_path / "out.png", view=view)


def test_unknown_options_and_kinds_are_refused(tmp_path):
    with pytest.raises(
        UsageError, match=r"no display option 'policy' here. There are title, view, norm, scale, limit, inputs"
    ):
        render(factories.filters(), tmp_path / "out.png", policy="symmetric")
    with pytest.raises(UsageError, match="dpi is 5; it must lie from 30 to 1200"):
        render(factories.filters(), tmp_path / "out.png", dpi=5)
    with pytest.raises(RenderError, match=r"no figure for Provenance; there are figures for Attribution, .*FilterBank"):
        figure(factories.provenance())


def test_drawing_changes_no_setting_and_never_imports_pyplot(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)  # others' tests may have imported it
    before = dict(matplotlib.rcParams)
    render(factories.filters(), tmp_path / "out.svg")
    assert dict(matplotlib.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules
