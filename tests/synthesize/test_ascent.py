"""The ascent itself: a known optimum, dead starts, sizes, resuming, groups, exemplars."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax import targets
from cnnviz_jax.errors import ImageError, TargetError, UsageError
from cnnviz_jax.verbs.exemplars import exemplar_scores
from tests.explain.small_network import forward, model, parameters, some_images

PLAIN = {"recipe": "lucid", "transforms": "none", "parametrization": "pixel('zero', 0, 0.5)", "optimizer": "adam(0.02)"}


def ascend(net=None, **options):
    return cv.synthesize("activation-maximization", net or model(), **{"key": 1, **PLAIN, **options})


def linear(kernel, x):
    with jax.named_scope("conv"):
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def test_the_optimum_of_a_linear_filter_in_a_ball_is_the_filter():
    # Matched filter: argmax <K, x> - ||x||^2 / 2 is K inside the receptive field and 0 elsewhere.
    kernel = np.random.default_rng(0).normal(size=(3, 5, 2, 2)).astype(np.float32)
    net = cv.adapt(linear, jnp.asarray(kernel), input_shape=(20, 20, 2))
    made = ascend(
        net, target=cv.targets.neuron("conv", 9, 11, 1), margin=4, steps=60, parametrization="pixel('zero', 0, 0)",
        regularizers="l2(0.5, 0, True)", optimizer="gradient(0.2)",
    )  # fmt: skip
    ((top, left),) = dict(made.provenance.notes)["offsets"]
    image, expected = made.raw[0], np.zeros((20, 20, 2), np.float32)
    expected[8:11, 9:14] = kernel[..., 1]
    expected = expected[top : top + image.shape[0], left : left + image.shape[1]]
    assert image.shape == (11, 13, 2)
    cosine = (image * expected).sum() / np.linalg.norm(image) / np.linalg.norm(expected)
    assert cosine > 0.9999
    assert np.abs(image[expected == 0]).max() == 0
    assert made.status == ("ok",)


def test_a_neurons_image_on_its_field_is_that_of_the_whole_canvas():
    net = cv.adapt(forward, parameters(), input_shape=(32, 32, 3))
    start = some_images(1, 32, 32)[0]
    target = cv.targets.neuron("conv2", 7, 8, 2)
    small = ascend(net, target=target, images=start, steps=15)
    whole = ascend(net, target=target, images=start, steps=15, size=32)
    ((top, left),) = dict(small.provenance.notes)["offsets"]
    h, w = small.raw.shape[1:3]
    assert (h, w) == (10, 10)
    first, last = net.layers["conv2"].receptive_field.box(7, 8)[:2], net.layers["conv2"].receptive_field.box(7, 8)[2:]
    change = (whole.raw[0] - start)[first[0] : last[0] + 1, first[1] : last[1] + 1].ravel()
    own = small.raw[0] - start[top : top + h, left : left + w]
    own = own[first[0] - top : last[0] + 1 - top, first[1] - left : last[1] + 1 - left].ravel()
    assert change @ own / np.linalg.norm(change) / np.linalg.norm(own) > 0.98
    outside = np.ones((32, 32), bool)
    outside[first[0] : last[0] + 1, first[1] : last[1] + 1] = False
    assert np.abs((whole.raw[0] - start)[outside]).max() == 0


def closed(bias=-10.0):
    params = parameters()
    params["conv1"]["bias"] = jnp.full(6, bias)
    return cv.adapt(forward, params, input_shape=(12, 10, 3), name="closed")


def test_a_closed_relu_has_no_gradient_and_the_value_before_it_has():
    after = ascend(closed(), layer="relu", channels=[0], tap="after", steps=3)
    assert after.status == ("no_gradient",)
    before = ascend(closed(), layer="relu", channels=[0], steps=3)
    assert dict(before.provenance.notes)["tap"] == ("conv1",)
    assert before.activation[0] > before.curves[0, 0]
    assert before.status == ("not_reached",), "it climbs, but from -10 it does not get above 0 in three steps"
    assert any("not above 0 in 3 steps: " in words for words in before.warnings)


def nameless(kernel, x):
    x = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return jax.nn.relu(0.5 * jnp.arctan(x) - 0.4)  # nothing between the convolution and the ReLU is a layer


def test_where_nothing_before_the_relu_has_a_name_it_leaks_at_first():
    kernel = jnp.asarray(np.random.default_rng(2).normal(size=(3, 3, 3, 2)) * 0.2, jnp.float32)
    net = cv.adapt(nameless, kernel, input_shape=(8, 8, 3))
    options = {"layer": "relu", "channels": [0, 1], "steps": 80, "size": 8, "optimizer": "adam(0.05)"}
    cold = ascend(net, **options, warmup=0)
    warm = ascend(net, **options)
    assert dict(warm.provenance.notes)["warmup_steps"] == 10
    assert cold.status == ("no_gradient", "no_gradient")
    assert warm.status == ("ok", "ok")
    assert (warm.activation > 0).all()


def test_the_best_image_so_far_is_kept():
    made = ascend(layer="conv2", channels=[0, 5], size=(12, 10), steps=12, optimizer="adam(0.8)", regularizers="clip")
    best = np.asarray(made.extras["best_activation"])
    np.testing.assert_allclose(best, np.maximum(made.curves.max(1), made.activation), rtol=1e-5)
    for i, channel in enumerate((0, 5)):
        reached = cv.capture(model(), made.extras["best"][i], ["conv2"])["conv2"][..., channel].mean()
        np.testing.assert_allclose(reached, best[i], rtol=1e-4)
    cache = ascend(layer="conv2", channels=[0, 5], size=(12, 10), steps=12, optimizer="adam(0.8)", regularizers="clip",
                  keep="best")  # fmt: skip
    np.testing.assert_allclose(cache.activation, best, rtol=1e-5)


def test_an_interrupted_run_keeps_what_is_finished(tmp_path):
    options = {"layer": "conv2", "channels": [0, 3, 5], "size": (12, 10), "steps": 4, "chunk": 1, "snapshots": 3}
    whole = ascend(**options)

    def stop(done, total, what):
        if done > 5:  # in the second target
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ascend(**options, folder=tmp_path, progress=stop)
    assert len(list(tmp_path.glob("*.npz"))) == 1
    reports = []
    again = ascend(**options, folder=tmp_path, progress=lambda done, total, what: reports.append(done))
    assert reports[0] == 4, "the first target is not made again"
    np.testing.assert_array_equal(again.raw, whole.raw)
    np.testing.assert_array_equal(again.extras["frames"], whole.extras["frames"])
    assert len(list(tmp_path.glob("*.npz"))) == 3
    for path in list(tmp_path.glob("*.npz"))[:1]:
        path.write_bytes(b"broken")
    np.testing.assert_array_equal(ascend(**options, folder=tmp_path).curves, whole.curves)
    other = ascend(**{**options, "key": 9, "parametrization": "pixel('uniform', 0.1, 0.5)"}, folder=tmp_path)
    assert np.abs(other.raw - whole.raw).max() > 1e-3, "another key or start is another image"


def test_images_of_a_group_differ_more_under_diversity():
    options = {"size": (12, 10), "steps": 25, "copies": 2, "parametrization": "pixel('uniform', 0.01, 0.5)"}
    target = cv.targets.channel("conv2", 3)
    alike = ascend(target=target, **options)
    apart = ascend(target=target + 5 * targets.diversity("conv2"), **options)
    assert alike.raw.shape == (2, 12, 10, 3)
    assert alike.provenance.targets == ("conv2 channel 3 (1 of 2)", "conv2 channel 3 (2 of 2)")
    values = [cv.capture(model(), made.raw, ["conv2"])["conv2"] for made in (alike, apart)]
    scores = [targets.diversity("conv2").score_group(jnp.asarray(value)).mean() for value in values]
    assert scores[1] > scores[0] + 0.01


def test_exemplars_give_the_maximum_and_the_crops_of_a_data_set():
    images = some_images(5)
    made = ascend(layer="conv2", channels=[0, 3], size=(12, 10), steps=10, exemplars=images)
    values = np.asarray(cv.capture(model(), images, ["conv2"])["conv2"])
    means = values.mean((1, 2))[:, [0, 3]]
    np.testing.assert_allclose(made.extras["exemplar_maximum"], means.max(0), rtol=1e-5)
    np.testing.assert_array_equal(made.extras["exemplar_index"], means.argmax(0))
    positive = means.max(0) > 0
    np.testing.assert_allclose(made.extras["ratio"][positive], (made.activation / means.max(0))[positive], rtol=1e-4)
    crops = made.extras["exemplar_crops"]
    assert crops.shape == (2, 4, 8, 8, 3)
    best = means[:, 1].argmax()
    windows = np.lib.stride_tricks.sliding_window_view(images[best], (8, 8, 3)).reshape(-1, 8, 8, 3)
    assert (np.abs(windows - crops[1, 0]).max((1, 2, 3)) == 0).any(), "a crop is a part of the best image"
    both = exemplar_scores(model(), cv.targets.channel("conv2", [0, 3]).batched(2), images)
    np.testing.assert_allclose(both, means, atol=1e-5)


@pytest.mark.parametrize(("size", "channels"), [((28, 28), 1), ((64, 48), 5)])
def test_other_sizes_and_channel_counts_work(size, channels):
    net = cv.adapt(forward, parameters(channels), input_shape=(*size, channels))
    made = ascend(net, layer="conv2", channels=[1, 2], steps=3, size=size, parametrization="fourier")
    assert made.images.shape == (2, *size, channels)
    assert np.isfinite(made.images).all()
    assert (made.activation > made.curves[:, 0]).all()


def test_parameters_above_the_tap_do_not_matter_even_on_another_canvas():
    def headed(params, x):
        for name in ("conv1", "conv2"):
            with jax.named_scope(name):
                x = jax.lax.conv_general_dilated(
                    x, params[name]["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
                )
            x = jax.nn.relu(x)
        with jax.named_scope("dense"):
            return x.reshape(len(x), -1) @ params["dense"]

    params = {name: parameters()[name] for name in ("conv1", "conv2")} | {"dense": jnp.ones((8 * 8 * 8, 2))}
    clean = cv.adapt(headed, params, input_shape=(8, 8, 3))
    poisoned = clean.with_params({**params, "dense": jnp.full((512, 2), jnp.nan)})
    made = [ascend(net, layer="conv1", channels=[2], size=(14, 20), steps=3) for net in (clean, poisoned)]
    assert made[0].raw.shape == (1, 14, 20, 3)
    np.testing.assert_array_equal(made[0].raw, made[1].raw)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        (
            {"target": targets.diversity("conv2")},
            TargetError,
            "diversity compares the images of one group; say copies",
        ),
        (
            {"layer": "conv2", "images": np.zeros((1, 9, 9, 3)), "size": 12},
            ImageError,
            "the images are 9 x 9 and the size",
        ),
        ({"layer": "conv2", "images": np.zeros((3, 9, 9, 1))}, ImageError, r"images are finite and \(n, h, w, 3\)"),
        (
            {"layer": "conv2", "channels": [1, 2], "images": np.zeros((3, 12, 10, 3))},
            TargetError,
            "2 targets and 3 images",
        ),
        ({"layer": "conv2", "snapshots": 1}, UsageError, "snapshots is 0 for none, or 2 and more"),
        (
            {"layer": "conv2", "regularizers": "decay(0.1)", "parametrization": "fourier"},
            UsageError,
            "need parametrization",
        ),
        ({"layer": "conv2", "copies": 0}, UsageError, "copies is at least 1"),
    ],
)
def test_says_what_is_wrong(options, error, text):
    with pytest.raises(error, match=text):
        ascend(**options)
