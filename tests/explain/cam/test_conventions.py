"""What peers do with a map after weighting it, and how maps of several layers become one."""

import functools

import jax
import numpy as np
import pytest

import cnnviz_jax as cv
from tests.explain import small_network as small

IMAGE = small.some_images(1)
SIZE = IMAGE.shape[1:3]


@functools.cache
def raw(layer="conv2"):
    return np.asarray(cv.explain("grad-cam", small.model(), IMAGE, 1, layer=layer).extras["before_relu"])[0]


def enlarged(values, method="linear", size=SIZE):
    return np.asarray(jax.image.resize(values, size, method))


def cells(values):
    """As PyTorch's nearest: a pixel has the cell that its corner falls into."""
    rows, cols = (np.arange(into) * of // into for into, of in zip(SIZE, values.shape, strict=True))
    return values[rows][:, cols]


def unit(values, epsilon=0.0):
    moved = values - values.min()
    return moved / (moved.max() + epsilon)


def test_the_map_speaks_both_ways():
    assert raw().min() < 0 < raw().max()


@pytest.mark.parametrize(
    ("convention", "low_res", "values"),
    [
        ("captum", lambda m: m, cells),
        ("xplique", lambda m: np.maximum(m, 0), lambda low: enlarged(low, "cubic")),
        ("pair", lambda m: np.maximum(m, 0) / m.max(), enlarged),
        ("torchcam", lambda m: unit(np.maximum(m, 0), 1e-8), enlarged),
        ("pytorch-grad-cam", lambda m: unit(np.maximum(m, 0), 1e-7), lambda low: unit(enlarged(low), 1e-7)),
    ],
)
def test_peers_numbers_by_name(convention, low_res, values):
    result = cv.explain("grad-cam", small.model(), IMAGE, 1, layer="conv2", convention=convention)
    np.testing.assert_allclose(result.low_res[0], low_res(raw()), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(result.values[0], values(low_res(raw())), rtol=1e-4, atol=1e-6)
    assert dict(result.provenance.notes)["relu"] is (convention != "captum")


def test_the_papers_map_is_not_scaled():
    result = cv.explain("grad-cam", small.model(), IMAGE, 1, layer="conv2")
    np.testing.assert_allclose(result.values[0], enlarged(np.maximum(raw(), 0)), rtol=1e-5, atol=1e-9)


def test_captums_guided_grad_cam_enlarges_by_nearest():
    result = cv.explain("guided-grad-cam", small.model(), IMAGE, 1, layer="conv2", convention="captum")
    expected = result.extras["guided"][0] * cells(np.maximum(raw(), 0))[..., None]
    np.testing.assert_allclose(result.values[0], expected, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("fuse", ["mean", "max", "tanh-max"])
def test_several_layers_are_fused(fuse):
    result = cv.explain("grad-cam", small.model(), IMAGE, 1, layers=["conv2", "conv1"], fuse=fuse)
    kept = [np.maximum(raw("conv1"), 0), np.maximum(raw("conv2"), 0)]
    if fuse == "tanh-max":
        ready = [np.tanh(2 * each / each.max()) for each in kept]
    else:
        ready = [unit(each) for each in kept]
    together = [enlarged(each) for each in ready]
    expected = np.mean(together, 0) if fuse == "mean" else np.max(together, 0)
    np.testing.assert_allclose(result.values[0], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(result.low_res[0], expected, rtol=1e-4, atol=1e-6)  # conv1 is as large as the image
    assert result.provenance.layer == "conv1, conv2"
    assert dict(result.provenance.notes) == {"relu": True, "layers": ("conv1", "conv2"), "fuse": fuse}
    np.testing.assert_allclose(result.extras["before_relu conv2"][0], raw("conv2"), rtol=1e-5)


def test_layer_cam_fuses_as_its_paper_and_torchcam_takes_the_maximum():
    for technique, options, fuse in (
        ("layer-cam", {}, "tanh-max"),
        ("grad-cam", {"convention": "torchcam"}, "max"),
        ("ablation-cam", {}, "mean"),
    ):
        result = cv.explain(technique, small.model(), IMAGE, 1, layers=["conv1", "conv2"], **options)
        assert dict(result.provenance.notes)["fuse"] == fuse
        assert 0 < result.values.max() <= 1 + 1e-6
