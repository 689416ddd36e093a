"""Ablation and permutation of parts of a layer: peers' numbers, slow loops, and refusals."""

import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.cli.technique_options import read_line
from cnnviz_jax.errors import UsageError
from cnnviz_jax.plugins import plugins
from tests.explain.known_networks import FOUR, M_IMAGE, layer_of, net_c, net_m, net_r, wave
from tests.explain.small_network import model, some_images


def ablated(net, image, at, **options):
    return cv.explain("feature-ablation", net, image, 0, at=at, **options)


@pytest.mark.parametrize("kind", ["nhwc", "nchw", "nnx"])
def test_channel_ablation_is_the_peers_in_every_layout_and_framework(kind):
    # Captum 0.9.0 on net C.
    zero, one = (ablated(net_c(kind), wave(0), "conv2", fill=fill) for fill in (None, 1.0))
    np.testing.assert_allclose(zero.extras["per_segment"][0], [0.7302197, -0.5765055], atol=2e-6)
    np.testing.assert_allclose(one.extras["per_segment"][0], [-0.2697803, 0.4234945], atol=2e-6)
    assert zero.values.shape == (1, 2, 2, 2)
    np.testing.assert_allclose(zero.values[0, :, :, 1], -0.5765055, atol=2e-6)
    pooled = ablated(net_c(kind), wave(0), layer_of(kind, "pool")).extras["per_segment"][0]
    np.testing.assert_allclose(pooled, [1.0881831, -1.0535574, 0.1926856], atol=2e-6)


@pytest.mark.parametrize("kind", ["nhwc", "nchw"])
def test_ablation_inside_and_before_a_residual_branch(kind):
    image = wave(0, 4, 1)
    before = ablated(net_r(kind), image, "bn1").extras["per_segment"][0]
    np.testing.assert_allclose(before, [0.217306, 0.0094958], atol=2e-6)
    inside = ablated(net_r(kind), image, "conv2").extras["per_segment"][0]
    np.testing.assert_allclose(inside, [0.0256003, -0.2261219], atol=2e-6)


def test_units_of_a_dense_layer_by_hand():
    # Hidden units (-4, 8, -1.5) of net M; only the second is on, its weight -1.
    np.testing.assert_allclose(ablated(net_m(), M_IMAGE, "first").values, [[0, -8, 0]], atol=1e-5)


