"""What can be read off a network: kernels and receptive fields."""

import jax
import numpy as np
import pytest
from PIL import Image

import cnnviz_jax as cv
from cnnviz_jax.errors import LayerKindError, UsageError
from tests.explain.small_network import forward, model, parameters


def test_filters_are_the_parameters_themselves():
    bank = cv.inspect("filters", model())
    assert bank.layer == "conv1"
    np.testing.assert_array_equal(bank.kernel, parameters()["conv1"]["kernel"])
    deeper = cv.inspect("filters", model(), layer="conv2")
    np.testing.assert_array_equal(deeper.kernel, parameters()["conv2"]["kernel"])


def test_a_dense_layer_is_one_row_of_inputs_per_unit():
    bank = cv.inspect("filters", model(), layer="head")
    np.testing.assert_array_equal(bank.kernel[0, 0], parameters()["head"]["kernel"])


def test_a_layer_without_a_kernel_is_refused():
    pool = next(name for name, layer in model().layers.items() if layer.kind == "max_pool")
    with pytest.raises(LayerKindError, match="is a max_pool and has no kernel"):
        cv.inspect("filters", model(), layer=pool)


def test_receptive_fields_of_every_layer():
    table = cv.inspect("receptive-field", model())
    sizes = {name: field.size for name, field in table.fields.items()}
    assert tuple(sizes["conv1"]) == (3, 3)
    assert tuple(sizes["conv2"]) == (8, 8)  # 3, then 2 x 2 pooling makes 4, then 3 more at stride 2
    assert tuple(table.fields["conv2"].stride) == (2, 2)
    assert table.input_shape == (12, 10, 3)


def test_a_dense_layer_on_pixels_is_drawn_as_images():
    def forward(params, x):
        with jax.named_scope("dense"):
            return x.reshape(len(x), -1) @ params

    weights = np.arange(2 * 28 * 28, dtype=np.float32).reshape(784, 2)
    digits = cv.adapt(forward, jax.numpy.asarray(weights), input_shape=(28, 28, 1), name="digits")
    bank = cv.inspect("filters", digits)
    assert bank.kernel.shape == (28, 28, 1, 2)
    assert bank.kernel[3, 5, 0, 1] == weights[3 * 28 + 5, 1]
    halves = cv.inspect("filters", digits, shape=(14, 28))
    assert halves.kernel.shape == (14, 28, 2, 2)
    with pytest.raises(UsageError, match=r"shape is 5 x 5, and .*dense has 784 inputs"):
        cv.inspect("filters", digits, shape=(5, 5))


def test_the_way_down_from_a_unit_is_that_of_its_box(tmp_path):
    from cnnviz_plugins.renderers.figures.fields import box_below

    found = cv.inspect("receptive-field", model(), layer="conv2", unit=(2, 2))
    assert list(found.fields)[-1] == "conv2"
    top = found.fields["conv2"]
    for name, field in found.fields.items():
        first, left, last, right = box_below(field, top, (2, 2))
        corners = field.box(first, left, clip=False), field.box(last, right, clip=False)
        assert (*corners[0][:2], *corners[1][2:]) == top.box(2, 2, clip=False), name
    assert box_below(top, top, (2, 2)) == (2, 2, 2, 2)
    assert cv.render(found, tmp_path / "path.png", dpi=40).stat().st_size > 1000
    with pytest.raises(UsageError, match=r"layer 'conv2' has 6 x 5 units, got \(6, 0\)"):
        cv.inspect("receptive-field", model(), layer="conv2", unit=(6, 0))
    with pytest.raises(LayerKindError, match="layer 'head' of small has no map"):
        cv.inspect("receptive-field", model(), layer="head", unit=(0, 0))


def test_a_filter_matches_itself_best(tmp_path):
    from cnnviz_plugins.inspect.filters import cosines

    rng = np.random.default_rng(0)
    weights = rng.random((3, 3, 3)).astype(np.float32)
    image = rng.random((12, 10, 3)).astype(np.float32) * 0.2
    image[4:7, 2:5] = 0.7 * weights
    found = cosines(image, weights)
    assert np.unravel_index(found.argmax(), found.shape) == (4, 2)
    np.testing.assert_allclose(found[4, 2], 1, rtol=1e-6)
    patch = image[1:4, 3:6].astype(np.float64)
    expected = (patch * weights).sum() / np.linalg.norm(patch) / np.linalg.norm(weights)
    np.testing.assert_allclose(found[1, 3], expected, rtol=1e-6)
    assert not cosines(image, np.zeros((3, 3, 3), np.float32)).any()
    Image.fromarray((image * 255).astype(np.uint8)).save(tmp_path / "photo.png")
    match = cv.inspect("filter-match", model(), image=str(tmp_path / "photo.png"), unit=2)
    assert match.cosine[match.at] == match.cosine.max()
    np.testing.assert_array_equal(match.kernel, parameters()["conv1"]["kernel"][..., 2])
    assert cv.render(match, tmp_path / "match.png", dpi=40).stat().st_size > 1000


def test_a_filter_is_matched_with_what_the_first_layer_sees_after_mean_and_deviation(tmp_path):
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
    weights = parameters()["conv1"]["kernel"]
    image = np.random.default_rng(3).random((12, 10, 3))
    planted = np.asarray(weights[..., 2], np.float64)
    planted *= 0.9 / np.abs(planted).max()
    image[5:8, 4:7] = np.array(mean) + np.array(std) * planted
    Image.fromarray(np.round(image * 255).astype(np.uint8)).save(tmp_path / "photo.png")
    options = {"image": str(tmp_path / "photo.png"), "unit": 2}
    normalised = cv.adapt(forward, parameters(), input_shape=(12, 10, 3), mean=mean, std=std)
    match = cv.inspect("filter-match", normalised, layer="conv1", **options)
    assert match.at == (5, 4)
    assert match.cosine[5, 4] > 0.999  # 1, but for the bytes of the file
    np.testing.assert_allclose(match.patch, image[5:8, 4:7], atol=0.003)
    assert cv.inspect("filter-match", model(), **options).cosine[5, 4] < 0.9


def test_filter_match_says_what_it_needs():
    with pytest.raises(UsageError, match="say which image: image=FILE"):
        cv.inspect("filter-match", model())
    with pytest.raises(UsageError, match="layer 'conv1' has filters 0 to"):
        cv.inspect("filter-match", model(), unit=99, image="x.png")
    with pytest.raises(LayerKindError, match=r"a first convolution over 3 channels"):
        cv.inspect("filter-match", model(), layer="conv2", image="x.png")
