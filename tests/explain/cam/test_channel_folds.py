"""Score-CAM and Ablation-CAM: folds over channels that evaluate only what a change reaches."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.engine import compilations
from cnnviz_jax.engine.case import Case
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.references import load
from tests.explain import small_network as small


def flops(technique, layer, **options):
    """What the compiler counts for one evaluation, the layers' values given."""
    net, image, target = small.model(), jnp.asarray(small.some_images(1)[0]), cv.targets.class_score(1)
    spec = plugins().technique(technique)
    fold = load(spec.build)(spec.config(layer=layer, **options), net)
    key = jax.random.key(0)
    context = jax.eval_shape(lambda model: fold.prepare(Case(model, target, key, image)), net)

    def evaluate(model, image, context):
        return fold.evaluate(Case(model, target, key, image, context, jnp.int32(0)))

    return jax.jit(evaluate).lower(net, image, context).compile().cost_analysis()["flops"]


@functools.cache
def whole_network():
    net, image = small.model(), jnp.asarray(small.some_images(1)[0])
    return jax.jit(lambda model, image: model.run(image)[0]).lower(net, image).compile().cost_analysis()["flops"]


@pytest.mark.parametrize(("technique", "options"), [("ablation-cam", {}), ("score-cam", {"masked": "layer"})])
def test_nothing_below_the_layer_is_evaluated_again(technique, options):
    above_all = flops(technique, "relu#1", **options)
    above_first = flops(technique, "conv1", **options)
    assert above_all < 0.1 * whole_network()  # a mean and a small dense layer are left
    assert above_all < above_first < 0.9 * whole_network()  # conv2 is left, conv1 is not


def test_masks_of_the_image_need_the_whole_network():
    assert flops("score-cam", "relu#1") >= whole_network()


@pytest.mark.parametrize("technique", ["score-cam", "ablation-cam", "smooth-grad-cam++"])
def test_neither_chunk_nor_batch_matters_and_nothing_compiles_twice(technique):
    images = small.some_images(3)
    together = cv.explain(technique, small.model(), images, 1, chunk=7).values
    np.testing.assert_allclose(cv.explain(technique, small.model(), images, 1, chunk=1).values, together, atol=1e-5)
    alone = cv.explain(technique, small.model(), images[1:2], 1).values
    np.testing.assert_allclose(alone, together[1:2], atol=1e-5)
    before = compilations()
    cv.explain(technique, small.model(), small.some_images(1, seed=5), 3)
    assert compilations() == before


def test_channels_of_several_layers_are_ablated_one_by_one():
    images = small.some_images(1)
    both = cv.explain("ablation-cam", small.model(), images, 1, layers=["conv1", "conv2"])
    for layer in ("conv1", "conv2"):
        alone = cv.explain("ablation-cam", small.model(), images, 1, layer=layer)
        np.testing.assert_allclose(
            both.extras[f"before_relu {layer}"], alone.extras["before_relu"], rtol=1e-3, atol=1e-5
        )


def test_a_negative_score_does_not_turn_the_map_round_unless_asked():
    image = small.some_images(1)
    scores = np.asarray(small.model()(image))[0]
    target = int(scores.argmin())
    assert scores[target] < 0
    ours = cv.explain("ablation-cam", small.model(), image, target)
    theirs = cv.explain("ablation-cam", small.model(), image, target, convention="pytorch-grad-cam")
    np.testing.assert_allclose(theirs.extras["before_relu"], -ours.extras["before_relu"], rtol=1e-5)
