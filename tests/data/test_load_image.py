"""Image files: converted where one right reading exists, refused in a sentence elsewhere."""

import numpy as np
import pytest
from PIL import Image

import cnnviz_jax as cv
from cnnviz_jax.errors import ImageError
from tests.explain.small_network import model


def save(path, pixels, mode=None, **kwargs):
    Image.fromarray(pixels, mode).save(path, **kwargs) if mode else Image.fromarray(pixels).save(path, **kwargs)
    return path


@pytest.fixture(scope="module")
def colour():
    return model(16, 16, 3)


@pytest.fixture(scope="module")
def grey():
    return model(16, 16, 1)


RAMP = np.tile(np.arange(16, dtype=np.uint8) * 16, (16, 1))


def test_an_8_bit_image_of_the_right_size_is_its_pixels_over_255(tmp_path, colour):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    np.testing.assert_array_equal(cv.load_image(save(tmp_path / "a.png", pixels), colour), pixels / np.float32(255))


def test_greyscale_becomes_three_equal_channels_and_colour_becomes_luma(tmp_path, colour, grey):
    path = save(tmp_path / "g.png", RAMP)
    image = cv.load_image(path, colour)
    assert image.shape == (16, 16, 3)
    np.testing.assert_array_equal(image[..., 0], RAMP / np.float32(255))
    np.testing.assert_array_equal(image[..., 0], image[..., 2])
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 255
    assert cv.load_image(save(tmp_path / "r.png", red), grey).mean() == pytest.approx(76 / 255, abs=0.005)


def test_16_bit_greyscale_keeps_its_range(tmp_path, grey):
    deep = RAMP.astype(np.uint16) * 257
    np.testing.assert_allclose(cv.load_image(save(tmp_path / "d.png", deep), grey)[..., 0], RAMP / 255, atol=1e-4)


def test_transparency_is_laid_on_white(tmp_path, colour):
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[:, :8, 3] = 255  # black where opaque
    image = cv.load_image(save(tmp_path / "t.png", pixels), colour)
    assert image[:, :8].max() == 0
    assert image[:, 8:].min() == 1


def test_cmyk_is_converted(tmp_path, colour):
    path = tmp_path / "c.jpg"
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(path)
    image = cv.load_image(path, colour)
    assert image[..., 0].mean() > 0.8
    assert image[..., 1].mean() < 0.3


def test_exif_rotation_is_undone(tmp_path, colour):
    image = Image.fromarray(np.stack([RAMP] * 3, -1))
    exif = image.getexif()
    exif[0x0112] = 6  # shown turned a quarter clockwise
    image.save(tmp_path / "e.png", exif=exif)
    upright = cv.load_image(tmp_path / "e.png", colour)
    np.testing.assert_array_equal(upright[..., 0], np.rot90(RAMP, -1) / np.float32(255))


def test_a_large_image_keeps_its_aspect_and_its_centre(tmp_path, colour):
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, 32:64] = 255
    image = cv.load_image(save(tmp_path / "w.png", wide), colour)
    assert image[:, 1:-1].min() == 1  # only the outermost columns mix with what was cut off


def test_inputs_of_128_pixels_and_more_crop_seven_eighths(tmp_path):
    net = model(224, 224, 3)
    frame = np.full((256, 256, 3), 255, np.uint8)
    frame[16:240, 16:240] = 0
    assert cv.load_image(save(tmp_path / "f.png", frame), net).max() == 0
    assert cv.load_image(tmp_path / "f.png", net, crop_share=1).max() == 1


def truncated(tmp_path):
    path = save(tmp_path / "whole.png", np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    cut = tmp_path / "cut.png"
    cut.write_bytes(path.read_bytes()[:2000])
    return cut


def words(tmp_path):
    path = tmp_path / "words.png"
    path.write_text("no image")
    return path


def floats(tmp_path):
    return save(tmp_path / "f.tif", np.full((16, 16), 0.5, np.float32))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda folder: folder / "none.png", "no image at"),
        (lambda folder: folder, "is a folder"),
        (truncated, "is broken or cut short"),
        (words, "is not an image in a format that is read here: .png"),
        (floats, "floating-point pixels, which have no one right scale"),
    ],
)
def test_a_file_that_cannot_be_read_gets_a_sentence(make, text, tmp_path, colour):
    with pytest.raises(ImageError, match=text):
        cv.load_image(make(tmp_path), colour)


def test_a_model_of_five_channels_takes_arrays_only(tmp_path):
    with pytest.raises(ImageError, match="the model takes 5; pass arrays"):
        cv.load_image(save(tmp_path / "g.png", RAMP), model(16, 16, 5))
