"""Maps of changed images, random networks and random classes: peers' numbers, plain loops, and what must hold."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import cnnviz_jax as cv
from cnnviz_jax.errors import UsageError
from cnnviz_jax.plugin import shifted_model
from cnnviz_plugins.measure.randomization.efficient import entropy
from cnnviz_plugins.measure.randomization.logit import similarity
from cnnviz_plugins.measure.robustness.consistency import consistencies
from cnnviz_plugins.measure.robustness.continuity import shifted
from cnnviz_plugins.measure.robustness.lipschitz import lipschitz
from cnnviz_plugins.measure.robustness.relative import relative, stability
from cnnviz_plugins.measure.robustness.sensitivity import relative_change
from tests.explain.known_networks import c_function, c_parameters
from tests.explain.small_network import model, some_images
from tests.measure.linear import linear


@pytest.fixture(scope="module")
def maps():
    return cv.explain("saliency", model(), some_images(3), [0, 1, 2])


def test_quantus_numbers_of_one_shaken_image():
    # Gradient x input of a known network at x and at x + 0.05 cos k, in float64; Quantus 0.6.0.
    k = np.arange(72)

    def image(values):
        return values.reshape(2, 6, 6).transpose(1, 2, 0)[None]

    images, shaken = image(0.5 + 0.5 * np.sin(k)), image(0.5 + 0.5 * np.sin(k) + 0.05 * np.cos(k))
    with jax.enable_x64(True):
        params = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), jnp.float64), c_parameters())
        score = functools.partial(c_function, "nhwc", params)
        found = {}
        for name, x in (("before", images), ("after", shaken)):
            x = jnp.asarray(x)
            found[name] = (
                np.asarray(x * jax.grad(lambda x: score(x)[0, 0])(x)),
                np.asarray(score(x)),
                np.asarray(conv2(params, x)),
            )
    (a, z, h), (a_, z_, h_) = found["before"], found["after"]
    close = functools.partial(np.testing.assert_allclose, rtol=2e-6)
    close(stability(relative(a, a_), relative(images, shaken)), 0.9998676)
    close(stability(relative(a, a_), z - z_), 367.8388075)
    close(stability(relative(a, a_), relative(h, h_)), 116.1719685)
    close(relative_change(a, a_), 0.0702935)
    close(lipschitz(a, a_, images, shaken), 0.4136161)
    close(lipschitz(a, a_, images, shaken, "manhattan"), 2.4688518)


def conv2(params, x):
    """The known network's values at conv2, in the precision of its image."""
    numbers = ("NHWC", "HWIO", "NHWC")

    def conv(name, x, padding):
        y = jax.lax.conv_general_dilated(x, params[name]["kernel"], (1, 1), padding, dimension_numbers=numbers)
        return y + params[name]["bias"]

    x = jax.nn.relu(conv("conv1", x, "SAME"))
    x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    return conv("conv2", x, "VALID")


def test_the_average_is_that_of_the_copies_whose_largest_is_max_sensitivity(maps):
    largest = cv.measure("max-sensitivity", model(), None, maps, samples=3, key=5)
    mean = cv.measure("avg-sensitivity", model(), None, maps, samples=3, key=5)
    np.testing.assert_array_equal(mean.curve, largest.curve)
    np.testing.assert_allclose(mean.values, largest.curve.mean(1), rtol=1e-6)


def copies_of(maps, draw, count, key=5, ids=(7, 8, 9)):
    """Noisy copies of image 1 and their maps, drawn as the docs say."""
    own = jax.random.fold_in(jax.random.key(key, impl="threefry2x32"), ids[1])
    image = np.asarray(maps.images)[1]
    for number in range(count):
        copy = np.float32(image + np.asarray(draw(jax.random.fold_in(own, number), image.shape)))
        yield image, copy, cv.explain("saliency", model(), copy, 1).values[0]


def test_lipschitz_and_stability_are_plain_loops(maps):
    shared = {"samples": 2, "key": 5, "ids": [7, 8, 9]}
    before = np.asarray(maps.values)[1]
    slow = []
    for image, copy, after in copies_of(maps, lambda key, shape: 0.1 * jax.random.normal(key, shape), 2):
        moved = np.linalg.norm(before / np.abs(before).max() - after / np.abs(after).max())
        slow.append(moved / np.linalg.norm(image - copy))
    result = cv.measure("local-lipschitz-estimate", model(), None, maps, **shared)
    np.testing.assert_allclose(result.curve[1], slow, rtol=1e-3)
    np.testing.assert_allclose(result.values[1], max(slow), rtol=1e-3)
    slow = [
        np.linalg.norm(after - before)
        for _, _, after in copies_of(maps, lambda key, shape: 0.1 * jax.random.uniform(key, shape), 2)
    ]
    result = cv.measure("average-stability", model(), None, maps, **shared)
    np.testing.assert_allclose(result.values[1], np.mean(slow), rtol=1e-3)


