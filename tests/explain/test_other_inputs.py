"""Vectors, series and volumes: what comes back has their own axes, and is what plain JAX gives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import ImageError, LayerKindError, ModelError, RenderError, WindowError
from cnnviz_plugins.explain.perturbation.windows import Windows

RANDOM = np.random.default_rng(0)


def numbers(*shape):
    return jnp.asarray(RANDOM.normal(size=shape) * 0.4, jnp.float32)


def conv(x, kernel, stride=1):
    axes = "DHW"[3 - (x.ndim - 2) :]
    spec = (f"N{axes}C", f"{axes}IO", f"N{axes}C")
    return jax.lax.conv_general_dilated(x, kernel, (stride,) * len(axes), "SAME", dimension_numbers=spec)


def upper(params, x):
    """The part above the last map."""
    return x.mean(tuple(range(1, x.ndim - 1))) @ params["head"]


def features(params, x):
    x = jax.nn.relu(conv(x, params["conv1"]) + params["bias"])
    return jax.nn.relu(conv(x, params["conv2"], 2))


def network(params, x):
    return upper(params, features(params, x))


def parameters(rank):
    sides = (3,) * rank
    return {"conv1": numbers(*sides, 2, 4), "bias": numbers(4), "conv2": numbers(*sides, 4, 5), "head": numbers(5, 3)}


SERIES, VOLUME = (20, 2), (4, 6, 8, 2)
SHAPES = {"series": SERIES, "volume": VOLUME}
PARAMS = {kind: parameters(len(shape) - 1) for kind, shape in SHAPES.items()}
MODELS = {kind: cv.adapt(network, PARAMS[kind], input_shape=shape, name=kind) for kind, shape in SHAPES.items()}
INPUTS = {kind: RANDOM.random((2, *shape), np.float32) for kind, shape in SHAPES.items()}
each_kind = pytest.mark.parametrize("kind", list(SHAPES))


def score(kind, x):
    return network(PARAMS[kind], x)[:, 1]


def gradient(kind, x):
    return jax.grad(lambda x: score(kind, x).sum())(jnp.asarray(x))


@each_kind
def test_a_model_takes_one_or_many_and_knows_its_axes(kind):
    model, x = MODELS[kind], INPUTS[kind]
    np.testing.assert_allclose(model(x), network(PARAMS[kind], x), atol=1e-5)
    np.testing.assert_allclose(model(x[0]), network(PARAMS[kind], x[:1]), atol=1e-5)
    np.testing.assert_allclose(jax.jit(lambda x: model(x))(x), network(PARAMS[kind], x), atol=1e-5)
    assert model.shape == SHAPES[kind]
    assert f"{kind} {' x '.join(map(str, SHAPES[kind]))}" in repr(model)
    assert not model.warnings
    values = cv.capture(model, x, ["relu#1"])["relu#1"]
    np.testing.assert_allclose(values, features(PARAMS[kind], x), atol=1e-5)


@each_kind
def test_gradients_are_those_of_jax_with_the_inputs_own_axes(kind):
    model, x = MODELS[kind], INPUTS[kind]
    found = cv.explain("input-x-gradient", model, x, target=1)
    np.testing.assert_allclose(found.values, x * gradient(kind, x), atol=1e-5)
    np.testing.assert_array_equal(found.images, x)
    saliency = cv.explain("saliency", model, x, target=1)
    np.testing.assert_allclose(np.abs(saliency.values), np.abs(gradient(kind, x)), atol=1e-5)


@each_kind
def test_integrated_gradients_sum_along_the_path(kind):
    nodes, x = 8, INPUTS[kind]
    found = cv.explain("integrated-gradients", MODELS[kind], x, target=1, baseline=0.0, nodes=nodes)
    at, weights = np.polynomial.legendre.leggauss(nodes)
    total = sum(w / 2 * gradient(kind, (a + 1) / 2 * x) for a, w in zip(at, weights, strict=True))
    np.testing.assert_allclose(found.values, x * total, atol=1e-5)
    gap = np.asarray(found.values).reshape(2, -1).sum(1) - (score(kind, x) - score(kind, 0 * x))
    np.testing.assert_allclose(found.extras["completeness_gap"], gap, atol=1e-4)


@each_kind
def test_grad_cam_weights_by_the_mean_over_all_axes_and_enlarges_along_each(kind):
    model, x = MODELS[kind], INPUTS[kind]
    found = cv.explain("grad-cam", model, x, target=1)
    values = features(PARAMS[kind], x)
    slopes = jax.grad(lambda v: upper(PARAMS[kind], v)[:, 1].sum())(values)
    weights = slopes.mean(tuple(range(1, slopes.ndim - 1)), keepdims=True)
    expected = jax.nn.relu((values * weights).sum(-1))
    np.testing.assert_allclose(found.low_res, expected, atol=1e-5)
    size = (2, *SHAPES[kind][:-1])
    np.testing.assert_allclose(found.values, jax.image.resize(expected, size, "linear", antialias=False), atol=1e-5)
    assert found.provenance.layer == "relu#1"


def test_relevance_and_noise_have_the_inputs_axes_too():
    for kind, x in INPUTS.items():
        lrp = cv.explain("lrp", MODELS[kind], x, target=1, composite="epsilon", epsilon=1e-9)
        assert lrp.values.shape == x.shape
        smooth = cv.explain("smoothgrad", MODELS[kind], x, target=1, key=0, samples=2)
        assert smooth.values.shape == smooth.extras["standard_error"].shape == x.shape
        again = cv.explain("smoothgrad", MODELS[kind], x[1:], target=1, key=0, samples=2)
        np.testing.assert_allclose(again.values[0], smooth.values[1], atol=1e-6)


def occluded_by_hand(kind, x, window, stride, fill):
    counts = [(n - w) // s + 1 for n, w, s in zip(x.shape[:-1], window, stride, strict=True)]
    grid = np.zeros(counts)
    for place in np.ndindex(*counts):
        covered = x.copy()
        box = tuple(slice(p * s, p * s + w) for p, s, w in zip(place, stride, window, strict=True))
        covered[box] = fill
        grid[place] = float(score(kind, x[None])[0] - score(kind, covered[None])[0])
    return grid


@each_kind
def test_occlusion_covers_boxes_along_all_axes(kind):
    window, stride = {"series": ((6,), (4,)), "volume": ((2, 3, 4), (2, 2, 3))}[kind]
    x = INPUTS[kind]
    found = cv.explain("occlusion", MODELS[kind], x, target=1, window=window, stride=stride, fill=0.25)
    expected = [occluded_by_hand(kind, one, window, stride, 0.25) for one in x]
    np.testing.assert_allclose(found.low_res, expected, atol=1e-5)
    assert found.values.shape == x.shape[:-1]
    notes = dict(found.provenance.notes)
    assert (notes["window"], notes["stride"], notes["positions"]) == (window, stride, found.low_res.shape[1:])
    mean = cv.explain("occlusion", MODELS[kind], x, target=1, window=window, stride=stride, gather="average")
    assert mean.values.shape == x.shape[:-1]


def test_the_engine_changes_no_number_of_a_series():
    x, options = INPUTS["series"], {"target": 1, "window": 3, "stride": 2}
    dense = cv.explain("occlusion", MODELS["series"], x, engine="dense", **options)
    windows = cv.explain("occlusion", MODELS["series"], x, engine="incremental", **options)
    np.testing.assert_allclose(windows.values, dense.values, atol=1e-5)
    plan = Windows.over_series(SERIES[0], 3, 2, "full").sweep.plan(MODELS["series"])
    assert plan.flops < 0.6 * plan.dense_flops  # recomputed around each window alone, up to the global mean


def test_positions_of_windows_are_those_of_the_facts():
    assert Windows.over_series(51, 8, 3, "full").counts == (1, 15)
    assert Windows.over_series(51, 8, 3, "truncate").counts == (1, 16)
    assert Windows.over((16, 24, 24), (4, 8, 8), (2, 4, 4), "full").counts == (7, 5, 5)
    assert Windows.over((16, 24, 24), 4, 2, "full").counts == (7, 11, 11)
    with pytest.raises(WindowError, match="a window of 9 steps does not fit a series of 8"):
        Windows.over_series(8, 9, 1, "full")
    with pytest.raises(WindowError, match=r"window is one number, or one for each of 3 axes; got \(4, 4\)"):
        Windows.over((8, 8, 8), (4, 4), 1, "full")


def test_fields_along_time_are_those_of_the_facts():
    def causal(params, x):
        for kernel, dilation in zip(params, (1, 2, 4, 8), strict=True):
            x = jax.lax.conv_general_dilated(
                x, kernel, (1,), [(dilation, 0)], rhs_dilation=(dilation,), dimension_numbers=("NTC", "TIO", "NTC")
            )
        return x.mean(1)

    model = cv.adapt(causal, [numbers(2, 1, 1)] * 4, input_shape=(40, 1))
    columns = list(model.layers.values())[3].receptive_field.columns.index_map
    assert (columns.high - columns.low + 1, columns.jump, -columns.low) == (16, 1, 15)

    def strided(params, x):
        x = jax.lax.conv_general_dilated(x, params[0], (2,), [(3, 3)], dimension_numbers=("NTC", "TIO", "NTC"))
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 1), (1, 2, 1), ((0, 0), (1, 1), (0, 0)))
        x = jax.lax.conv_general_dilated(x, params[1], (1,), [(1, 1)], dimension_numbers=("NTC", "TIO", "NTC"))
        return x.mean(1)

    model = cv.adapt(strided, [numbers(7, 1, 1), numbers(3, 1, 1)], input_shape=(64, 1))
    columns = list(model.layers.values())[2].receptive_field.columns.index_map
    assert (columns.high - columns.low + 1, columns.jump, -columns.low) == (19, 4, 9)


def test_layers_of_series_and_volumes_are_maps_with_their_names():
    kinds = ["conv", "relu", "conv", "relu", "global_pool", "dense"]
    for kind, model in MODELS.items():
        layers = list(model.layers.values())
        assert [layer.kind for layer in layers] == kinds, kind
        assert [layer.is_map for layer in layers] == [True] * 4 + [False] * 2
    assert MODELS["series"].layers["conv"].receptive_field.size == (1, 3)
    assert MODELS["volume"].layers["conv"].receptive_field.size == (3, 3, 3)


@each_kind
def test_cam_is_the_map_under_the_weights_of_the_class(kind):
    cam = cv.explain("cam", MODELS[kind], INPUTS[kind], target=1)
    expected = features(PARAMS[kind], INPUTS[kind]) @ PARAMS[kind]["head"][:, 1]
    np.testing.assert_allclose(cam.extras["before_relu"].reshape(expected.shape), expected, atol=1e-5)
    size = (2, *SHAPES[kind][:-1])
    whole = jax.image.resize(cam.low_res, size, "linear", antialias=False)
    np.testing.assert_allclose(cam.values, whole, atol=1e-5)


@each_kind
def test_shares_at_a_layer_have_its_axes_and_sum_to_the_scores_difference(kind):
    model, x = MODELS[kind], INPUTS[kind]
    difference = score(kind, x) - score(kind, 0 * x)
    inner = cv.explain("conductance", model, x, target=1, at="relu#1", baseline=0.0, nodes=64)
    assert inner.values.shape == features(PARAMS[kind], x).shape
    np.testing.assert_allclose(inner.values.reshape(2, -1).sum(1), difference, atol=1e-3)
    shap = cv.explain("deeplift-shap", model, x, target=1, baselines=("zero",))
    np.testing.assert_allclose(shap.values.reshape(2, -1).sum(1), difference, atol=1e-4)
    assert shap.values.shape == x.shape


def test_the_entries_of_a_vector_are_its_places():
    params = {"first": numbers(6, 5), "second": numbers(5, 3)}

    def dense(params, x):
        return jax.nn.relu(x @ params["first"]) @ params["second"]

    model, x = cv.adapt(dense, params, input_shape=(6,)), RANDOM.random((2, 6), np.float32)
    assert [layer.kind for layer in model.layers.values()] == ["dense", "relu", "dense"]
    slopes = jax.grad(lambda x: dense(params, x)[:, 1].sum())(x)
    found = cv.explain("input-x-gradient", model, x, target=1)
    np.testing.assert_allclose(found.values, x * slopes, atol=1e-5)
    ablated = cv.explain("occlusion", model, x, target=1, window=1, stride=1, fill=0.0)
    expected = np.stack([dense(params, x)[:, 1] - dense(params, x * (np.arange(6) != k))[:, 1] for k in range(6)], 1)
    np.testing.assert_allclose(ablated.low_res, expected, atol=1e-5)
    assert ablated.values.shape == (2, 6)


def test_channels_first_models_and_means_along_channels_work():
    def first(params, x):  # n c t
        return network(params, x.swapaxes(1, 2))

    x = INPUTS["series"]
    model = cv.adapt(first, PARAMS["series"], input_shape=SERIES, axes="NCHW", mean=(0.1, 0.2), std=(1.0, 2.0))
    scaled = (x - np.array([0.1, 0.2], np.float32)) / np.array([1, 2], np.float32)
    np.testing.assert_allclose(model(x), network(PARAMS["series"], scaled), atol=1e-5)


def test_what_does_not_fit_or_work_is_said_in_a_sentence():
    with pytest.raises(ImageError, match=r"takes a series of shape \(20, 2\), or several .*; got .*\(2, 8, 8\)"):
        MODELS["series"](np.zeros((2, 8, 8), np.float32))
    with pytest.raises(LayerKindError, match="blur-ig works on inputs of 1 or 2 spatial axes; volume takes a vol"):
        cv.explain("blur-ig", MODELS["volume"], INPUTS["volume"], target=1)
    with pytest.raises(ModelError, match=r"or \(numbers,\), \(time, channels\) or \(depth, height, width, channels\)"):
        cv.adapt(network, PARAMS["series"], input_shape=(2, 2, 2, 2, 2))


@each_kind
def test_figures_draw_curves_and_slices(kind, tmp_path):
    found = cv.explain("grad-cam", MODELS[kind], INPUTS[kind], target=1)
    figure = cv.figure(found)
    pictures = [len(axes.images) for axes in figure.axes]
    lines = [len(axes.lines) for axes in figure.axes]
    assert (sum(pictures), max(lines)) == {"series": (2, 2), "volume": (16, 0)}[kind]
    cv.render(found, tmp_path / "found.png")
    cv.save(found, tmp_path / "found.npz")
    assert cv.load(tmp_path / "found.npz") == found
    with pytest.raises(RenderError, match=r"maps are laid over images; of series and volumes cv\.figure"):
        found.overlay()


@each_kind
def test_measures_take_their_maps(kind):
    found = cv.explain("input-x-gradient", MODELS[kind], INPUTS[kind], target=1)
    measured = cv.measure("deletion", MODELS[kind], INPUTS[kind], found, steps=4)
    assert np.isfinite(measured.values).all()
