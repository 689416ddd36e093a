"""Conventions give their peers' numbers, also where the map does not divide the image.

Captum 0.9.0, pytorch-grad-cam 1.5.7 and torch-cam 0.5.0 were run once on `peers_network`, target 2: the mean of what
they return, and six of its numbers. torch-cam returns maps of the layer's size, and so do we in `low_res`.
"""

from contextlib import nullcontext

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import LayerKindError

from . import peers_network as net

FOUND = {
    "captum grad-cam relu2": (-0.005763067, [0.00325289, -0.0236977, -0.0207606, -0.00169709, 0.0170407, 0.0235752]),
    "captum grad-cam fc": (-0.2511783, [-0.251178, -0.251178, -0.251178, -0.251178, -0.251178, -0.251178]),
    "captum guided-grad-cam relu2": (2.484555e-06, [-2.5262e-06, 0.0, 0.0, -0.0, -0.0, 0.0]),
    "pytorch-grad-cam grad-cam relu2": (0.1365323, [0.101689, 0.0, 0.00955935, 0.0, 0.347309, 0.650632]),
    "pytorch-grad-cam grad-cam relu2 augment": (
        0.09873622,
        [0.0536795, 0.0, 0.00480758, 0.000940431, 0.172266, 0.376869],
    ),
    "pytorch-grad-cam grad-cam++ relu2": (0.1758034, [0.167468, 0.00491664, 0.0102078, 0.0259126, 0.347489, 0.650505]),
    "pytorch-grad-cam xgrad-cam conv2": (0.1869855, [1.0, 0.0278679, 0.148692, 0.089128, 0.175251, 0.113488]),
    "pytorch-grad-cam eigen-cam conv2": (0.3148937, [0.110108, 0.484212, 0.257639, 0.138702, 0.306047, 0.231892]),
    "pytorch-grad-cam kpca-cam relu2": (0.2006918, [0.142857, 0.460938, 0.150485, 0.0324419, 0.0782796, 0.185882]),
    "pytorch-grad-cam score-cam relu2": (0.4030174, [0.29732, 0.604659, 0.328167, 0.274902, 0.329004, 0.457579]),
    "pytorch-grad-cam score-cam conv2": (0.2390234, [0.142857, 0.461253, 0.1586, 0.137121, 0.100893, 0.297245]),
    "pytorch-grad-cam ablation-cam relu2": (0.2927315, [0.161111, 0.626247, 0.297786, 0.225321, 0.208346, 0.189974]),
    "pytorch-grad-cam ablation-cam conv2": (0.3637691, [0.142857, 0.66953, 0.394643, 0.295483, 0.337885, 0.228582]),
    "pytorch-grad-cam grad-cam conv1+relu2": (0.3219195, [0.502799, 0.118976, 0.282161, 0.212824, 0.259311, 0.835584]),
    "pytorch-grad-cam fullgrad -": (0.4854763, [0.726699, 0.257667, 0.348875, 0.405112, 0.464573, 0.487269]),
    "pytorch-grad-cam finer-cam relu2": (0.2697146, [0.308702, 0.0866166, 0.229914, 0.187951, 0.286017, 0.481696]),
    "torchcam score-cam relu2": (0.4010525, [0.0534186, 0.101991, 0.447457, 0.371166, 0.152184, 0.75026]),
    "torchcam layer-cam conv2": (0.1488931, [0.0, 0.161723, 0.0, 0.0, 0.0699837, 0.5082]),
}
"""By convention, technique, layers and option; entry i is at the flat place (37 i + 5) mod the number of entries."""


@pytest.mark.parametrize("number", range(len(FOUND)), ids=list(FOUND))
def test_a_name_that_is_promised_gives_the_peers_numbers(number):
    asked, (mean, entries) = list(FOUND.items())[number]
    convention, technique, layers, *more = asked.split(" ")
    options = {} if layers == "-" else {"layers": layers.split("+")} if "+" in layers else {"layer": layers}
    options |= {"augment": True} if "augment" in more else {"smooth": "eigen"} if "eigen" in more else {}
    model = net.model(("nhwc", "nchw")[number % 2])
    with warnings_of_dense_layers(layers):
        result = cv.explain(technique, model, net.image(), 2, convention=convention, **options)
    found = np.asarray(result.low_res if convention == "torchcam" else result.values)[0].ravel()
    largest = np.abs(found).max()
    np.testing.assert_allclose(found.mean(), mean, atol=5e-6 * largest)
    places = (37 * np.arange(6) + 5) % found.size
    np.testing.assert_allclose(found[places], entries, rtol=1e-4, atol=5e-6 * largest)


def warnings_of_dense_layers(layers):
    """`fc` has no places, which is said; nothing else is."""
    return pytest.warns(cv.CnnvizWarning, match="layer fc has no places") if layers == "fc" else nullcontext()


def test_pytorchs_nearest_takes_the_cell_of_a_pixels_corner():
    result = cv.explain("grad-cam", net.model(), net.image(), 2, layer="relu2", convention="captum")
    rows, cols = (np.arange(into) * of // into for into, of in ((17, 8), (14, 6)))
    np.testing.assert_array_equal(result.values[0], result.low_res[0][rows][:, cols])


def test_a_dense_layer_is_a_map_of_one_place_for_grad_cam_alone():
    with pytest.warns(cv.CnnvizWarning, match="layer fc has no places: its 3 units, weighted, add up to one number"):
        result = cv.explain("grad-cam", net.model(), net.image(), 1, layer="fc", channels="sum", relu=False)
    assert result.low_res.shape == (1, 1, 1)
    np.testing.assert_allclose(result.low_res.ravel(), result.scores, rtol=1e-5)
    np.testing.assert_allclose(result.values, result.scores[0], rtol=1e-5)
    with pytest.raises(LayerKindError, match=r"layer 'fc' of peers nhwc is no map: its shape is \(3,\)"):
        cv.explain("hires-cam", net.model(), net.image(), 1, layer="fc")
