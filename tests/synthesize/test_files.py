"""Files of a synthesis: the stitched grid, the moving one, and the numbers."""

import json

import numpy as np
import pytest
from PIL import Image

import cnnviz_jax as cv
from cnnviz_jax.errors import RenderError, UsageError
from cnnviz_jax.results.provenance import Provenance


def synthesis(count=5, size=(6, 4), channels=3, frames=3):
    random = np.random.default_rng(0)
    images = random.uniform(size=(count, *size, channels)).astype(np.float32)
    status = ("ok", "no_gradient", *["ok"] * (count - 2))
    extras = {
        "frames": random.uniform(size=(count, frames, *size, channels)).astype(np.float32),
        "ratio": np.asarray([np.inf, *range(1, count)], np.float32),
        "exemplar_crops": random.uniform(size=(count, 2, 3, 2, channels)).astype(np.float32),
    }
    return cv.Synthesis(
        images=images, raw=images, curves=np.ones((count, 2), np.float32), extras=extras if frames else {},
        activation=np.asarray([3, 0, -1, 5, 1], np.float32)[:count], status=status,
        provenance=Provenance(
            technique="t", model="m", config=None, targets=tuple(f"c channel {i}" for i in range(count))
        ),
    )  # fmt: skip


def drawn(made, path, **display):
    cv.render(made, path, renderer="grid", **display)
    return np.asarray(Image.open(path).convert("RGB"))


def test_the_grid_holds_every_pixel_and_black_margins(tmp_path):
    made = synthesis()
    sheet = drawn(made, tmp_path / "grid.png", margin_px=2)
    assert sheet.shape == (2 * 6 + 2, 3 * 4 + 2 * 2, 3)
    np.testing.assert_array_equal(sheet[:6, :4], np.round(255 * made.images[0]))
    np.testing.assert_array_equal(sheet[8:, 6:10], np.round(255 * made.images[4]))
    assert sheet[6:8].max() == 0
    assert set(np.unique(sheet[:6, 6:10])) <= {150, 255}, "a target without an image is crossed out"


def test_the_best_come_first_and_blocks_stand_in_a_row(tmp_path):
    made = synthesis()
    sheet = drawn(made, tmp_path / "best.png", best=2, columns=2, margin_px=0)
    np.testing.assert_array_equal(sheet[:, :4], np.round(255 * made.images[3]))
    np.testing.assert_array_equal(sheet[:, 4:], np.round(255 * made.images[0]))
    blocks = drawn(made, tmp_path / "blocks.png", block=4, margin_px=1)
    assert blocks.shape == (13, 9 + 4 + 9, 3)


def test_exemplars_stand_to_the_right_at_equal_height(tmp_path):
    sheet = drawn(synthesis(), tmp_path / "pairs.png", exemplars=2, columns=1, margin_px=2)
    assert sheet.shape == (5 * 6 + 4 * 2, 3 * 4 + 2 * 1, 3)


@pytest.mark.parametrize("channels", [1, 5])
def test_other_channel_counts_are_grey(channels, tmp_path):
    sheet = drawn(synthesis(channels=channels), tmp_path / "grey.png")
    assert (sheet == sheet[..., :1]).all()


def test_the_ascent_is_a_looping_gif_that_rests_at_its_end(tmp_path):
    cv.render(synthesis(), tmp_path / "a.gif", margin_px=2)
    durations = []
    with Image.open(tmp_path / "a.gif") as film:
        assert (film.n_frames, film.size, film.info["loop"]) == (3, (16, 14), 0)
        for k in range(3):
            film.seek(k)
            durations.append(film.info["duration"])
    assert durations == [80, 80, 1500]
    with pytest.raises(RenderError, match="kept no images of its ascent"):
        cv.render(synthesis(frames=0), tmp_path / "b.gif")


def test_every_number_is_json(tmp_path):
    cv.render(synthesis(), tmp_path / "a.json")
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["images"][3] == {
        "target": "c channel 3", "status": "ok", "activation": 5.0, "ratio": 3.0, "curve": [1.0, 1.0],
    }  # fmt: skip
    assert found["images"][0]["ratio"] is None, "JSON knows no infinity"
    assert found["provenance"]["model"] == "m"


@pytest.mark.parametrize(
    ("display", "error", "text"),
    [
        ({"colums": 3}, UsageError, "no display option 'colums' here. Did you mean 'columns'"),
        ({"columns": 0}, UsageError, "columns is a whole number of at least 1, got 0"),
    ],
)
def test_says_what_is_wrong(display, error, text, tmp_path):
    with pytest.raises(error, match=text):
        drawn(synthesis(), tmp_path / "x.png", **display)
