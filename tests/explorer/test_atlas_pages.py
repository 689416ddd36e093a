"""Atlases and grids as pages: counts, means and places are those of the functions, icons are made along them."""

import functools
import tempfile
from pathlib import Path

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax import atlas
from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.errors import LayerNotFoundError, UsageError
from cnnviz_jax.site.case import Images
from cnnviz_jax.site.collections import SiteCase
from cnnviz_plugins.explorer.collections.atlas import rows_of
from cnnviz_plugins.explorer.collections.grid import blocks_of
from cnnviz_plugins.explorer.plugin import AtlasConfig
from tests.explorer.sites import COUNT, explore, images, model

DEEP = "deep"
OPTIONS = {
    "atlas": {"of": DEEP, "sizes": (2, 4), "positions": 8, "steps": 2},
    "grid": {"of": "3+7", "layer": DEEP, "side": 3, "steps": 2},
}


@functools.cache
def site() -> cv.Site:
    out = Path(tempfile.mkdtemp(prefix="cnnviz-test-")) / "site"
    return explore(out, layers=DEEP, detail="light", collections=OPTIONS, key=0)


def levels(page):
    return next(part for part in page.parts if part["part"] == "cells")["levels"]


def test_every_level_counts_the_same_positions_and_finer_cells_lie_within_coarser():
    page = site().page("atlas", 0)
    assert page.title == DEEP
    assert page.facts["positions"] == 8 * COUNT
    assert page.facts["images"] == COUNT
    coarse, fine = levels(page)
    assert (coarse["rows"], fine["rows"]) == (2, 4)
    kept = {(cell["row"], cell["column"]) for cell in coarse["cells"]}
    assert {(cell["row"] // 2, cell["column"] // 2) for cell in fine["cells"]} <= kept
    for level in (coarse, fine):
        counts = [int(cell["tile"]["alt"].split()[3]) for cell in level["cells"]]
        assert all(count > 5 for count in counts)
        assert sum(counts) <= 8 * COUNT
        sizes = [cell["size"] for cell in level["cells"]]
        np.testing.assert_allclose(sizes, 0.4 + 0.6 * np.sqrt(np.array(counts) / max(counts)))


def test_cells_hold_the_means_of_values_at_real_places_and_the_crops_nearest_to_them():
    layer = model().layers[DEEP]
    dataset = Dataset.of(images(), (12, 10, 3))
    case = SiteCase(
        model=model(), dataset=dataset, images=Images(dataset), shown=(DEEP,), results={}, detail="light", masks=None,
        key=0, memory_budget=None,
    )  # fmt: skip
    empty = case.tile(2, (0, 0, -1, -1))  # where a unit sees only padding
    assert (empty.alt, empty.pixels.tolist()) == (f"the padding of {dataset.source.name(2)}", [[[128] * 3]])
    rows, index = rows_of(AtlasConfig(**OPTIONS["atlas"]), case, layer)
    maps = cv.capture(model(), images(), [DEEP])[DEEP]
    np.testing.assert_allclose(rows, maps[tuple(index.T)], rtol=1e-4, atol=1e-5)
    places = atlas.normalised(atlas.principal_axes(rows))
    for level in levels(site().page("atlas", 0)):
        size = level["rows"]
        cells = atlas.cells_of(places, size)
        means = atlas.cell_means(rows, cells)
        assert {(cell["column"], size - 1 - cell["row"]) for cell in level["cells"]} == set(means)
        for cell in level["cells"]:
            at = cell["column"], size - 1 - cell["row"]
            crops, units = cell["parts"]
            assert cell["tile"]["alt"] == f"image made for {cells.counts[at]} positions"
            order = [unit for unit in np.argsort(-means[at], kind="stable")[:6] if means[at][unit] > 0]
            assert [row[1] for row in units["rows"]] == order
            np.testing.assert_allclose([row[2] for row in units["rows"]], means[at][order], rtol=1e-6)
            own = np.flatnonzero(cells.number == at[0] * size + at[1])
            near = own[np.argsort(((rows[own] - means[at]) ** 2).sum(1), kind="stable")[:4]]
            assert [tile["image"] for tile in crops["tiles"]] == index[near, 0].tolist()


def test_two_clusters_never_share_a_cell_and_each_direction_raises_its_own():
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal((5, 0, 0), 0.1, (40, 3)), rng.normal((0, 5, 0), 0.1, (40, 3))])
    cells = atlas.cells_of(atlas.normalised(atlas.principal_axes(rows)), 4)
    assert not set(cells.number[:40]) & set(cells.number[40:])
    inverse = atlas.whitening(rows)
    for (a, b), mean in atlas.cell_means(rows, cells).items():
        along = atlas.alignment(rows, mean @ inverse)
        own = cells.number == a * 4 + b
        assert along[own].mean() > along[~own].mean()


