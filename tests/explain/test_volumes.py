"""Volumes: boxes of receptive fields, windows alone recomputed, and parts and masks along all three axes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.data.fills import blurred
from cnnviz_jax.errors import ImageError, LayerKindError, ModelError, UsageError
from cnnviz_jax.model import window_sweep
from cnnviz_plugins.explain.perturbation.hierarchy import box_tree
from cnnviz_plugins.explain.perturbation.rise import random_mask
from cnnviz_plugins.explain.perturbation.segments import Segments
from cnnviz_plugins.explain.perturbation.windows import Windows
from cnnviz_plugins.renderers.kernels import filter_tiles
from cnnviz_plugins.renderers.options import FilterOptions

RANDOM = np.random.default_rng(0)
SHAPE = (18, 14, 12, 2)


def numbers(*shape):
    return jnp.asarray(RANDOM.normal(size=shape) * 0.3, jnp.float32)


def conv(x, kernel, stride=(1, 1, 1), dilation=1):
    names = ("NDHWC", "DHWIO", "NDHWC")
    return jax.lax.conv_general_dilated(
        x, kernel, stride, "SAME", rhs_dilation=(dilation,) * 3, dimension_numbers=names
    )


def norm(x, p):
    return (x - p["mean"]) * jax.lax.rsqrt(p["var"] + 1e-3) * p["scale"] + p["bias"]


def norm_parameters(channels):
    return {
        "mean": numbers(channels),
        "var": jnp.abs(numbers(channels)) + 0.5,
        "scale": 1 + numbers(channels),
        "bias": numbers(channels),
    }


PARAMS = {
    "conv1": numbers(3, 3, 3, 2, 4), "bn1": norm_parameters(4), "conv2": numbers(3, 1, 3, 4, 4),
    "bn2": norm_parameters(4), "conv3": numbers(2, 3, 1, 4, 3), "head": numbers(7, 3),
}  # fmt: skip


def network(params, x):
    """Stride, BatchNorm, dilation, a residual, padding, pooling that differs from axis to axis, and a concatenation."""
    x = jax.nn.relu(norm(conv(x, params["conv1"], (2, 1, 1)), params["bn1"]))
    x = x + jax.nn.relu(norm(conv(x, params["conv2"], dilation=2), params["bn2"]))
    x = jnp.pad(x, ((0, 0), (1, 0), (0, 0), (0, 1), (0, 0)))
    x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 3, 2, 1), (1, 1, 2, 1, 1), "VALID")
    x = jnp.concatenate([x, jax.nn.relu(conv(x, params["conv3"]))], -1)
    return x[:, ::2].mean((1, 2, 3)) @ params["head"]


MODEL = cv.adapt(network, PARAMS, input_shape=SHAPE, mean=(0.4, 0.5), std=(0.5, 2.0))
INPUTS = RANDOM.random((2, *SHAPE), np.float32)
UNITS = [(0, 0, 0), (3, 2, 5), (-1, -1, -1)]


def layer_shape(name):
    return MODEL.program.layers[name].volume


@pytest.mark.parametrize("name", [name for name, layer in MODEL.program.layers.items() if layer.is_map])
def test_the_box_of_a_unit_is_the_support_of_its_gradient(name):
    field, shape = MODEL.layers[name].receptive_field, layer_shape(name)
    assert field.shape == shape
    generator = np.random.default_rng(1)
    for unit in UNITS:
        row, column = (
            np.ravel_multi_index([at % n for at, n in zip(unit[:2], shape[:2], strict=True)], shape[:2]),
            unit[2],
        )
        weights = generator.normal(size=MODEL.layers[name].channels)
        support = np.zeros(SHAPE[:3], bool)
        for image in generator.normal(size=(4, *MODEL.input_shape)):  # ReLUs and maxima choose others in each

            def value(image, row=row, column=column, weights=weights):
                found = MODEL.run(image, read=(name,), need_outputs=False)[1][name]
                return found[row, column] @ weights

            support |= np.abs(jax.grad(value)(jnp.asarray(image, jnp.float32))).reshape(SHAPE).any(-1)
        touched = np.argwhere(support)
        assert field.box(*unit) == (*touched.min(0), *touched.max(0)), unit


def test_fields_are_told_along_three_axes():
    field = MODEL.layers["max_pool"].receptive_field
    # Rows: 3 of the first convolution and 3 - 1 of the pool make 5. Depth: behind a stride of 2 the second convolution
    # adds 2 * 4 and the pool 2 * 1 to the first's 3.
    assert (field.size, field.stride) == ((13, 5, 8), (2, 2, 1))
    assert field.centre(3, 2, 5) == (6, 5, 5.5)
    assert str(field) == "13 x 5 x 8 px, stride 2 x 2 x 1"
    assert [len(hits) for hits in field.hits(8, 7, 6)] == [7, 3, 8]
    assert MODEL.program.layers["conv"].axes == "NDHWC"
    with pytest.raises(LayerKindError, match=r"has 3 numbers, one for each axis; got \(1, 2, 3, 4\)"):
        field.box(1, 2, 3, 4)


def test_axes_of_length_one_stay_axes():
    flat = cv.adapt(lambda p, x: conv(x, p).mean((1, 2, 3)), numbers(1, 3, 3, 1, 2), input_shape=(1, 6, 5, 1))
    assert flat.program.layers["conv"].volume == (1, 6, 5)
    assert flat.layers["conv"].receptive_field.size == (1, 3, 3)


def test_channels_first_volumes_have_the_same_fields():
    names = ("NCDHW", "DHWIO", "NCDHW")

    def first(params, x):
        x = jax.lax.conv_general_dilated(x, params["conv1"], (1, 1, 1), "SAME", dimension_numbers=names)
        return jax.nn.relu(x).mean((2, 3, 4)) @ params["head"][:4]

    model = cv.adapt(first, PARAMS, input_shape=SHAPE, axes="NCHW")
    assert model.program.layers["conv"].axes == "NCDHW"
    assert model.layers["conv"].receptive_field.box(2, 3, 4) == (1, 2, 3, 3, 4, 5)


@pytest.mark.parametrize(("window", "stride"), [((3, 4, 2), (5, 4, 5)), ((2, 2, 2), (4, 6, 5))])
def test_windows_alone_give_the_map_of_whole_volumes(window, stride):
    options = {"target": 1, "window": window, "stride": stride, "edge": "truncate", "fill": 0.25}
    dense = cv.explain("occlusion", MODEL, INPUTS, engine="dense", **options)
    alone = cv.explain("occlusion", MODEL, INPUTS, engine="incremental", **options)
    assert dict(alone.provenance.notes)["engine"] == "incremental"
    np.testing.assert_allclose(alone.values, dense.values, atol=1e-5)
    np.testing.assert_allclose(alone.low_res, dense.low_res, atol=1e-5)
    plan = Windows.over(SHAPE[:3], window, stride, "full").sweep.plan(MODEL)
    assert plan.flops < 0.5 * plan.dense_flops
    whole = {step.node.name for step in plan.steps if step.recipe is None}
    assert not whole & {"conv_general_dilated", "reduce_window_max", "pad", "concatenate"}


def test_a_long_sweep_over_a_volume_is_parted_into_groups(monkeypatch):
    monkeypatch.setattr(window_sweep, "place_groups", lambda regions, _, most: GROUPS(regions, lambda *_: True, 4))
    window_sweep._grouped.cache_clear()
    options = {"target": 1, "window": (4, 4, 4), "stride": (4, 5, 8)}
    alone = cv.explain("occlusion", MODEL, INPUTS[:1], engine="incremental", **options)
    window_sweep._grouped.cache_clear()
    dense = cv.explain("occlusion", MODEL, INPUTS[:1], engine="dense", **options)
    np.testing.assert_allclose(alone.values, dense.values, atol=1e-5)


GROUPS = window_sweep.place_groups


def test_auto_takes_the_faster_engine_and_the_parts_of_a_grid_are_windows_too():
    options = {"target": 1, "segments": "grid(3)"}
    dense = cv.explain("feature-ablation", MODEL, INPUTS, engine="dense", **options)
    alone = cv.explain("feature-ablation", MODEL, INPUTS, engine="incremental", **options)
    np.testing.assert_allclose(alone.values, dense.values, atol=1e-5)
    assert dense.low_res.shape == (2, 3, 3, 3)


def test_adaptive_windows_are_interpolated_along_every_axis():
    model = cv.adapt(lambda p, x: x.sum((1, 2, 3)) @ p, jnp.ones((1, 1)), input_shape=(9, 9, 9, 1))
    ramp = np.indices((9, 9, 9)).sum(0)[None, ..., None].astype(np.float32) / 24
    options = {"target": 0, "window": 1, "stride": 1, "fill": 0.0}
    found = cv.explain("occlusion", model, ramp, adaptive=0.2, **options)
    assert found.extras["computed"].shape == (1, 9, 9, 9)
    assert found.extras["computed"].sum() == round(0.2 * 729)
    np.testing.assert_allclose(found.low_res, ramp[..., 0], atol=1e-4)


def test_a_mask_of_rise_is_the_product_of_its_axes():
    key, cells, size = jax.random.key(3), (2, 3, 2), (5, 9, 7)
    mask = np.asarray(random_mask(key, size, cells, 0.5))
    drawn = np.asarray(jax.random.uniform(key, (3 + 12,)))
    kept = (drawn[3:] < 0.5).astype(np.float64).reshape(cells)
    expected = kept
    for axis, (n, count) in enumerate(zip(size, cells, strict=True)):
        edge = -(-n // count)
        place = np.arange(n) + int(drawn[axis] * edge) + 0.5
        at = np.clip(place * count / ((count + 1) * edge) - 0.5, 0, count - 1)
        matrix = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(count)))
        expected = np.moveaxis(np.tensordot(matrix, expected, (1, axis)), 0, axis)
    np.testing.assert_allclose(mask, expected, atol=1e-6)


def test_rise_finds_the_box_that_a_score_reads():
    model = cv.adapt(lambda p, x: x[:, 1:3, 4:7, 0:3].mean((1, 2, 3)) @ p, jnp.ones((1, 1)), input_shape=(6, 10, 8, 1))
    found = cv.explain("rise", model, np.ones((1, 6, 10, 8, 1), np.float32), target=0, masks=600, grid=(3, 4, 4), key=0)
    inside = np.zeros((6, 10, 8), bool)
    inside[1:3, 4:7, 0:3] = True
    assert found.values.shape == (1, 6, 10, 8)
    assert found.values[0][inside].mean() > found.values[0][~inside].mean() + 0.05
    assert inside.flat[found.values[0].argmax()]
    with pytest.raises(UsageError, match=r"grid is one number, or one for each of 3 axes; got \(3, 4\)"):
        cv.explain("rise", model, np.ones((1, 6, 10, 8, 1), np.float32), grid=(3, 4))


OCTANTS = np.indices((4, 6, 8)) // np.array([2, 3, 4])[:, None, None, None]
WEIGHTS = RANDOM.normal(size=(2, 2, 2)).astype(np.float32)
LINEAR = cv.adapt(
    lambda p, x: (x[..., 0] * p[tuple(OCTANTS)]).sum((1, 2, 3))[:, None], WEIGHTS, input_shape=(4, 6, 8, 1)
)
ONES = np.ones((1, 4, 6, 8, 1), np.float32)


@pytest.mark.parametrize(
    ("technique", "options"),
    [
        ("feature-ablation", {}),
        ("shapley", {}),
        ("permutation-shap", {}),
        ("kernel-shap", {"samples": 300}),
        ("partition-shap", {}),
        ("lime", {"samples": 400, "ridge": 1e-6}),
    ],
)
def test_games_over_the_boxes_of_a_grid_give_a_linear_scores_weights(technique, options):
    found = cv.explain(technique, LINEAR, ONES, target=0, segments="grid(2)", fill=0.0, key=0, **options)
    np.testing.assert_allclose(found.low_res[0], WEIGHTS * 24, atol=2e-3)
    np.testing.assert_array_equal(found.values[0], np.asarray(found.low_res[0])[tuple(OCTANTS)])


@pytest.mark.parametrize(
    ("technique", "options"), [("sobol", {"designs": 8}), ("hsic", {"masks": 64}), ("feature-permutation", {})]
)
def test_the_rest_of_the_family_numbers_the_same_boxes(technique, options):
    two = np.concatenate([ONES, 0.5 * ONES])
    found = cv.explain(technique, LINEAR, two, target=0, segments="grid(2)", key=0, **options)
    assert found.low_res.shape == (2, 2, 2, 2)
    np.testing.assert_array_equal(found.values[0], np.asarray(found.low_res[0])[tuple(OCTANTS)])


def test_superpixels_of_volumes_are_slic_in_three_axes():
    segmentation = pytest.importorskip("skimage.segmentation")
    volume = 100 * RANDOM.random((4, 6, 8, 1), np.float32)
    found = np.asarray(Segments.of("slic(8)", LINEAR)(jnp.asarray(volume.reshape(24, 8, 1)))).reshape(4, 6, 8)
    own = segmentation.slic(volume.astype(np.float64), 8, compactness=10.0, start_label=0, channel_axis=-1)
    pairs = np.unique(np.stack([found.reshape(-1), own.reshape(-1)]), axis=1)
    assert pairs.shape[1] == len(np.unique(own)) == len(np.unique(found)) > 2  # the same parts, numbered by size
    with pytest.raises(UsageError, match=r"quickshift.* makes superpixels of images; slic"):
        cv.explain("lime", LINEAR, ONES, segments="quickshift(8)")


def test_a_tree_of_boxes_halves_the_longest_of_three_sides():
    tree = box_tree(np.arange(8).reshape(1, 2, 4), axes=3)
    first = tree.parts[tree.first[1] : tree.end[1]]
    assert sorted(first) == [0, 1, 4, 5]


@pytest.mark.parametrize("convention", ["paper", "pytorch-grad-cam"])
def test_score_cam_masks_a_volume_by_channels_enlarged_along_every_axis(convention):
    layer, image = "max_pool", INPUTS[0]
    found = cv.explain("score-cam", MODEL, image, target=1, layer=layer, convention=convention)
    values = np.asarray(cv.capture(MODEL, image, [layer])[layer])[0]
    mean = np.array([0.4, 0.5], np.float32)
    masked = []
    for channel in np.moveaxis(values, -1, 0):
        if convention == "paper":
            mask = np.asarray(jax.image.resize(channel, SHAPE[:3], "linear", antialias=False))
        else:
            mask = channel
            for axis, (into, of) in enumerate(zip(SHAPE[:3], channel.shape, strict=True)):
                at = np.arange(into) * (of - 1) / (into - 1)
                matrix = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(of)))
                mask = np.moveaxis(np.tensordot(matrix, mask, (1, axis)), 0, axis)
        mask = (mask - mask.min()) / (mask.max() - mask.min())
        masked.append(mean + (image - mean) * mask[..., None])
    scores = np.asarray(MODEL(np.asarray(masked, np.float32)))[:, 1]
    expected = (values * np.asarray(jax.nn.softmax(scores))).sum(-1)
    np.testing.assert_allclose(found.extras["before_relu"][0].reshape(expected.shape), expected, atol=1e-5)


def test_a_blur_mixes_neighbouring_slices():
    volume = np.zeros((5, 5, 5, 1), np.float32)
    volume[2, 2, 2] = 1
    found = np.asarray(blurred(jnp.asarray(volume.reshape(25, 5, 1)), 0.8, (5, 5, 5))).reshape(5, 5, 5)
    np.testing.assert_allclose(found, found.transpose(2, 1, 0), atol=1e-7)
    np.testing.assert_allclose(found, found.transpose(1, 0, 2), atol=1e-7)
    assert found[2, 2, 2] == found.max() < 0.2


def test_what_is_of_images_alone_says_so():
    with pytest.raises(ModelError, match=r"size is of images; .* takes a volume"):
        cv.synthesize("activation-maximization", MODEL, layer="conv", channels=[0], size=32)
    with pytest.raises(LayerKindError, match="effective-receptive-field works on images and series"):
        cv.inspect("effective-receptive-field", MODEL)
    with pytest.raises(ImageError, match=r"while cv\.explain, .* take series and volumes"):
        cv.report(MODEL, INPUTS)
    with pytest.raises(LayerKindError, match="extremal-perturbation works on inputs of 1 or 2 spatial axes"):
        cv.explain("extremal-perturbation", MODEL, INPUTS)


@pytest.mark.parametrize("options", [{}, {"layer": "conv#2", "unit": (3, 2, 5)}])
def test_fields_of_volumes_are_drawn(options, tmp_path):
    found = cv.inspect("receptive-field", MODEL, **options)
    assert found.input_shape == SHAPE
    cv.render(found, tmp_path / "fields.png")
    cv.save(found, tmp_path / "fields.npz")
    assert cv.load(tmp_path / "fields.npz") == found


def test_filters_of_series_and_volumes_are_rows_and_slices_side_by_side(tmp_path):
    bank = cv.inspect("filters", MODEL, layer="conv")
    np.testing.assert_array_equal(bank.kernel, PARAMS["conv1"])
    shown = filter_tiles(bank, FilterOptions())
    assert shown.tiles[0].shape[:2] == (3, 9)
    assert "3 × 3 × 3 × 2; slices side by side" in shown.caption
    whole = filter_tiles(cv.inspect("filters", FLAT, layer="conv"), FilterOptions())
    assert whole.tiles[0].shape[:2] == (1, 3)
    cv.render(bank, tmp_path / "filters.png")


def series(params, x):
    layout = ("NTC", "TIO", "NTC")
    return jax.lax.conv_general_dilated(x, params, (1,), "SAME", dimension_numbers=layout).mean(1)


FLAT = cv.adapt(series, numbers(3, 1, 2), input_shape=(9, 1))


def test_fullgrad_enlarges_every_term_along_all_axes_and_its_terms_are_the_score():
    found = cv.explain("fullgrad", MODEL, INPUTS, target=1, rescale="none", signed=True)
    np.testing.assert_allclose(found.extras["completeness_gap"], 0, atol=1e-5)
    layers = dict(found.provenance.notes)["bias_layers"]
    assert layers == ("bn1", "bn2")
    values = cv.capture(MODEL, INPUTS, list(layers))

    def score(deltas, image):
        held = MODEL.structure.space.held(image[None])[0]
        return MODEL.run(held, add={name: each.reshape(-1, *each.shape[2:]) for name, each in deltas.items()})[0][1]

    for image, own in zip(INPUTS, found.values, strict=True):
        zeros = {name: jnp.zeros(values[name].shape[1:]) for name in layers}
        slopes, at_input = jax.grad(score, (0, 1))(zeros, jnp.asarray(image))
        total = np.asarray((image - np.asarray([0.4, 0.5])) * at_input).sum(-1)
        for name in layers:
            p = PARAMS[name]
            shift = p["bias"] - p["mean"] * jax.lax.rsqrt(p["var"] + 1e-3) * p["scale"]
            total += np.asarray(jax.image.resize(slopes[name] * shift, (*SHAPE[:3], 4), "linear", antialias=False)).sum(
                -1
            )
        np.testing.assert_allclose(own, total, atol=1e-5)
