"""Series, images and volumes: Captum 0.9.0's numbers on the same network, as `benchmarks/peers/axes.py` prints them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from tests.explain import axes_network as net

CAPTUM = {
    (1, "saliency"): [
        -0.00048489,
        -0.02098651,
        0.0,
        -0.01248374,
        0.00536151,
        -0.01211418,
        -0.01139696,
        0.0,
        0.00536151,
    ],
    (1, "integrated-gradients"): [
        -0.00035446,
        -0.00326541,
        0.0,
        -0.00161232,
        0.00263322,
        -0.0004029,
        -0.00478199,
        0.0,
        0.00130548,
    ],
    (1, "grad-cam"): [0.00239681, 0.00506283, 0.00365648, 0.00225014, 0.0008438, 0.0, 0.0, 0.0, 0.0],
    (1, "occlusion"): [
        -0.00371574,
        0.00231087,
        -0.01413572,
        0.00231087,
        -0.01413572,
        0.00231087,
        -0.01413572,
        0.0125466,
        -0.0170216,
    ],
    (2, "saliency"): [
        0.0018834,
        -0.00139,
        0.00815647,
        0.00063442,
        0.00110483,
        0.00639885,
        -0.00257551,
        0.00104365,
        0.00394426,
    ],
    (2, "integrated-gradients"): [
        0.00117301,
        -0.00026507,
        0.0047431,
        0.00045869,
        0.0003082,
        0.003549,
        -0.0025773,
        0.00138112,
        0.00201697,
    ],
    (2, "grad-cam"): [
        0.05549762,
        0.0593319,
        0.06055675,
        0.04760593,
        0.05414506,
        0.03945865,
        0.06168764,
        0.05778585,
        0.05801791,
    ],
    (2, "occlusion"): [
        0.00256995,
        -0.01658458,
        -0.06977218,
        0.03144491,
        -0.02811925,
        0.02945423,
        0.02306008,
        0.00970595,
        -0.02914292,
    ],
    (3, "saliency"): [
        0.00587317,
        0.10832602,
        0.03748579,
        -0.06706793,
        -0.01016852,
        0.00947254,
        -0.0239737,
        0.11197989,
        0.11619781,
    ],
    (3, "integrated-gradients"): [
        0.00529553,
        0.05387625,
        0.00899397,
        -0.07601102,
        -0.01578504,
        0.00506482,
        -0.00210591,
        0.07190968,
        0.10362807,
    ],
    (3, "grad-cam"): [
        0.47191665,
        0.33031291,
        0.61650074,
        0.16491839,
        0.23616271,
        0.82568347,
        0.33402044,
        0.33743361,
        0.77689272,
    ],
    (3, "occlusion"): [
        0.0497654,
        0.1848011,
        0.32484388,
        0.11593771,
        0.11593771,
        0.31974339,
        0.05117583,
        0.1848011,
        -0.04829264,
    ],
}
OPTIONS: dict[str, dict[str, Any]] = {
    "saliency": {},
    "integrated-gradients": {"baseline": 0.0, "nodes": net.NODES},
    "grad-cam": {"layer": "relu#1"},
    "occlusion": {"convention": "captum", "fill": 0.0},
}
WINDOWS = {1: ((4,), (3,)), 2: ((3, 4), (2, 3)), 3: ((2, 3, 4), (2, 3, 2))}


def network(params, x):
    axes = x.ndim - 2
    names = "DHW"[3 - axes :]
    layout = (f"N{names}C", f"{names}IO", f"N{names}C")

    def conv(x, kernel, stride):
        return jax.lax.conv_general_dilated(x, kernel, (stride,) * axes, [(1, 1)] * axes, dimension_numbers=layout)

    x = jax.nn.relu(conv(x, params["conv1"], 1) + params["bias1"])
    pool = (1, *(2,) * axes, 1)
    x = conv(jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, pool, pool, "VALID"), params["conv2"], 2)
    x = (x - params["mean"]) * jax.lax.rsqrt(params["variance"] + net.EPSILON) * params["scale"] + params["shift"]
    return jax.nn.relu(x).mean(tuple(range(1, axes + 1))) @ params["head"] + params["bias"]


@pytest.mark.parametrize(("axes", "method"), CAPTUM)
def test_the_map_is_captums(axes, method):
    params, x = jax.tree.map(jnp.asarray, net.parameters(axes)), net.inputs(axes)
    model = cv.adapt(network, params, input_shape=x.shape[1:])
    options = dict(OPTIONS[method])
    if method == "occlusion":
        options |= dict(zip(("window", "stride"), WINDOWS[axes], strict=True)) | {"engine": "incremental"}
    values = np.asarray(cv.explain(method, model, x, target=net.TARGET, **options).values)
    if method == "occlusion":  # Captum has a map for each channel, and windows over both give them the same
        values = np.repeat(values[..., None], 2, -1)
    np.testing.assert_allclose(net.some(values), CAPTUM[axes, method], rtol=1e-4, atol=1e-6)