def test_relative_stabilities_are_plain_loops_and_leave_out_changed_classes(maps):
    own = cv.explain("saliency", model(), some_images(3))
    shared = {"samples": 2, "radius": 0.05, "key": 5, "ids": [7, 8, 9]}
    label, before = int(own.target[1]), np.asarray(own.values)[1]
    slow = {"input": [], "output": [], "representation": []}
    for image, copy, _ in copies_of(own, lambda k, s: jax.random.uniform(k, s, minval=-0.05, maxval=0.05), 2):
        if int(np.asarray(model()(copy)).argmax()) != label:
            continue
        after = cv.explain("saliency", model(), copy, label).values[0]
        above = np.linalg.norm((before - after) / before)
        slow["input"].append(above / np.linalg.norm((image - copy) / image))
        slow["output"].append(above / np.linalg.norm(model()(image) - model()(copy)))
        one, other = (cv.capture(model(), each, ["conv1"])["conv1"].astype(float) for each in (image, copy))
        slow["representation"].append(above / np.linalg.norm((one - other) / one))
    assert slow["input"]
    for kind, numbers in slow.items():
        options = {"layer": "conv1"} if kind == "representation" else {}
        result = cv.measure(f"relative-{kind}-stability", model(), None, own, **shared, **options)
        np.testing.assert_allclose(result.values[1], max(numbers), rtol=2e-2)
    least = int(np.asarray(model()(own.images[0])).argmin())
    assert least != int(own.target[0])  # a map of another class: the image's own top class decides what counts
    noisy = cv.measure("relative-input-stability", model(), None, own, samples=4, radius=50.0, key=3)
    assert np.isnan(noisy.values).any()
    assert "every shaken copy has another top class" in noisy.warnings[-1]


def test_the_gradient_of_a_linear_model_does_not_move():
    weights = np.random.default_rng(0).normal(size=(5, 4, 2))
    exact = cv.explain("saliency", linear(weights), some_images(2, 5, 4, 2), 0)
    for metric in ("avg-sensitivity", "average-stability", "local-lipschitz-estimate", "relative-input-stability"):
        result = cv.measure(metric, linear(weights), None, exact, samples=2)
        np.testing.assert_allclose(result.values, 0, atol=1e-6)
    result = cv.measure("continuity", linear(weights), None, exact, steps=3)
    np.testing.assert_allclose(result.values, 0, atol=1e-6)
    assert result.at == (-1.0, 2.0, 5.0)


def test_shifts_move_the_image_and_fill_what_comes_in():
    image = np.arange(1.0, 5).reshape(1, 1, 4, 1)
    nothing = np.zeros_like(image)
    assert shifted(image, nothing, 1).ravel().tolist() == [0, 1, 2, 3]
    assert shifted(image, nothing, -3).ravel().tolist() == [4, 0, 0, 0]
    assert shifted(image, nothing, 6).ravel().tolist() == [0, 0, 0, 0]
    np.testing.assert_array_equal(shifted(image, nothing, 0), image)


def test_images_of_equal_first_signs_are_consistent_where_predicted_alike():
    values = np.array([[1.0, -2, 9], [3, -1, -9], [2, -2, 0], [-1, 1, 0]])
    np.testing.assert_array_equal(consistencies(values, np.array([0, 0, 1, 0]), 2), [0.5, 0.5, 0, np.nan])


def test_a_gradient_does_not_see_a_shift_that_the_network_takes_off_and_gradient_x_input_does():
    images = some_images(2)
    moved = np.float32(images + 0.5)
    np.testing.assert_allclose(shifted_model(model(), 0.5)(moved), model()(images), atol=1e-5)
    found = {name: cv.measure("input-invariance", model(), None, cv.explain(name, model(), images))
             for name in ("saliency", "input-x-gradient")}  # fmt: skip
    np.testing.assert_array_equal(found["saliency"].values, 1)
    np.testing.assert_array_equal(found["input-x-gradient"].values, 0)
    assert found["input-x-gradient"].extras["change"].min() > 0.1


