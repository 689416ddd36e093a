"""Objectives add up and scale, and each is its formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax import targets
from cnnviz_jax.errors import TargetError
from tests.explain.small_network import model, some_images

IMAGE = jnp.asarray(some_images(1)[0])


def channel(number):
    return cv.targets.channel("conv2", number)


def score(target, image=IMAGE):
    return float(model().score(image, target)[0])


def test_sums_and_multiples_are_exactly_that():
    a, b, c = channel(1), cv.targets.channel("conv1", 2), cv.targets.neuron("conv2", 1, 2, 3)
    total = a + 3 * b - 5 * c
    np.testing.assert_allclose(score(total), score(a) + 3 * score(b) - 5 * score(c), rtol=1e-5)
    np.testing.assert_allclose(score(-(a - 2 * total)), -score(a) + 2 * score(total), rtol=1e-5)
    np.testing.assert_allclose(score(sum([a, b])), score(a) + score(b), rtol=1e-5)
    gradient = jax.grad(lambda x: model().score(x, total)[0])(IMAGE)
    parts = [jax.grad(lambda x, t=t: model().score(x, t)[0])(IMAGE) for t in (a, b, c)]
    np.testing.assert_allclose(gradient, parts[0] + 3 * parts[1] - 5 * parts[2], atol=1e-5)
    assert total.describe(model()) == ("conv2 channel 1 + 3 x conv1 channel 2 - 5 x conv2[1, 2, 3]",)
    assert set(total.layers) == {"conv1", "conv2"}
    assert not total.needs_outputs
    assert (a + cv.targets.class_score(1)).needs_outputs


def test_a_batched_sum_has_one_entry_per_target():
    total = (channel([1, 2]) - 2 * channel([3, 4])).batched(2)
    rows = [jax.tree.map(lambda leaf, i=i: leaf[i], total) for i in (0, 1)]
    np.testing.assert_allclose(score(rows[1]), score(channel(2)) - 2 * score(channel(4)), rtol=1e-5)
    assert total.describe(model())[1] == "conv2 channel 2 - 2 x conv2 channel 4"
    assert targets.count_of(channel([1, 2]) - 2 * channel(3)) == 2


def test_a_direction_is_dot_times_cosine_to_a_power():
    vector = np.random.default_rng(0).normal(size=8).astype(np.float32)
    values = np.asarray(model().run(IMAGE, read=("conv2",), need_outputs=False)[1]["conv2"], np.float64).reshape(-1, 8)
    dot = values @ vector
    np.testing.assert_allclose(score(targets.direction("conv2", vector)), dot.mean(), rtol=1e-4)
    cosine = dot / (np.linalg.norm(values, axis=1) * np.linalg.norm(vector))
    expected = (dot * np.maximum(0.1, cosine) ** 2).mean()
    np.testing.assert_allclose(score(targets.direction("conv2", vector, 2.0)), expected, rtol=1e-4)


def test_a_direction_at_an_all_zero_layer_has_a_finite_gradient():
    along = targets.direction("relu", np.ones(6), 1.0)
    gradient = jax.grad(lambda v: along.score(None, {"relu": v}))(jnp.zeros((2, 2, 6)))
    assert np.isfinite(gradient).all()


def test_a_unit_direction_is_the_channel():
    np.testing.assert_allclose(score(targets.direction("conv2", np.eye(8)[3])), score(channel(3)), rtol=1e-5)


def test_a_whole_layer_is_its_mean_of_squares():
    values = model().run(IMAGE, read=("conv1",), need_outputs=False)[1]["conv1"]
    np.testing.assert_allclose(score(targets.whole_layer("conv1")), np.square(values).mean(), rtol=1e-5)


def test_diversity_is_minus_the_mean_cosine_of_gram_matrices():
    values = np.random.default_rng(1).normal(size=(3, 4, 5, 6)).astype(np.float32)
    grams = [v.reshape(-1, 6).T @ v.reshape(-1, 6) for v in values]
    expected = []
    for i in range(3):
        cosines = [
            (grams[i] * grams[j]).sum() / np.linalg.norm(grams[i]) / np.linalg.norm(grams[j])
            for j in range(3)
            if j != i
        ]
        expected.append(-np.mean(cosines))
    target = 2 * targets.diversity("a")
    found = targets.group_scores(target, None, {"a": jnp.asarray(values)}, 3)
    np.testing.assert_allclose(found, 2 * np.asarray(expected), rtol=1e-4)
    assert targets.group_scores(targets.diversity("a"), None, {"a": jnp.asarray(values[:1])}, 1).tolist() == [0]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: channel(1) + 2, "only targets can be added to targets, got 2"),
        (lambda: channel(1) * "x", "a target is multiplied by a number, got 'x'"),
        (
            lambda: targets.resolved_layers(targets.direction("conv2", np.ones(3)), model()),
            "8 numbers, one per channel; got 3",
        ),
        (lambda: targets.resolved_layers(channel(1) + channel(99), model()), "channel 99 is out of range"),
    ],
)
def test_says_what_does_not_add_up(make, text):
    with pytest.raises(TargetError, match=text):
        make()
