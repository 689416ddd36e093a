"""What the CAM family says when a network or an option does not fit; and that nothing is ever NaN."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import LayerKindError, LayerNotFoundError, RuleError, TargetError, UsageError
from tests.explain import small_network as small

from .uneven_network import model as spread

FAMILY = (
    "cam",
    "grad-cam",
    "grad-cam++",
    "xgrad-cam",
    "hires-cam",
    "layer-cam",
    "eigen-cam",
    "score-cam",
    "ablation-cam",
    "smooth-grad-cam++",
    "guided-grad-cam",
    "fullgrad",
)


def network(end):
    params = small.parameters()

    def forward(p, x):
        with jax.named_scope("conv1"):
            x = jax.lax.conv_general_dilated(
                x, p["conv1"]["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
        return end(p, x)

    return cv.adapt(forward, params, input_shape=(6, 5, 3), name="other")


def head(p, x):
    with jax.named_scope("head"):
        return x @ p["conv2"]["kernel"][0, 0]


@pytest.mark.parametrize(
    ("end", "text"),
    [
        (
            lambda p, x: jax.nn.relu(x).mean((1, 2)),
            r"the scores come from 'global_pool' \(global_pool\), not from a linear",
        ),
        (lambda p, x: jax.nn.relu(head(p, x.mean((1, 2)))), r"the scores come from 'relu' \(relu\), not from a linear"),
        (lambda p, x: head(p, jax.nn.relu(x.mean((1, 2)))), r"'head' \(dense\) reads 'relu' \(relu\), not a global av"),
        (lambda p, x: head(p, x.max((1, 2))), r"'head' \(dense\) reads 'global_pool' \(global_pool\), not a global av"),
    ],
)
def test_cam_names_the_layer_that_breaks_its_condition(end, text):
    with pytest.raises(LayerKindError, match=f"global average and one linear layer before the scores; in other {text}"):
        cv.explain("cam", network(end), small.some_images(1, 6, 5), 0)


def test_cam_reads_an_average_pool_over_the_whole_map_and_a_softmax_behind_the_scores():
    def pooled(p, x):
        x = jax.lax.reduce_window(jax.nn.relu(x), 0.0, jax.lax.add, (1, 6, 5, 1), (1, 1, 1, 1), "VALID") / 30
        return jax.nn.softmax(head(p, x.reshape(len(x), -1)))

    def averaged(p, x):
        return head(p, jax.nn.relu(x).mean((1, 2)))

    image = small.some_images(1, 6, 5)
    expected = cv.explain("cam", network(averaged), image, 2)
    found = cv.explain("cam", network(pooled), image, 2)
    np.testing.assert_allclose(found.low_res, expected.low_res, rtol=1e-5)


@pytest.mark.parametrize(
    ("technique", "options", "error", "text"),
    [
        ("grad-cam", {"layer": "conv1", "layers": ["conv2"]}, UsageError, "give layer or layers, not both"),
        ("grad-cam", {"layers": ["conv1", "conv1"]}, UsageError, "layers names different layers"),
        ("grad-cam", {"layers": ["conv1", "conv3"]}, LayerNotFoundError, "no layer 'conv3'"),
        ("layer-cam", {"layer": "head"}, LayerKindError, "layer 'head' of small is no map"),
        ("grad-cam", {"layers": ["conv1", "conv2"], "channels": "each"}, UsageError, "the channels of one layer"),
        ("grad-cam++", {"convention": "captum"}, UsageError, "convention is one of 'paper', 'pytorch-grad-cam'"),
        ("smooth-grad-cam++", {"samples": 0}, UsageError, "samples is at least 1, got 0"),
        ("smooth-grad-cam++", {"noise": "absolute(-1)"}, UsageError, "noise is not negative"),
        ("score-cam", {"masked": "input"}, UsageError, "masked is one of 'image', 'layer'"),
    ],
)
def test_says_what_is_wrong_with_an_option(technique, options, error, text):
    with pytest.raises(error, match=text):
        cv.explain(technique, small.model(), small.some_images(1), 1, **options)


def test_cam_explains_scores_only():
    with pytest.raises(TargetError, match="cam explains a score of the network's outputs"):
        cv.explain("cam", small.model(), small.some_images(1), cv.targets.channel("conv1", 0))


def test_guided_grad_cam_needs_a_relu():
    smooth = network(lambda p, x: head(p, jax.nn.silu(x).mean((1, 2))))
    with pytest.raises(RuleError, match=r"guided-grad-cam rewrites ReLUs, and other has none \(it has silu\)"):
        cv.explain("guided-grad-cam", smooth, small.some_images(1, 6, 5), 0)


@pytest.mark.parametrize("technique", FAMILY)
def test_nothing_is_nan(technique):
    net = small.model(3, 7, 5) if technique == "cam" else spread()
    height, width, channels = net.input_shape
    images = np.stack([np.zeros((height, width, channels)), np.full((height, width, channels), 0.5)]).astype(np.float32)
    result = cv.explain(technique, net, np.concatenate([images, small.some_images(1, height, width, channels)]), 3)
    assert np.isfinite(result.values).all()
    assert all(np.isfinite(each).all() for each in result.extras.values())


def test_a_layer_of_one_place_is_a_map_too():
    net = network(lambda p, x: head(p, jax.nn.relu(x.mean((1, 2), keepdims=True)).reshape(len(x), -1)))
    result = cv.explain("grad-cam++", net, small.some_images(1, 6, 5), 0, layer="relu")
    assert result.low_res.shape == (1, 1, 1)
    assert jnp.isfinite(result.values).all()
