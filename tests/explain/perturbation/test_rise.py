"""RISE: random masks made on the fly, against a loop over the same masks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.engine import compilations
from cnnviz_jax.errors import UsageError
from cnnviz_plugins.explain.perturbation.rise import random_mask
from tests.explain import small_network as small

from .linear_networks import BLOCKS, SIZE, linear, some_image


def slow_mask(key, size, cells, probability):
    """The grid enlarged as a whole, then cut out."""
    drawn = np.asarray(jax.random.uniform(key, (2 + cells[0] * cells[1],)))
    kept = (drawn[2:] < probability).astype(np.float32).reshape(cells)
    edge = [-(-size[axis] // cells[axis]) for axis in (0, 1)]
    shift = [int(drawn[axis] * edge[axis]) for axis in (0, 1)]
    large = jax.image.resize(kept, [(cells[axis] + 1) * edge[axis] for axis in (0, 1)], "linear")
    return np.asarray(large)[shift[0] : shift[0] + size[0], shift[1] : shift[1] + size[1]]


@pytest.mark.parametrize("convention", ["paper", "xplique"])
def test_equals_a_slow_loop(convention):
    key = jax.random.fold_in(jax.random.key(6, impl="threefry2x32"), 3)
    total, kept = np.zeros(SIZE), np.zeros(SIZE)
    for i in range(20):
        mask = slow_mask(jax.random.fold_in(key, i), SIZE, (3, 2), 0.4)
        total += float(linear()(some_image() * mask[..., None])[0, 0]) * mask
        kept += mask
    options = {"masks": 20, "grid": (3, 2), "probability": 0.4, "convention": convention}
    result = cv.explain("rise", linear(), some_image(), 0, key=6, ids=[3], **options)
    expected = total / (20 * 0.4) if convention == "paper" else total / (kept + 1e-4)
    np.testing.assert_allclose(result.values[0], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(result.extras["kept"][0], kept / 20, rtol=1e-5)


def test_masks_keep_the_asked_share_of_every_pixel():
    keys = jax.random.split(jax.random.key(0), 3000)
    masks = np.asarray(jax.vmap(lambda key: random_mask(key, (9, 11), (4, 3), 0.3))(keys))
    assert masks.shape == (3000, 9, 11)
    assert masks.min() >= 0
    assert masks.max() <= 1
    np.testing.assert_allclose(masks.mean(0), 0.3, atol=0.04)
    assert ((masks > 0.05) & (masks < 0.95)).any()  # enlarged bilinearly, not cut


def test_everything_kept_gives_the_score_everywhere():
    result = cv.explain("rise", linear(), some_image(), 0, masks=4, probability=1.0)
    np.testing.assert_allclose(result.values[0], result.scores[0], rtol=1e-5)


def test_the_part_that_makes_the_score_stands_out():
    part = (BLOCKS == 3)[..., None].astype(np.float32)
    net = cv.adapt(lambda p, x: (x * p).sum((1, 2, 3))[:, None], jnp.asarray(part), input_shape=(*SIZE, 1), name="part")
    values = cv.explain("rise", net, np.ones((*SIZE, 1), np.float32), 0, masks=1000, grid=(4, 2)).values[0]
    assert values[BLOCKS == 3].min() > values[BLOCKS != 3].mean() * 1.1
    assert BLOCKS.ravel()[values.argmax()] == 3


def test_what_is_masked_looks_as_what_the_model_subtracts():
    net = cv.adapt(small.forward, small.parameters(), input_shape=(12, 10, 3), mean=(0.4, 0.5, 0.6))
    image = np.broadcast_to(np.float32([0.4, 0.5, 0.6]), (12, 10, 3)).copy()
    result = cv.explain("rise", net, image, 1, masks=8)  # every masked image is the image
    np.testing.assert_allclose(result.values[0], result.scores[0] * result.extras["kept"][0] / 0.5, rtol=1e-4)


def test_neither_chunk_nor_batch_matters_and_nothing_compiles_twice():
    images = np.stack([some_image(seed) for seed in range(3)])
    together = cv.explain("rise", linear(), images, 0, masks=30, chunk=7).values
    np.testing.assert_allclose(cv.explain("rise", linear(), images, 0, masks=30).values, together, atol=1e-4)
    alone = cv.explain("rise", linear(), images[1:2], 0, masks=30, chunk=7).values
    np.testing.assert_allclose(alone, together[1:2], atol=1e-4)
    before = compilations()
    cv.explain("rise", linear(), some_image(9), 0, masks=30, chunk=7, key=5)
    assert compilations() == before


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"masks": 0}, "masks is at least 1, got 0"),
        ({"grid": 0}, "grid is one to 3 positive whole numbers of cells, got 0"),
        ({"probability": 0.0}, "probability is above 0 and at most 1"),
        ({"fill": (0.1, 0.2, 0.3)}, "fill has 3 values, images have 2 channels"),
        ({"fill": "segment-mean"}, "fill is one of mean, model-mean"),
    ],
)
def test_says_what_is_wrong_with_an_option(options, text):
    with pytest.raises(UsageError, match=text):
        cv.explain("rise", linear(), some_image(), 0, **options)
