"""Results at layers are drawn, saved, loaded, computed again; what needs a map of the image refuses them."""

import numpy as np
import pytest
from PIL import Image

import cnnviz_jax as cv
from cnnviz_jax.errors import CnnvizWarning, RenderError, UsageError
from tests.explain.small_network import model, some_images


def of(layer, count=2):
    return cv.explain("input-x-gradient", model(), some_images(count), 1, at=layer)


@pytest.mark.parametrize(("layer", "shape"), [("conv1", (2, 12, 10, 6)), ("conv2", (2, 6, 5, 8)), ("head", (2, 4))])
def test_every_form_is_drawn_and_kept(tmp_path, layer, shape):
    result = of(layer)
    assert result.values.shape == shape
    for suffix in ("png", "html"):
        assert cv.render(result, tmp_path / f"drawn.{suffix}").stat().st_size > 1000
    assert np.asarray(Image.open(tmp_path / "drawn.png").convert("RGB")).std() > 5
    assert "<img" in result._repr_html_()
    loaded = cv.load(cv.save(result, tmp_path / "kept.npz"))
    np.testing.assert_array_equal(loaded.values, result.values)
    assert (loaded.view, loaded.provenance) == ("layer", result.provenance)
    again = cv.rerun(loaded.provenance, model(), some_images(2))
    np.testing.assert_array_equal(again.values, result.values)
    assert result[1].values.shape == (1, *shape[1:])


def test_a_layers_map_is_drawn_as_its_sum_over_channels():
    result = of("conv2")
    assert result.has_map
    np.testing.assert_allclose(result.low_res, result.values.sum(-1), atol=1e-6)
    assert result.overlay().shape == (2, 12, 10, 3)
    texts = " ".join(text.get_text() for text in cv.figure(result).texts)
    assert "sum over channels" in texts
    assert "input-x-gradient at conv2" in texts


def test_units_without_places_are_bars_by_size():
    result = of("head", 1)
    figure = cv.figure(result)
    axes = next(axes for axes in figure.axes if axes.patches)
    order = np.argsort(-np.abs(result.values[0]), kind="stable")
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], result.values[0][order])
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [str(k) for k in order]
    assert "all 4 units, by size" in " ".join(text.get_text() for text in figure.texts)


def test_a_dense_layer_has_no_overlay_and_no_place_beside_maps():
    dense, mapped = of("head"), of("conv2")
    with pytest.raises(RenderError, match="gives a layer's own values, not a map of the image"):
        dense.overlay()
    with pytest.raises(RenderError, match="gives values of a layer, which have a figure of their own"):
        cv.figure((mapped, dense))


def test_measures_refuse_values_of_a_layer():
    with pytest.raises(UsageError, match="input-x-gradient gives values of a layer, not a map of the image"):
        cv.measure("deletion", model(), some_images(2), of("conv2"))


def test_the_gap_of_a_bypassed_layer_is_told():
    net = cv.adapt(
        lambda p, x: (x.sum((1, 2)) * 2 + x[:, 0, 0]) @ p, np.eye(3, dtype=np.float32), input_shape=(2, 2, 3)
    )
    layer = next(iter(net.layers))
    with pytest.warns(CnnvizWarning, match="miss the difference of scores"):
        cv.explain("conductance", net, some_images(1, 2, 2), 0, at=layer, nodes=2)