def test_the_grid_of_an_image_has_the_layers_values_at_each_place():
    for at, number in enumerate((3, 7)):
        page = site().page("grid", at)
        assert page.title == f"image {number} at {DEEP}"
        blocks = blocks_of(cv.capture(model(), images()[number : number + 1], [DEEP])[DEEP][0], 3)
        lengths = np.linalg.norm(blocks, axis=-1)
        (level,) = levels(page)
        assert (level["rows"], level["columns"]) == blocks.shape[:2]
        assert page.facts["largest length"] == pytest.approx(lengths.max(), rel=1e-6)
        assert len(level["cells"]) == (lengths > 0).sum()
        for cell in level["cells"]:
            place = cell["row"], cell["column"]
            assert cell["size"] == pytest.approx(max(0.3, lengths[place] / lengths.max()), rel=1e-5)
            order = np.argsort(-blocks[place], kind="stable")[:4]
            wanted = [[DEEP, unit, blocks[place][unit]] for unit in order.tolist() if blocks[place][unit] > 0]
            assert cell["parts"][1]["rows"] == [[name, unit, pytest.approx(value)] for name, unit, value in wanted]


def test_blocks_are_means_and_a_small_map_stays_whole():
    value = np.arange(2 * 5 * 1, dtype=np.float32).reshape(2, 5, 1)
    np.testing.assert_array_equal(blocks_of(value, 8), value)
    np.testing.assert_array_equal(blocks_of(value, 3)[..., 0], [[0.5, 2.5, 4], [5.5, 7.5, 9]])


def test_the_same_call_makes_the_same_pages_and_another_asks_for_another_folder(tmp_path):
    again = explore(tmp_path / "site", layers=DEEP, detail="light", collections={"grid": OPTIONS["grid"]}, key=0)
    assert again.page("grid", 1).parts == site().page("grid", 1).parts
    with pytest.raises(UsageError, match="has the collection 'grid' with other options"):
        explore(tmp_path / "site", layers=DEEP, detail="light", collections=["grid:3"], key=0)


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        (["atlas"], UsageError, "atlas: .*of"),
        (["atlas:dep"], LayerNotFoundError, "no layer 'dep'"),
        (["grid:99"], UsageError, "a grid is of images by number, 0 to 11, such as grid:3\\+7; got '99'"),
        ({"grid": {"side": 0}}, UsageError, "side is at least 1, got 0"),
        ({"grid": {"sid": 1}}, UsageError, "grid has no option 'sid'"),
    ],
)
def test_what_does_not_fit_is_told(asked, error, words, tmp_path):
    with pytest.raises(error, match=words):
        explore(tmp_path / "site", layers=DEEP, detail="light", collections=asked)


def test_the_direction_of_the_middle_position_is_no_mean():
    import jax.numpy as jnp

    value = jnp.zeros((3, 4, 2)).at[1, 2].set(jnp.array([3.0, 4.0]))
    at_middle = cv.targets.direction(DEEP, [3.0, 4.0], at="middle").score(None, {DEEP: value})
    assert float(at_middle) == 25
    assert float(cv.targets.direction(DEEP, [3.0, 4.0]).score(None, {DEEP: value})) == pytest.approx(25 / 12)
