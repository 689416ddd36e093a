"""One class alone: where a layer at every position makes all classes, the other classes need not be computed."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax import lax

import cnnviz_jax as cv
from cnnviz_jax import targets
from cnnviz_jax.compiling import compilations
from cnnviz_jax.model.one_class import of_one_class as of_one_class_model
from cnnviz_jax.program.rewrites.one_class import of_one_class
from tests.program.plain import SYMMETRIC, conv, halved, traced

CLASSES = 6
KEYS = jax.random.split(jax.random.key(3), 5)
PARAMS = {
    "first": jax.random.normal(KEYS[0], (3, 3, 3, 5)),
    "head": jax.random.normal(KEYS[1], (1, 1, 5, CLASSES)),
    "bias": jax.random.normal(KEYS[2], (CLASSES,)),
    "wide": jax.random.normal(KEYS[3], (3, 3, 5, CLASSES)),
    "mixed": jax.random.normal(KEYS[4], (CLASSES, CLASSES)),
}
IMAGES = jax.random.normal(jax.random.key(4), (2, 7, 6, 3))


def features(p: Any, x: Any) -> Any:
    return jax.nn.relu(conv(x, p["first"], 1, SYMMETRIC))


def scored(p: Any, x: Any) -> Any:
    """Scores of all classes at every position."""
    return conv(features(p, x), p["head"]) + p["bias"]


def channels_first(p: Any, x: Any) -> Any:
    y = jax.nn.relu(conv(x.transpose(0, 3, 1, 2), p["first"], 1, SYMMETRIC, layout="NCHW"))
    y = jax.nn.relu(conv(y, p["head"], layout="NCHW") + p["bias"][:, None, None])
    return y.mean((2, 3), keepdims=True).squeeze((2, 3))


def averaged_by_pool(p: Any, x: Any) -> Any:
    sums = lax.reduce_window(scored(p, x), 0.0, lax.add, (1, 7, 6, 1), (1, 1, 1, 1), "VALID")
    return (sums / 42).reshape(len(x), CLASSES)


HEADS: dict[str, Callable[[Any, Any], Any]] = {
    "ReLU and mean": lambda p, x: jax.nn.relu(scored(p, x)).mean((1, 2)),
    "maximum with 0": lambda p, x: jnp.maximum(scored(p, x), 0).mean((1, 2)),
    "channels first": channels_first,
    "average pool": averaged_by_pool,
    "largest position": lambda p, x: scored(p, x).max((1, 2)),
    "matrix product": lambda p, x: (
        jnp.einsum("nhwc,ck->nhwk", features(p, x), p["head"][0, 0]).mean((1, 2)) + p["bias"]
    ),
    "a scale for each class": lambda p, x: jnp.tanh(jnp.exp(p["bias"]) * scored(p, x).mean((1, 2)) + 1) ** 2,
    "a map of scores": scored,
    "rows as a batch": lambda p, x: scored(p, x).reshape(-1, CLASSES).sum(0, keepdims=True) * 2,
}
OTHERS: dict[str, Callable[[Any, Any], Any]] = {
    "a softmax": lambda p, x: jax.nn.softmax(HEADS["ReLU and mean"](p, x)),
    "one position": lambda p, x: features(p, x).mean((1, 2)) @ p["head"][0, 0],
    "a dense layer behind it": lambda p, x: scored(p, x).mean((1, 2)) @ p["mixed"],
    "neighbouring positions": lambda p, x: conv(features(p, x), p["wide"]).mean((1, 2)),
    "two maps": lambda p, x: scored(p, x).mean((1, 2)) + conv(x, p["first"] @ p["head"][0, 0]).mean((1, 2)),
    "sorted classes": lambda p, x: jnp.sort(scored(p, x).mean((1, 2)), -1),
    "no parameters": lambda p, x: x.mean((1, 2)),
    "a small part of all": lambda p, x: HEADS["ReLU and mean"](p, sum(jnp.sin(k * x) for k in range(1, 99))),
}


@pytest.mark.parametrize("head", HEADS)
def test_the_score_of_one_class_is_that_of_the_whole_program(head: str) -> None:
    program = traced(HEADS[head], PARAMS, (7, 6, 3))
    alone = of_one_class(program, program.result_ids[0])
    assert alone is not None
    for number in (0, 4):
        found, whole = alone((PARAMS, number), IMAGES[:1]), HEADS[head](PARAMS, IMAGES[:1])
        assert found.shape == (*whole.shape[:-1], 1)
        np.testing.assert_allclose(found, whole[..., number : number + 1], rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("head", HEADS)
def test_so_are_its_gradients_also_where_each_image_asks_for_its_own_class(head: str) -> None:
    program = traced(HEADS[head], PARAMS, (7, 6, 3))
    alone = of_one_class(program, program.result_ids[0])
    assert alone is not None
    asked = jnp.array([5, 2])
    found = jax.vmap(jax.grad(lambda x, k: alone((PARAMS, k), x[None]).sum()))(IMAGES, asked)
    whole = jax.vmap(jax.grad(lambda x, k: HEADS[head](PARAMS, x[None])[..., k].sum()))(IMAGES, asked)
    np.testing.assert_allclose(found, whole, rtol=1e-5, atol=1e-5 * np.abs(whole).max())


def test_at_zero_a_relu_hands_on_no_gradient_as_jaxs_own() -> None:
    shifted = PARAMS | {"head": jnp.zeros_like(PARAMS["head"]), "bias": jnp.zeros(CLASSES)}
    for head, slope in (("ReLU and mean", 0.0), ("maximum with 0", 0.5)):
        program = traced(HEADS[head], PARAMS, (7, 6, 3))
        alone = of_one_class(program, program.result_ids[0])
        assert alone is not None
        moved = jax.grad(lambda b, alone=alone: alone((shifted | {"bias": b}, 1), IMAGES[:1]).sum())(shifted["bias"])
        np.testing.assert_allclose(moved, slope * (np.arange(CLASSES) == 1), atol=1e-6)


@pytest.mark.parametrize("head", OTHERS)
def test_where_classes_mix_or_nothing_is_gained_the_program_stays_whole(head: str) -> None:
    program = traced(OTHERS[head], PARAMS, (7, 6, 3))
    assert of_one_class(program, program.result_ids[0]) is None


@jax.custom_jvp
@jax.jit
def doubled(x: Any) -> Any:
    """A ReLU by its values, with twice the gradient."""
    return jnp.maximum(x, 0)


doubled.defjvp(lambda values, changes: (doubled(*values), jnp.where(values[0] > 0, 2 * changes[0], 0)))


@pytest.mark.parametrize(("relu", "factor"), [(doubled, 2), (halved, 0.5)], ids=["jvp", "vjp"])
def test_a_derivative_of_the_networks_own_is_kept(relu: Any, factor: float) -> None:
    model = cv.adapt(lambda p, x: relu(scored(p, x)).mean((1, 2)), PARAMS, input_shape=(7, 6, 3))
    slopes = [
        jax.grad(lambda x, net=net: net.score(x, targets.ClassScore(2))[0])(IMAGES[0]) for net in (model, adapted())
    ]
    assert np.abs(slopes[1]).max() > 0.1
    np.testing.assert_allclose(slopes[0], factor * slopes[1], rtol=1e-5, atol=1e-6)


def adapted(head: str = "ReLU and mean") -> cv.Model:
    return cv.adapt(HEADS[head], PARAMS, input_shape=(7, 6, 3))


def operations(model: cv.Model, target: targets.Target) -> float:
    """Operations of a score as the compiler counts them."""
    return jax.jit(lambda x: model.score(x, target)[0]).lower(IMAGES[0]).cost_analysis()["flops"]


def test_a_model_scores_a_logit_without_the_other_classes_and_all_else_with_them() -> None:
    model = adapted()
    logits = model(IMAGES)
    for k in range(CLASSES):
        np.testing.assert_allclose(model.score(IMAGES[0], targets.ClassScore(k))[0], logits[0, k], rtol=2e-6, atol=1e-6)
    of_a_class = 2 * 7 * 6 * 5
    saved = operations(model, targets.class_score(2, "margin")) - operations(model, targets.ClassScore(2))
    assert saved >= (CLASSES - 1) * of_a_class
    margin = model.score(IMAGES[0], targets.class_score(2, "margin"))[0]
    np.testing.assert_allclose(margin, logits[0, 2] - np.delete(logits[0], 2).max(), rtol=2e-6, atol=1e-6)


def test_a_softmax_at_the_end_is_left_out_as_always() -> None:
    model = cv.adapt(OTHERS["a softmax"], PARAMS, input_shape=(7, 6, 3))
    assert model.structure.of_one_class is not None
    np.testing.assert_allclose(model.score(IMAGES[1], targets.ClassScore(3))[0], adapted()(IMAGES)[1, 3], rtol=2e-6)


@pytest.mark.parametrize("engine", ["dense", "incremental"])
@pytest.mark.parametrize("head", ["ReLU and mean", "channels first", "largest position"])
def test_occlusion_is_the_slow_loops(head: str, engine: str) -> None:
    model, image = adapted(head), np.asarray(jax.nn.sigmoid(IMAGES[0]))
    found = cv.explain(
        "occlusion", model, image[None], target=4, window=2, stride=1, fill=0.0, score="drop", engine=engine
    )
    grid = np.zeros((6, 5))
    for row, col in np.ndindex(6, 5):
        occluded = image.copy()
        occluded[row : row + 2, col : col + 2] = 0
        grid[row, col] = model(image[None])[0, 4] - model(occluded[None])[0, 4]
    np.testing.assert_allclose(found.low_res[0], grid, atol=2e-6 * np.abs(model(image[None])).max())


def test_images_of_several_classes_are_explained_as_each_alone_and_by_one_program() -> None:
    model, images = adapted(), np.asarray(jax.nn.sigmoid(IMAGES))
    together = cv.explain("input-x-gradient", model, images, target=[1, 5])
    for image, k, values in zip(images, (1, 5), together.values, strict=True):
        slope = jax.grad(lambda x, k=k: HEADS["ReLU and mean"](PARAMS, x[None])[0, k])(jnp.asarray(image))
        np.testing.assert_allclose(values, image * slope, rtol=1e-5, atol=1e-6)
    before = compilations()
    cv.explain("input-x-gradient", model, images, target=[0, 2])
    assert compilations() == before


@pytest.mark.parametrize(
    ("technique", "options"),
    [
        ("saliency", {}),
        ("smoothgrad", {"samples": 4}),
        ("smoothdiff", {"samples": 4}),
        ("integrated-gradients", {"nodes": 4}),
        ("feature-ablation", {"segments": "grid(3)"}),
        ("rise", {"masks": 20}),
        ("lrp", {}),
        ("grad-cam", {}),
    ],
    ids=str,
)
def test_techniques_explain_the_class_as_they_explain_a_sum_that_needs_all(technique: str, options: Any) -> None:
    model, images = adapted(), np.asarray(jax.nn.sigmoid(IMAGES))
    one = targets.class_score(np.array([4, 0]))
    found, whole = (
        cv.explain(technique, model, images, target=target, key=1, progress=False, **options)
        for target in (one, 1.0 * one)
    )
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-4, atol=1e-5 * np.abs(whole.values).max())


class Head(nn.Module):
    """The network of ReLU and mean, of modules."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.relu(nn.Conv(4, (3, 3), name="first")(x))
        return nn.relu(nn.Conv(CLASSES, (1, 1), name="head")(x)).mean((1, 2))


def test_layers_keep_the_names_of_modules_and_smoothdiff_its_gates() -> None:
    module = Head()
    model = cv.adapt(module, module.init(jax.random.key(0), IMAGES[:1]), input_shape=(7, 6, 3))
    target = targets.ClassScore(1)
    alone, _ = of_one_class_model(model, target)
    assert alone is not model
    assert list(alone.layers) == list(model.layers)
    images = np.asarray(jax.nn.sigmoid(IMAGES))
    found, whole = (cv.explain("smoothdiff", model, images, target=each, key=0) for each in (target, 1.0 * target))
    assert found.extras["switching"].shape == whole.extras["switching"].shape == (2, 2)
    np.testing.assert_array_equal(found.extras["switching"][:, 0], whole.extras["switching"][:, 0])
