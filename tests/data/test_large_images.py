"""Images that would take much memory, time or another program: bounded, or refused in a sentence."""

import os

import numpy as np
import pytest
from PIL import Image

import cnnviz_jax as cv
from cnnviz_jax.data import images
from cnnviz_jax.data.images import fit, open_image
from cnnviz_jax.errors import ImageError
from tests.hostile.attack import _peak_mib, _start_of_peak


class Taker:
    input_shape = (224, 224, 3)


def peak_mib(function):
    before = _start_of_peak()
    function()
    return _peak_mib() - before


@pytest.mark.parametrize("size", [(1, 30_000), (30_000, 1)])
def test_a_long_image_is_cropped_before_it_is_resized(tmp_path, size):
    Image.new("RGB", size, (200, 0, 0)).save(tmp_path / "long.png")
    assert peak_mib(lambda: cv.load_image(tmp_path / "long.png", Taker())) < 64
    np.testing.assert_allclose(cv.load_image(tmp_path / "long.png", Taker())[..., 0], 200 / 255)


@pytest.mark.parametrize("size", [(500, 375), (60, 41), (1000, 200)])
def test_cropping_first_gives_the_same_but_for_rounding(size, monkeypatch):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8))
    resized = fit(image, 64, 48, 0.875)
    monkeypatch.setattr(images, "_MOST_RESIZED", 0)
    np.testing.assert_allclose(fit(image, 64, 48, 0.875), resized, atol=1.01 / 255)


@pytest.mark.parametrize(("mode", "copies"), [("RGB", 1), ("RGBA", 2), ("P", 2)])
def test_a_large_image_is_decoded_into_one_copy_and_converted_into_another(tmp_path, mode, copies):
    Image.new(mode, (5_000, 5_000)).save(tmp_path / "large.png", compress_level=1)
    pixels_mib = 5_000 * 5_000 * 4 / 2**20
    assert (
        peak_mib(lambda: cv.load_image(tmp_path / "large.png", Taker())) < copies * pixels_mib + 110 * (copies - 1) + 30
    )


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_jpeg_of_too_many_pixels_is_decoded_smaller_and_others_whole(tmp_path, monkeypatch):
    Image.new("RGB", (1_600, 1_000), (9, 99, 199)).save(tmp_path / "large.jpg")
    assert open_image(tmp_path / "large.jpg", 3, least_px=30).size == (1_600, 1_000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)
    assert open_image(tmp_path / "large.jpg", 3, least_px=30).size == (400, 250)
    assert open_image(tmp_path / "large.jpg", 3, least_px=200).size == (1_600, 1_000)


def test_a_program_for_ghostscript_is_never_handed_to_it(tmp_path, monkeypatch):
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_: pytest.fail("Ghostscript was run"))
    for name in ("a.png", "a.eps"):
        (tmp_path / name).write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n%%EOF\n")
        with pytest.raises(ImageError, match=r"is not an image in a format that is read here: \.png"):
            cv.load_image(tmp_path / name, Taker())


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="is no file that holds an image, but a pipe or a device"):
        cv.load_image(tmp_path / "pipe.png", Taker())


def test_whatever_a_decoder_raises_is_a_sentence(tmp_path, monkeypatch):
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")

    def fail(*_, **__):
        raise RecursionError

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(ImageError, match=r"a\.png is broken or cut short: RecursionError"):
        cv.load_image(tmp_path / "a.png", Taker())