@pytest.mark.parametrize(
    ("segments", "fill"),
    [("pixels", 0.25), ("elements", 0.0), ("grid(2)", (0.1,) * 8), (np.arange(30).reshape(6, 5) % 4, 0.0)],
)
def test_a_slow_loop_over_the_parts_gives_the_same(segments, fill):
    net, image = model(), some_images(1)[0]
    own = cv.capture(net, image, ["conv2"])["conv2"][0]
    score = float(np.asarray(net(image))[0, 0])
    result = ablated(net, image, "conv2", segments=segments, fill=fill)
    drops = result.extras["per_segment"][0]
    numbers = {"pixels": np.arange(30).reshape(6, 5), "elements": np.arange(240).reshape(6, 5, 8)}.get(
        segments if isinstance(segments, str) else "", segments
    )
    if isinstance(segments, str) and segments == "grid(2)":
        numbers = (np.arange(6) * 2 // 6)[:, None] * 2 + (np.arange(5) * 2 // 5)[None, :]
    numbers = np.broadcast_to(numbers if numbers.ndim == 3 else numbers[..., None], own.shape)
    for part in range(0, len(drops), max(1, len(drops) // 5)):
        changed = np.where(numbers == part, np.asarray(fill, np.float32), own)
        slow = score - float(net.run(jnp.asarray(image), replace={"conv2": jnp.asarray(changed)})[0][0])
        assert drops[part] == pytest.approx(slow, abs=3e-6)
    np.testing.assert_array_equal(result.values[0], drops[numbers])
    assert result.has_map == (not isinstance(segments, str) or segments != "elements")


def test_a_fill_like_the_layer_itself_changes_nothing():
    net, image = model(), some_images(1)[0]
    own = cv.capture(net, image, ["conv1"])["conv1"][0]
    result = ablated(net, image, "conv1", fill=own)
    np.testing.assert_allclose(result.values, 0, atol=1e-6)


@pytest.mark.parametrize("kind", ["nhwc", "nchw", "linen"])
def test_channel_permutation_over_four_images_rolled_by_one(kind):
    result = cv.explain("feature-permutation", net_c(kind), FOUR, 0, at="conv2")
    expected = [
        [-0.3229729, 1.2685824, -1.6066586, 0.6610491],
        [-0.1265341, 0.2557899, -0.1642394, 0.0349836],
    ]
    np.testing.assert_allclose(result.extras["per_segment"].T, expected, atol=3e-6)
    assert result.values.shape == (4, 2, 2, 2)


def test_permutation_of_the_image_itself_is_a_slow_loop():
    net, images = model(), some_images(3)
    result = cv.explain("feature-permutation", net, images, 1, segments="grid(2)")
    scores, other = np.asarray(net(images))[:, 1], np.roll(images, 1, 0)
    cells = (np.arange(12) * 2 // 12)[:, None] * 2 + (np.arange(10) * 2 // 10)[None, :]
    for part in range(4):
        mixed = np.where((cells == part)[None, :, :, None], other, images)
        slow = scores - np.asarray(net(mixed))[:, 1]
        np.testing.assert_allclose(result.extras["per_segment"][:, part], slow, atol=3e-6)
    assert result.values.shape == (3, 12, 10)
    assert result.low_res.shape == (3, 2, 2)


def test_a_random_order_leaves_no_image_its_own_and_comes_from_the_key():
    net, images = model(), some_images(4)
    first, again, other = (
        cv.explain("feature-permutation", net, images, 1, at="conv1", order="random", key=key).values
        for key in (1, 1, 5)
    )
    np.testing.assert_array_equal(first, again)
    assert (np.abs(first).reshape(4, -1).max(1) > 0).all()
    assert not np.array_equal(first, other)


def test_equal_images_exchange_nothing():
    with pytest.warns(cv.CnnvizWarning, match="all zero"):
        result = cv.explain("feature-permutation", model(), np.stack([some_images(1)[0]] * 3), 1)
    np.testing.assert_allclose(result.values, 0, atol=1e-6)


def test_parts_that_are_channels_are_drawn_as_bars_and_places_as_a_map(tmp_path):
    channels = ablated(model(), some_images(1), "conv2")
    assert not channels.has_map
    bars = next(axes for axes in cv.figure(channels).axes if axes.patches).patches
    drops = channels.extras["per_segment"][0]
    np.testing.assert_allclose([bar.get_width() for bar in bars], drops[np.argsort(-np.abs(drops), kind="stable")])
    places = ablated(model(), some_images(1), "conv2", segments="pixels")
    assert places.has_map
    np.testing.assert_allclose(places.low_res[0].ravel(), places.extras["per_segment"][0])
    assert cv.render(places, tmp_path / "places.png").exists()


@pytest.mark.parametrize(
    ("technique", "options", "text"),
    [
        ("feature-ablation", {"at": "conv2", "fill": "blur(2)"}, "at a layer fill is a number, one per channel"),
        ("feature-ablation", {"at": "conv2", "fill": (0.0, 1.0)}, "fill has 2 values, conv2 has 8 channels"),
        ("feature-ablation", {"at": "conv2", "segments": "slic(5)"}, "segments is one of channels, pixels, elements"),
        ("feature-ablation", {"at": "conv2", "segments": "grid(0)"}, "segments takes a positive whole number"),
        ("feature-ablation", {"at": "head", "segments": "pixels"}, "needs a map, and head has the shape"),
        ("feature-ablation", {"at": "conv2", "segments": np.zeros((3, 3), int)}, r"\(6, 5, 8\); got one of shape \(3"),
        ("feature-ablation", {"at": "conv2", "fill": np.zeros((3, 3))}, r"as an array fill is \(6, 5, 8\), or one per"),
        ("feature-permutation", {"segments": "slic(5)"}, "segments is one of channels, pixels, elements, grid"),
    ],
)
def test_says_what_is_wrong(technique, options, text):
    with pytest.raises(UsageError, match=text):
        cv.explain(technique, model(), some_images(2), 1, **options)


def test_one_image_has_nobody_to_exchange_with():
    with pytest.raises(UsageError, match="feature-permutation exchanges parts between images, and got one"):
        cv.explain("feature-permutation", model(), some_images(1), 1)


def test_what_is_not_given_is_that_of_the_place_on_the_command_line_too():
    spec = plugins().techniques["feature-ablation"]
    line = read_line(spec, ["small", "--at", "conv2"], common=(), words_help="")
    found = cv.explain("feature-ablation", model(), some_images(1), 0, **line.options)
    np.testing.assert_array_equal(found.values, ablated(model(), some_images(1), "conv2").values)
    assert dict(found.provenance.notes)["fill"] == "0.0"
    at_image = cv.explain("feature-ablation", model(), some_images(1), 0)
    given = cv.explain("feature-ablation", model(), some_images(1), 0, segments="grid(8)", fill=0.5)
    np.testing.assert_array_equal(at_image.values, given.values)
