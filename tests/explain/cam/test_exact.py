"""CAMs of the network OneConv at its convolution, by hand; and what must hold for any network of a kind.

OneConv at arange(16): the convolution gives [[-5, 4], [31, 40]] and [[-30, -21], [6, 15]], the score 54 has the
gradients [[0, 1], [1, 1]] and [[0, 0], [-1, -1]] there. Without the first channel it is 0, without the second 75.
"""

import numpy as np
import pytest

import cnnviz_jax as cv
from tests.explain import oneconv_network as oneconv
from tests.explain import small_network as small

FIRST = np.array([[-5, 4], [31, 40]], float)
SECOND = np.array([[-30, -21], [6, 15]], float)


@pytest.mark.parametrize(
    ("technique", "expected"),
    [
        ("hires-cam", [[0, 4], [25, 25]]),
        ("layer-cam", [[0, 4], [31, 40]]),
        ("xgrad-cam", 75 / 70 * FIRST + 21 / 30 * SECOND),
        ("ablation-cam", FIRST - 21 / 54 * SECOND),
        # alpha = 1 / (2 + 70) at three places of the first channel; the second has no positive gradient.
        ("grad-cam++", 3 / 72 * FIRST),
    ],
)
def test_maps_by_hand(technique, expected):
    result = cv.explain(technique, oneconv.model("nchw"), oneconv.A, 0, layer="conv", relu=False)
    np.testing.assert_allclose(result.low_res[0], expected, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def pair():
    images = small.some_images(2)
    found = {name: cv.explain(name, small.model(), images, 1) for name in ("cam", "grad-cam", "hires-cam", "xgrad-cam")}
    return found, np.asarray(small.parameters()["head"]["bias"])[1]


def test_cam_is_grad_cam_times_the_number_of_places(pair):
    found, _ = pair
    places = found["cam"].low_res[0].size
    np.testing.assert_allclose(
        found["cam"].low_res, places * found["grad-cam"].extras["before_relu"], rtol=1e-4, atol=1e-6
    )
    assert found["cam"].provenance.layer == found["grad-cam"].provenance.layer == "relu#1"


def test_the_mean_of_cam_and_the_sum_of_hires_cam_are_the_logit_less_its_bias(pair):
    found, bias = pair
    logit = found["cam"].scores - bias
    np.testing.assert_allclose(found["cam"].low_res.mean((1, 2)), logit, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["hires-cam"].extras["before_relu"].sum((1, 2)), logit, rtol=1e-4, atol=1e-6)


def test_xgrad_cam_sums_to_activation_times_gradient(pair):
    found, _ = pair
    np.testing.assert_allclose(
        found["xgrad-cam"].extras["before_relu"].sum((1, 2)),
        found["hires-cam"].extras["before_relu"].sum((1, 2)),
        rtol=1e-4,
        atol=1e-6,
    )


def test_without_noise_smooth_grad_cam_plus_plus_is_grad_cam_plus_plus():
    images = small.some_images(2)
    plain = cv.explain("grad-cam++", small.model(), images, 1).values
    smooth = cv.explain("smooth-grad-cam++", small.model(), images, 1, noise="absolute(0)", samples=3).values
    np.testing.assert_allclose(smooth, plain, rtol=1e-4, atol=1e-6)


def test_eigen_cam_is_the_same_for_every_class():
    images = np.repeat(small.some_images(1), 2, 0)
    values = cv.explain("eigen-cam", small.model(), images, [0, 3]).values
    np.testing.assert_array_equal(values[0], values[1])
    assert values.max() > 0


def test_guided_grad_cam_is_guided_backprop_times_the_enlarged_grad_cam():
    images = small.some_images(2)
    result = cv.explain("guided-grad-cam", small.model(), images, 1, layer="conv1")
    guided = cv.explain("guided-backprop", small.model(), images, 1).values
    seen = cv.explain("grad-cam", small.model(), images, 1, layer="conv1")
    np.testing.assert_allclose(result.values, guided * seen.values[..., None], rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(result.low_res, seen.low_res, rtol=1e-5, atol=1e-8)
    assert result.view == "pixels"
    assert dict(result.provenance.notes)["rewritten"] == ("relu", "relu#1")
