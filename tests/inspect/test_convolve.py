"""The kernel playground: what each preset answers, pooling, one window worked out, and the command without a model."""

import numpy as np
import pytest
from PIL import Image

import cnnviz_jax as cv
from cnnviz_jax.cli import main
from cnnviz_jax.errors import ImageError, UsageError
from cnnviz_plugins.inspect.convolve import PRESETS, convolved

HALVES = np.zeros((6, 6, 1), np.float32)
HALVES[:, :3] = 10  # the lecture's image: bright left, dark right


def test_the_vertical_edge_of_the_lecture_answers_thirty_at_the_border_and_zero_elsewhere():
    found = cv.inspect("convolve", HALVES, kernel="vertical-edge")
    np.testing.assert_array_equal(found.response, [[0, 30, 30, 0]] * 4)
    assert found.at == (0, 1)
    np.testing.assert_array_equal(found.patch, [[10, 10, 0]] * 3)


@pytest.mark.parametrize("kernel", PRESETS)
def test_every_preset_equals_a_slow_loop(kernel):
    image = np.random.default_rng(0).random((7, 5))
    weights = np.asarray(PRESETS[kernel], np.float64)
    expected = [[(image[i : i + 3, j : j + 3] * weights).sum() for j in range(3)] for i in range(5)]
    np.testing.assert_allclose(convolved(image, weights), expected, atol=1e-12)


def test_the_horizontal_edge_is_the_vertical_one_turned_and_identity_and_blur_keep_a_flat_image():
    turned = cv.inspect("convolve", HALVES.transpose(1, 0, 2), kernel="horizontal-edge")
    np.testing.assert_array_equal(turned.response, cv.inspect("convolve", HALVES).response.T)
    flat = np.full((5, 4, 3), 0.5, np.float32)
    for kernel in ("identity", "blur", "sharpen"):
        np.testing.assert_allclose(cv.inspect("convolve", flat, kernel=kernel).response, 0.5)


def test_same_padding_keeps_the_size_and_stride_and_pooling_divide_it():
    image = np.random.default_rng(1).random((9, 8, 3)).astype(np.float32)
    same = cv.inspect("convolve", image, kernel="identity", padding="same")
    np.testing.assert_allclose(same.response, image.mean(-1), rtol=1e-6)
    assert cv.inspect("convolve", image, stride=2).response.shape == (4, 3)
    for pool, take in (("max", np.max), ("mean", np.mean)):
        found = cv.inspect("convolve", image, kernel="identity", padding="same", pool=pool, window=3)
        assert found.pooled.shape == (3, 2)
        np.testing.assert_allclose(found.pooled[1, 1], take(found.response[3:6, 3:6]))


def test_a_kernel_comes_from_a_file(tmp_path):
    (tmp_path / "mine.txt").write_text("0, 1\n0 0\n", encoding="utf-8")
    found = cv.inspect("convolve", HALVES, kernel=str(tmp_path / "mine.txt"))
    np.testing.assert_array_equal(found.response, HALVES[:5, 1:, 0])
    np.save(tmp_path / "mine.npy", np.ones((1, 2)))
    assert cv.inspect("convolve", HALVES, kernel=str(tmp_path / "mine.npy"), at=(0, 2)).patch.tolist() == [[10, 0]]


def test_the_command_takes_an_image_and_no_model(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray((np.random.default_rng(0).random((20, 30, 3)) * 255).astype(np.uint8)).save("photo.png")
    assert main(["inspect", "convolve", "photo.png", "--kernel", "blur", "--pool", "mean", "--out", "out.png"]) == 0
    assert "wrote out.png" in capsys.readouterr().out
    assert main(["inspect", "convolve", "--kernel", "blur"]) == 2
    assert "inspect convolve takes an image file, got nothing" in capsys.readouterr().err


def test_refusals(tmp_path):
    (tmp_path / "ragged.txt").write_text("1 2\n3\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"no kernel 'sharp'\. Did you mean 'sharpen'\?|no kernel 'sharp'.*sharpen"):
        cv.inspect("convolve", HALVES, kernel="sharp")
    with pytest.raises(UsageError, match="is no table of numbers"):
        cv.inspect("convolve", HALVES, kernel=str(tmp_path / "ragged.txt"))
    with pytest.raises(UsageError, match=r"a kernel of \(3, 3\) does not fit"):
        cv.inspect("convolve", HALVES[:2])
    with pytest.raises(UsageError, match=r"at is \(4, 0\); the response has 4 rows"):
        cv.inspect("convolve", HALVES, at=(4, 0))
    with pytest.raises(UsageError, match="stride is at least 1, got 0"):
        cv.inspect("convolve", HALVES, stride=0)
    with pytest.raises(UsageError, match="a window of 5 does not fit"):
        cv.inspect("convolve", HALVES, pool="max", window=5)
    with pytest.raises(ImageError, match=r"convolve takes an image \(h, w, c\) of floats"):
        cv.inspect("convolve", HALVES[..., 0])
