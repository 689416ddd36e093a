"""Pages beside those of units: a hook of their own, concepts from masks, and what is wrong with one in a sentence."""

import functools
import tempfile
from pathlib import Path

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import PluginError, UnknownNameError, UsageError
from cnnviz_jax.plugins import plugins, reset_plugins
from tests.explorer.sites import COUNT, content, explore, images, labels, model

SEASONS = """
from cnnviz_jax.plugin import Cell, Cells, Collection, CollectionSpec, Tiles, hookimpl

def build(config, case):
    def page(number):
        tile = case.tile(number, (0, 0, 3, 3), 0.5, of="a corner,")
        return [Tiles(tiles=[tile]), Cells(levels=[(1, 2, [Cell(row=0, column=1, tile=tile)])])]
    return {answer}

@hookimpl
def cnnviz_collections():
    yield CollectionSpec(name="{name}", summary="Seasons", build=build{more})
"""
WHOLE = 'Collection(titles=["spring", "<i>fall</i>"], page=page, notes=["wet", "dry"])'


def masks() -> np.ndarray:
    """One corner in every other image, an edge in the first three, and a concept that no image shows."""
    found = np.zeros((COUNT, 3, 12, 10), bool)
    for number in range(0, COUNT, 2):
        found[number, 0, : 2 + number // 2, 1:4] = True
    found[:3, 1, :, 9] = True
    return found


def with_masks(out, **options):
    return explore(out, layers=["stem", "head"], detail="light", fields={"parts": masks()}, masks="parts", **options)


@functools.cache
def made() -> cv.Site:
    return with_masks(Path(tempfile.mkdtemp(prefix="cnnviz-test-")) / "site")


@functools.cache
def dissection():
    return cv.survey("dissection", model(), images(), layer="stem", fields={"parts": masks()}, masks="parts", batch=4)


@pytest.fixture
def registry():
    reset_plugins()
    yield plugins()
    reset_plugins()


def of(page, title):
    return next(part for part in page.parts if part.get("title") == title)


def test_a_concept_has_its_images_cut_to_the_box_of_its_mask():
    assert made().collections == {"concepts": ["concept 0", "concept 1", "concept 2"]}
    page = made().page("concepts", 0)
    assert page.facts == {"images that show it": 6, "images read": COUNT}
    tiles = of(page, "Images that show it most")["tiles"]
    assert [tile["image"] for tile in tiles] == [10, 8, 6, 4, 2, 0]
    assert [tile["value"] for tile in tiles] == [21, 18, 15, 12, 9, 6]  # pixels of the mask
    assert [tile["box"] for tile in tiles] == [[0, 1, 1 + n // 2, 3] for n in (10, 8, 6, 4, 2, 0)]
    crop = np.round(images()[10, :7, 1:4] * 255)
    np.testing.assert_array_equal(page.pixels(tiles[0]), crop)


def test_the_units_that_detect_a_concept_are_those_of_the_dissection():
    for number in range(3):
        page, iou = made().page("concepts", number), dissection().iou[:, number]
        best = of(page, "The best unit of each layer")["rows"]
        assert best == [["stem", iou.max(), f"#/stem/{iou.argmax()}"]]
        if iou.any():
            rows = of(page, "Units that overlap it most")["rows"]
            assert [row[1] for row in rows] == [unit for unit in np.argsort(-iou, kind="stable") if iou[unit] > 0]
            assert [row[2] for row in rows] == sorted(iou[iou > 0], reverse=True)


def test_a_unit_shows_the_concepts_that_it_detects_and_a_layer_without_a_map_none():
    for unit in range(6):
        found, *rest = made().unit("stem", unit).panels["concepts"]
        told = dissection().detectors.get(unit)
        assert found["text"].endswith(f"it is a detector of {told or 'none'}.")
        bars = next((part["rows"] for part in rest if part["part"] == "bars"), [])
        iou = dissection().iou[unit]
        assert [[name, value] for name, value, _ in bars] == [
            [f"concept {at}", iou[at]] for at in np.argsort(-iou, kind="stable") if iou[at] > 0
        ]
        assert of_unit_threshold(rest) == pytest.approx(dissection().threshold[unit])
    assert "concepts" not in made().unit("head", 0).panels


def of_unit_threshold(parts):
    return next(part["rows"][0][1] for part in parts if part["part"] == "facts")


def test_two_runs_give_the_same_bytes_and_one_that_was_stopped_continues_to_them(tmp_path, monkeypatch):
    from cnnviz_jax.site.folder import SiteFolder

    write = SiteFolder.write

    def until_the_collection(self, name, held):
        if name == "C00":
            raise KeyboardInterrupt
        write(self, name, held)

    monkeypatch.setattr(SiteFolder, "write", until_the_collection)
    with pytest.raises(KeyboardInterrupt):
        with_masks(tmp_path / "site")
    monkeypatch.setattr(SiteFolder, "write", write)
    stopped = cv.open_site(tmp_path / "site")
    assert stopped.is_complete
    assert stopped.collections == {}
    with_masks(tmp_path / "site")
    assert content(tmp_path / "site") == content(made().folder.root)


def test_a_strangers_collection_is_added_to_a_site_that_is_complete(registry, tmp_path):
    explore(tmp_path / "site", layers="head", detail="light")
    (tmp_path / "seasons.py").write_text(SEASONS.format(answer=WHOLE, name="seasons", more=""))
    registry.load_file(tmp_path / "seasons.py")
    site = explore(tmp_path / "site", layers="head", detail="light", collections=["seasons"])
    assert site.collections == {"seasons": ["spring", "<i>fall</i>"]}
    page = site.page("seasons", 1)
    assert page.title == "<i>fall</i>"
    (cell,) = page.parts[1]["levels"][0]["cells"]
    np.testing.assert_array_equal(page.pixels(cell["tile"]), np.round(images()[1, :4, :4] * 255))
    with pytest.raises(UsageError, match="seasons has pages 0 to 1, got 2"):
        site.page("seasons", 2)
    with pytest.raises(UsageError, match=r"no collection 'season' in .* Did you mean 'seasons'"):
        site.page("season", 0)
    with pytest.raises(UsageError, match="has the collection 'seasons' with other options or another seed"):
        explore(tmp_path / "site", layers="head", detail="light", collections=["seasons"], key=7)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("[1]", "collection 'broken' gave list; a Collection is needed"),
        ("Collection(titles=['a'], page=lambda number: 'words')", "collection 'broken' gave str; a list of parts"),
        ("1 / 0", "failed: ZeroDivisionError: division by zero"),
    ],
)
def test_what_a_collection_does_wrong_is_told_in_a_sentence(answer, words, registry, tmp_path):
    (tmp_path / "broken.py").write_text(SEASONS.format(answer=answer, name="broken", more=""))
    registry.load_file(tmp_path / "broken.py")
    with pytest.raises(PluginError, match=words):
        explore(tmp_path / "site", layers="head", detail="light", collections=["broken"])


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("image", "", "name is that of pages that every site has: image, class, compare, live, dictionary"),
        ("mine", ", surveys=[3]", "surveys is .*, not a mapping"),
        ("mine", ", config=3", "config is 3, not a dataclass"),
    ],
)
def test_an_unsound_record_is_refused(name, more, words, registry, tmp_path):
    (tmp_path / "unsound.py").write_text(SEASONS.format(answer="None", name=name, more=more))
    with pytest.raises(PluginError, match=words):
        registry.load_file(tmp_path / "unsound.py")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"collections": ["concept"]}, UnknownNameError, "no collection 'concept'. Did you mean 'concepts'"),
        ({"collections": ["concepts"]}, UsageError, "'concepts' is of concept masks; say the field that has them"),
        ({"collections": "concepts"}, UsageError, "collections are a list of names"),
        ({"masks": "parts"}, UsageError, "the images bring no field 'parts' with masks; their fields: label"),
        ({"panels": ["concepts"]}, UsageError, "the panel 'concepts' is of concept masks"),
    ],
)
def test_wrong_requests_are_refused_before_any_work(options, error, words, tmp_path):
    with pytest.raises(error, match=words):
        cv.explore(model(), images(), tmp_path / "site", labels(), layers="head", **options)
    assert not list(tmp_path.iterdir())
