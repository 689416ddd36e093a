"""Conventions named `captum` give Captum 0.9.0's numbers, run once on the network of `cam.peers_network`, target 2.

Captum's LIME and KernelSHAP were handed the coalitions that are drawn here; entry i of a map is at the flat place
(37 i + 5) mod the number of entries.
"""

import jax
import numpy as np
import pytest

import cnnviz_jax as cv
from tests.explain.cam import peers_network as net

LIME = [-0.219654, -0.172681, -0.248487, 0.168709, 0.195735, -0.214781, 0.511568, 0.449741, -0.216584]
"""Of the scores times 10, 60 samples; lasso 0.01."""
KERNEL_SHAP = {
    25: [-0.0109669, -0.0310313, -0.0051243, 0.0243459, 0.0031695, -0.0096227, -0.0014864, 0.0491965, -0.0361299],
    6: [0.0065407, -0.0446428, -0.0318141, 0.0011919, 0.0252666, -0.0259169, 0.0011919, 0.0252666, 0.0252666],
}
OCCLUSION = {
    ((5, 4, 1), (3, 2, 1)): (0.0055183, [-0.0060274, -0.0364481, -0.0022340, -0.0004561, -0.0393059, -0.0044912]),
    ((5, 4, 2), (3, 2, 1)): (0.0160138, [-0.0003312, -0.0499763, -0.0389068, -0.0052928, -0.0499420, 0.0038043]),
}


def asked(technique, model, **options):
    return cv.explain(technique, model, net.image(), 2, convention="captum", **options)


def test_lime_is_a_lasso_of_few_weights():
    ten = cv.adapt(
        lambda params, x: 10 * net.forward(params, x, "nhwc"),
        jax.tree.map(np.asarray, net.parameters()),
        input_shape=(*net.SIZE, 2),
        name="ten",
    )
    drawn = {"segments": "grid(3)", "key": 5, "ids": [2], "samples": 60}
    np.testing.assert_allclose(asked("lime", ten, **drawn).extras["per_segment"][0], LIME, atol=2e-5)
    few = asked("lime", net.model(), **drawn)
    np.testing.assert_allclose(few.extras["per_segment"][0], [0, 0, 0, 0, 0, 0, 0.0175874, 0.0098446, 0], atol=1e-6)


@pytest.mark.parametrize("samples", KERNEL_SHAP)
def test_kernel_shap_of_single_coalitions_also_of_fewer_than_parts(samples):
    result = asked("kernel-shap", net.model(), segments="grid(3)", key=5, ids=[2], samples=samples)
    np.testing.assert_allclose(result.extras["per_segment"][0], KERNEL_SHAP[samples], atol=1e-6)


@pytest.mark.parametrize(("window", "stride"), OCCLUSION)
def test_occlusion_by_windows_over_channels(window, stride):
    result = asked("occlusion", net.model("nchw"), window=window, stride=stride, fill="model-mean")
    mean, entries = OCCLUSION[window, stride]
    found = np.asarray(result.values[0])
    assert found.shape == (*net.SIZE, 2)
    np.testing.assert_allclose(found.mean(), mean, atol=1e-6)
    np.testing.assert_allclose(found.ravel()[(37 * np.arange(6) + 5) % found.size], entries, atol=1e-6)
