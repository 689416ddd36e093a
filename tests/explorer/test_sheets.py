"""Sheets of tiles: each tile is found at its place, small ones exactly, and the file keeps to its size."""

import numpy as np
from PIL import Image

from cnnviz_jax.site.folder import plain
from cnnviz_jax.site.sheets import shrunk, write_sheet


def noise(count, height, width):
    return list(np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8))


def read(folder, name):
    with Image.open(folder / name) as image:
        return np.asarray(image.convert("RGB"))


def test_small_tiles_of_any_sizes_are_kept_exactly(tmp_path):
    tiles = [tile[: 5 + k % 3, : 7 - k % 2] for k, tile in enumerate(noise(11, 9, 9))]
    name, size, places = write_sheet(tmp_path / "sheet", tiles, most_bytes=1)
    assert name == "sheet.png"
    sheet = read(tmp_path, name)
    assert sheet.shape[:2] == size[::-1]
    for tile, (left, top, width, height) in zip(tiles, places, strict=True):
        np.testing.assert_array_equal(sheet[top : top + height, left : left + width], tile)


def test_large_tiles_begin_at_blocks_and_even_noise_is_written(tmp_path):
    tiles = noise(288, 64, 60)
    name, _, places = write_sheet(tmp_path / "sheet", tiles, most_bytes=10**9)
    assert name == "sheet.jpg"
    assert all(left % 8 == 0 and top % 8 == 0 for left, top, _, _ in places)
    left, top, width, height = places[7]
    found = read(tmp_path, name)[top : top + height, left : left + width]
    assert np.abs(found.astype(int) - tiles[7]).mean() < 30


def test_quality_falls_until_the_file_is_small_enough(tmp_path):
    smooth = [np.full((64, 64, 3), shade, np.uint8) + tile // 8 for shade, tile in enumerate(noise(16, 64, 64))]
    sizes = []
    for number, most in enumerate((10**9, 20_000, 1)):
        name, *_ = write_sheet(tmp_path / str(number), smooth, most_bytes=most)
        sizes.append((tmp_path / name).stat().st_size)
    assert sizes[0] > 20_000 >= sizes[1] >= sizes[2]


def test_an_image_is_only_ever_made_smaller():
    tile = noise(1, 10, 20)[0]
    assert shrunk(tile, 3) is tile
    assert shrunk(tile, 0.5).shape == (5, 10, 3)
    assert shrunk(tile, 1e-9).shape == (1, 1, 3)


def test_numbers_keep_their_value_in_json():
    assert plain(np.float32(0.1)) == 0.1
    assert np.float32(plain(np.float32(1) / np.float32(3))) == np.float32(1) / np.float32(3)
    assert plain({"a": (np.int64(3), np.float64(0.1), np.nan, np.inf, True)}) == {"a": [3, 0.1, None, None, True]}
