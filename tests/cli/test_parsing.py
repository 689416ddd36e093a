"""Channels, targets, seeds and times as text."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import cnnviz_jax as cv
from cnnviz_jax.cli.values import evaluations_at_once, indices, seed_number
from cnnviz_jax.errors import ImageError, LayerNotFoundError, TargetError, UsageError
from cnnviz_jax.targets.parsing import class_named, target_in_words


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("0:4", [0, 1, 2, 3]),
        ("3,7,40", [3, 7, 40]),
        ("5", [5]),
        ("0:10:4,50", [0, 4, 8, 50]),
        (":", [0, 1, 2, 3, 4, 5]),
        ("4:", [4, 5]),
        ("::2", [0, 2, 4]),
        (" 1 , 3", [1, 3]),
    ],
)
def test_channels_are_numbers_and_slices(text, numbers):
    assert indices(text, "channels", 6) == numbers


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a", "channels 'a' is not a list such as 0:64 or 3,7,40"),
        ("", "is not a list"),
        ("-1", "is not a list"),
        ("4:4", "names none"),
        ("0:4:0", "has step 0"),
    ],
)
def test_other_channels_are_refused(text, fault):
    with pytest.raises(UsageError, match=fault):
        indices(text, "channels", 6)


def test_an_open_range_needs_to_know_the_layer():
    with pytest.raises(UsageError, match="channels '2:' has no end; say where to stop, as in 2:64"):
        indices("2:", "channels")


def with_labels(*labels):
    def net(params, x):
        return x.mean((1, 2)) @ params

    return cv.adapt(net, jnp.ones((3, len(labels) or 300)), input_shape=(2, 2, 3), labels=labels or None)


def test_targets_are_numbers_one_per_image_or_a_label():
    assert target_in_words("243", with_labels()) == 243
    assert target_in_words("243, 281", with_labels()) == [243, 281]
    assert target_in_words("-1", with_labels()) == -1
    assert target_in_words("Tabby", with_labels("dog", "tabby")) == 1
    assert target_in_words("hen, or so", with_labels("dog", "hen, or so")) == 1


def dense_net():
    """Its output is (rows, cols, 3): the image's own channels, and a layer called relu."""

    def net(params, x):
        return jax.nn.relu(x) * params

    return cv.adapt(net, jnp.ones((3,)), input_shape=(4, 6, 3), labels=["road", "sky", "tow - truck"])


def scored(text, image, model):
    target = cv.targets.as_target(target_in_words(text, model), model)
    return float(model.score(jnp.asarray(image), target)[0])


IMAGE = np.arange(72, dtype=np.float32).reshape(4, 6, 3) / 72


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("relu:1", IMAGE[..., 1].mean()),
        ("relu:1@2,5", IMAGE[2, 5, 1]),
        ("2@1,2,3x4", IMAGE[1:4, 2:6, 2].mean()),
        ("sky@0,0,1x1", IMAGE[0, 0, 1]),
        ("relu:1 - relu:0", IMAGE[..., 1].mean() - IMAGE[..., 0].mean()),
        ("0.5 * relu:1 + 2 * relu:0@0,1", 0.5 * IMAGE[..., 1].mean() + 2 * IMAGE[0, 1, 0]),
        ("road@0,0,4x6 - 2@0,0,4x6", IMAGE[..., 0].mean() - IMAGE[..., 2].mean()),
    ],
)
def test_units_boxes_and_sums_score_what_they_say(text, value):
    assert scored(text, IMAGE, dense_net()) == pytest.approx(float(value), abs=1e-6)


def test_pixels_are_those_where_a_file_is_white(tmp_path):
    mask = np.zeros((4, 6), np.uint8)
    mask[1, 2:4] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    found = scored(f"1@{tmp_path / 'mask.png'}", IMAGE, dense_net())
    assert found == pytest.approx(float(IMAGE[1, 2:4, 1].mean()), abs=1e-6)


def test_a_label_with_the_signs_of_sums_in_it_stands_alone_only():
    assert target_in_words("tow - truck", dense_net()) == 2
    with pytest.raises(TargetError, match="no class of net is called 'tow'"):
        target_in_words("road - tow - truck", dense_net())


@pytest.mark.parametrize(
    ("text", "error", "fault"),
    [
        ("reul:1", LayerNotFoundError, "Did you mean 'relu'?"),
        ("1@nothing.png", ImageError, "no image at nothing.png"),
        ("rod - sky", TargetError, "no class of net is called 'rod'"),
        ("- ", TargetError, "no class of net is called '-'"),
    ],
)
def test_what_a_target_names_in_vain_is_told(text, error, fault):
    with pytest.raises(error, match=fault):
        target_in_words(text, dense_net())


@pytest.mark.parametrize("named", [target_in_words, class_named])
def test_a_label_that_is_unknown_or_twice_there_is_refused_alike_on_the_line_and_in_python(named):
    with pytest.raises(TargetError, match=r"no class of net is called 'tabbi'; say its number. Did you mean 'tabby'?"):
        named("tabbi", with_labels("dog", "tabby"))
    with pytest.raises(TargetError, match="classes 0, 2 of net are called 'crane'; say the number"):
        named("crane", with_labels("crane", "dog", "crane"))
    with pytest.raises(TargetError, match=r"no class of net is called '3\.5'"):
        named("3.5", with_labels())


def test_seeds_and_chunks():
    assert seed_number(None) is None
    assert seed_number("7") == 7
    assert evaluations_at_once(None) == "auto"
    assert evaluations_at_once("16") == 16
    for text in ("-1", "x", str(2**32)):
        with pytest.raises(UsageError, match="is not a whole number from 0 to 4294967295"):
            seed_number(text)
    for text in ("0", "-3", "2.5"):
        with pytest.raises(UsageError, match="is neither auto nor a whole number of evaluations"):
            evaluations_at_once(text)
