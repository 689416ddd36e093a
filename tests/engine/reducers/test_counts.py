import jax
import jax.numpy as jnp
import numpy as np

from cnnviz_jax.engine import reducers
from cnnviz_jax.engine.reducers import Confusion, FireCounts
from tests.engine.reducers.datasets import LAYER, SHAPE, batch, gathered, same, table
from tests.explain.small_network import model, some_images

LABELS = np.asarray([0, 1, 2, -1] * 10, np.int32)


def test_fire_counts_equal_a_loop():
    reducer = FireCounts(layer=LAYER, shape=SHAPE, classes=3, threshold=0.5)
    values = table()
    found = gathered(reducer, values, np.arange(40), 7, devices=2, fields={"label": LABELS})
    expected = np.zeros((4, 5), np.int64)
    for image, label in zip(values, LABELS, strict=True):
        finite = np.isfinite(image).all((0, 1))
        expected[label] += finite & (image > 0.5).any((0, 1))
    np.testing.assert_array_equal(found["fired"], expected)
    np.testing.assert_array_equal(found["images"], [10, 10, 10, 10])
    order = np.random.default_rng(0).permutation(40)
    same(found, gathered(reducer, values[order], order, 9, fields={"label": LABELS[order]}))


def test_a_label_that_is_no_class_counts_as_unknown():
    reducer = FireCounts(layer=LAYER, shape=SHAPE, classes=2)
    found = gathered(reducer, table(12), np.arange(12), 5, fields={"label": np.full(12, 7, np.int32)})
    np.testing.assert_array_equal(found["images"], [0, 0, 12])


def test_one_threshold_per_unit():
    reducer = FireCounts(layer=LAYER, shape=(2,), classes=1, threshold=(0.0, 5.0))
    values = np.ones((3, 2), np.float32)
    found = gathered(reducer, values, np.arange(3), 2, fields={"label": np.zeros(3, np.int32)})
    np.testing.assert_array_equal(found["fired"], [[3, 0], [0, 0]])


def test_confusion_counts_predictions_and_sets_broken_scores_apart():
    reducer = Confusion(classes=3)
    logits = np.asarray([[1, 2, 0], [5, 5, 1], [np.nan, 0, 0], [0, 0, 9]], np.float32)
    delta = jax.jit(reducer.update)(
        reducer.init(),
        batch(np.zeros((4, 1)), np.arange(4), [True, True, True, False], {"label": [1, 0, -1, 2]}, logits),
    )
    total = reducer.merge([reducer.lift(delta)])
    np.testing.assert_array_equal(total["count"], [[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(total["nonfinite"], [0, 0, 0, 1])
    assert total["count"].dtype == np.int64


def test_reducers_share_one_forward_pass_over_the_union_of_their_layers():
    net = model()
    layer = next(layer for layer in net.layers.values() if layer.kind == "conv")
    several = (
        reducers.TopK(layer=layer.name, shape=layer.shape, k=2),
        reducers.Moments(layer=layer.name, shape=layer.shape),
        Confusion(classes=4),
    )
    assert reducers.layers_of(several) == (layer.name,)
    assert reducers.fields_of(several) == ("label",)
    images = jnp.asarray(some_images(3))
    ids, valid = jnp.arange(3, dtype=jnp.uint32), jnp.ones(3, bool)

    @jax.jit
    def step(model, deltas, images):
        read = reducers.read_batch(several, model, images, ids, valid, {"label": jnp.asarray([0, 1, -1])})
        return reducers.update_all(several, deltas, read)

    top, moments, confusion = step(net, tuple(each.init() for each in several), images)
    assert int(confusion["count"].sum()) == 3
    assert (np.asarray(moments["images"]) == 3).all()
    logits = np.asarray(net(images))
    assert int(confusion["count"][-1, int(logits[2].argmax())]) >= 1
    assert (np.asarray(top["id"]) < 3).all()
