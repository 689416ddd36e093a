"""A site in a folder is data: read as far as its form is that of one, in one sentence where it is not."""

import base64
import json
import shutil
import zlib

import numpy as np
import pytest
from PIL import Image

import cnnviz_jax as cv
from cnnviz_jax.errors import ImageError, ResultFileError
from cnnviz_jax.site.folder import FUNCTION
from tests.explorer import sites


@pytest.fixture
def root(tmp_path):
    return shutil.copytree(sites.made().folder.root, tmp_path / "site")


def edit(root, **changes):
    content = json.loads((root / "site.json").read_text())
    (root / "site.json").write_text(json.dumps(content | changes))


@pytest.mark.parametrize("slug", ["../../secret", "/etc/passwd", "", "a/b", 7])
def test_a_slug_that_leads_out_of_the_folder_is_refused(root, slug):
    layers = json.loads((root / "site.json").read_text())["layers"]
    edit(root, layers=[{**row, "slug": slug} for row in layers])
    with pytest.raises(ResultFileError, match="slug"):
        cv.open_site(root)


@pytest.mark.parametrize(
    "changes", [{"layers": 3}, {"units_per_sheet": 0}, {"identity": {}}, {"title": None}, {"images": [3]}], ids=str
)
def test_a_summary_of_another_form_is_refused(root, changes):
    edit(root, **changes)
    with pytest.raises(ResultFileError, match=r"site\.json cannot be read: "):
        cv.open_site(root)


def test_brackets_without_end_are_refused(root):
    (root / "site.json").write_text("[" * 100_000)
    with pytest.raises(ResultFileError, match="cannot be read"):
        cv.open_site(root)


def test_data_that_inflate_to_far_more_than_their_file_are_refused(root):
    name, unit = cv.open_site(root).layers[0], 0
    for path in (root / "data").glob("*-u*.js"):
        packed = zlib.compress(b" " * (90 << 20), 9)
        path.write_text(f'{FUNCTION}("{path.stem}","{base64.b64encode(packed).decode()}");\n')
    with pytest.raises(ResultFileError, match="far longer than its file"):
        cv.open_site(root).unit(name, unit)


def test_a_sheet_elsewhere_or_of_another_size_is_not_opened(root, tmp_path):
    site = cv.open_site(root)
    unit = site.unit(site.layers[0], 0)
    tile = unit.tiles()[0]
    assert unit.pixels(tile).ndim == 3
    sheet = root / "tiles" / unit._sheets[tile["at"][0]][0]
    Image.fromarray(np.zeros((3_000, 2, 3), np.uint8)).save(sheet)
    with pytest.raises(ImageError, match="has 2 x 3000 pixels, and should not"):
        unit.pixels(tile)
    unit._sheets = [["../../secret.png", *each[1:]] for each in unit._sheets]
    with pytest.raises(ResultFileError, match=r"names the sheet '\.\./\.\./secret.png', which is none of its own"):
        unit.pixels(tile)


def test_a_data_file_of_another_form_is_named_by_its_folder(root):
    site = cv.open_site(root)
    name = site.layers[0]
    slug = next(row["slug"] for row in site.summary["layers"] if row["name"] == name)
    site.folder.write(slug, {"columns": [1, 2]})
    with pytest.raises(ResultFileError, match="has another form than is written"):
        site.layer(name)