def test_the_entropy_of_a_histogram_by_hand():
    assert entropy(np.array([[0.0, 1, 0, 1]]), 2) == pytest.approx(np.log(2))
    assert entropy(np.ones((3, 3)), 10) == 0
    values = np.random.default_rng(0).normal(size=(9, 9))
    assert entropy(values, 100) == pytest.approx(stats.entropy(np.histogram(values, bins=100)[0]))


def test_the_entropy_of_a_random_networks_map_and_its_rise(maps):
    result = cv.measure("efficient-mprt", model(), None, maps, key=1)
    before = [entropy(np.abs(one).max(-1), 100) for one in np.asarray(maps.values)]
    np.testing.assert_allclose(result.extras["entropy"], before, rtol=1e-5)
    rise = result.extras["randomised_entropy"] / result.extras["entropy"] - 1
    np.testing.assert_allclose(result.values, rise, rtol=1e-4, atol=1e-6)
    flat = cv.explain("saliency", linear(np.ones((4, 4, 1))), np.ones((1, 4, 4, 1), np.float32), 0)
    with pytest.raises(cv.errors.ModelError, match="has no layer with a kernel"):
        cv.measure("efficient-mprt", linear(np.ones((4, 4, 1))), None, flat)


def test_smoothed_maps_of_one_copy_are_the_maps(maps):
    once = cv.measure("smooth-mprt", model(), None, maps, samples=1, key=1)
    assert once.labels == ("conv1", "conv2", "head")
    cascading = cv.measure("parameter-randomization", model(), None, maps, sign="drop", key=1)
    np.testing.assert_allclose(once.curve[:, -1], cascading.curve[:, -1], atol=1e-5)  # all layers at random
    twice = cv.measure("smooth-mprt", model(), None, maps, samples=2, key=1)
    assert np.abs(twice.curve - once.curve).max() > 1e-3


def test_similarity_is_scikit_images():
    metrics = pytest.importorskip("skimage.metrics")
    one, other = np.random.default_rng(0).normal(size=(2, 12, 10))
    span = max(one.max(), other.max()) - min(one.min(), other.min())
    for a, b in ((one, other), (one.ravel(), other.ravel()), (one, one)):
        slow = metrics.structural_similarity(a, b, data_range=span if a is not b else np.ptp(a))
        assert similarity(a, b) == pytest.approx(slow, rel=1e-6)
    assert similarity(np.ones((4, 4)), np.ones((4, 4))) == 1


def test_the_map_of_another_class_is_compared(maps):
    result = cv.measure("random-logit", model(), None, maps, key=2)
    other = result.extras["other"]
    assert all(0 <= each < 4 and each != own for each, own in zip(other, [0, 1, 2], strict=True))
    theirs = cv.explain("saliency", model(), maps.images, other)
    one, two = (np.abs(np.asarray(each.values)[0]).max(-1).astype(float) for each in (maps, theirs))
    np.testing.assert_allclose(result.values[0], similarity(one, two), rtol=1e-4)
    alone = cv.measure("random-logit", model(), None, maps[1], key=2)
    np.testing.assert_allclose(alone.values[0], result.values[1], rtol=1e-4)
    flat = cv.measure("random-logit", model(), None, maps, key=2, convention="quantus")
    np.testing.assert_allclose(flat.values[0], similarity(one.ravel(), two.ravel()), rtol=1e-4)
    ones = cv.explain("saliency", model(), maps.images, cv.targets.channel("conv2", 1))
    with pytest.raises(UsageError, match="compares with another class; explain a class of two or more"):
        cv.measure("random-logit", model(), None, ones)


@pytest.mark.parametrize(
    ("metric", "options", "text"),
    [
        ("avg-sensitivity", {"radius": 0.0}, "radius is positive"),
        ("local-lipschitz-estimate", {"std": 0.0}, "std is positive"),
        ("average-stability", {"samples": 0}, "samples is at least 1"),
        ("relative-representation-stability", {"layer": "conv9"}, "no layer 'conv9'"),
        ("continuity", {"steps": 0}, "steps is at least 1"),
        ("consistency", {"first": 0}, "first is at least 1"),
        ("input-invariance", {"shift": 0.0}, "shift is a number other than 0"),
        ("smooth-mprt", {"noise": 0.0}, "noise is positive"),
        ("efficient-mprt", {"bins": 1}, "bins is at least 2"),
    ],
)
def test_says_what_is_wrong(maps, metric, options, text):
    with pytest.raises(cv.errors.CnnvizError, match=text):
        cv.measure(metric, model(), None, maps, **options)
    with pytest.raises(UsageError, match="explains again, which needs what"):
        cv.measure("avg-sensitivity", model(), maps.images, maps.values, [0, 1, 2])
