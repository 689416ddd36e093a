"""Captum's published numbers on its network OneConv, for every way of writing that network."""

import numpy as np
import pytest

import cnnviz_jax as cv

from .oneconv_network import KINDS, A, B, model, parameters, two_inputs


@pytest.fixture(scope="module", params=KINDS)
def net(request):
    return model(request.param)


def values(technique, net, image=A, **options):
    options.setdefault("target", 0)
    return np.asarray(cv.explain(technique, net, image, **options).values)[0]


def test_scores_are_captums(net):
    assert float(net(A)[0, 0]) == 54
    assert float(net(A + B)[0, 0]) == 67


def test_gradient(net):
    expected = [[0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 0]]
    np.testing.assert_allclose(values("saliency", net)[..., 0], expected, atol=1e-6)


def test_guided_backprop(net):
    expected = [[0, 1, 1, 1], [1, 3, 3, 2], [1, 3, 3, 2], [1, 2, 2, 1]]
    np.testing.assert_allclose(values("guided-backprop", net)[..., 0], expected, atol=1e-6)


def test_deconvnet(net):
    expected = [[2, 3, 3, 1], [3, 5, 5, 2], [3, 5, 5, 2], [1, 2, 2, 1]]
    np.testing.assert_allclose(values("deconvnet", net)[..., 0], expected, atol=1e-6)


def test_rules_list_the_relu_after_the_scores(net):
    notes = dict(cv.explain("guided-backprop", net, A, 0).provenance.notes)
    assert len(notes["rewritten"]) == 2


def test_grad_cam_at_the_convolution(net):
    result = cv.explain("grad-cam", net, A, 0, layer="conv", relu=False)
    np.testing.assert_allclose(result.low_res[0], [[11.25, 13.5], [20.25, 22.5]], rtol=1e-6)
    assert result.values.shape == (1, 4, 4)
    assert result.provenance.layer == "conv"


def test_grad_cam_with_channels_apart(net):
    result = cv.explain("grad-cam", net, A, 0, layer="conv", relu=False, channels="each")
    np.testing.assert_allclose(result.low_res[0][..., 0], [[-3.75, 3], [23.25, 30]], rtol=1e-6)
    np.testing.assert_allclose(result.low_res[0][..., 1], [[15, 10.5], [-3, -7.5]], rtol=1e-6)
    assert result.view == "maps"


def test_grad_cam_at_the_convolutions_input(net):
    image = A.copy()
    image[1, 1] = -4
    result = cv.explain("grad-cam", net, image, 0, layer="input", relu=False)
    np.testing.assert_allclose(result.low_res[0], 0.5625 * image[..., 0], rtol=1e-6)


def test_occlusion_of_two_added_inputs():
    net = cv.adapt(two_inputs, parameters(), input_shape=(4, 4, 2))
    pair = np.concatenate([A, B], -1)
    whole = {"window": 4, "stride": 1, "fill": 0.0, "gather": "average"}
    np.testing.assert_allclose(values("occlusion", net, pair, channels=(0,), **whole), np.full((4, 4), 67))
    np.testing.assert_allclose(values("occlusion", net, pair, channels=(1,), **whole), np.full((4, 4), 13))


def test_ablation_of_each_pixel_of_one_of_two_inputs():
    net = cv.adapt(two_inputs, parameters(), input_shape=(4, 4, 2))
    heat = values("occlusion", net, np.concatenate([A, B], -1), channels=(0,), window=1, stride=1, fill=0.0)
    np.testing.assert_allclose(heat, [[0, 2, 4, 3], [4, 9, 10, 7], [4, 13, 14, 11], [0, 0, 0, 0]])
