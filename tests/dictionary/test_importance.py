"""What features have to do with a score: on a linear head all is known by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import LayerKindError, UsageError
from cnnviz_jax.results.dictionary import Dictionary
from cnnviz_jax.results.provenance import Provenance
from cnnviz_plugins.dictionary.codecs import SparseCodec

from .colours import features, images, model
from .waves import BIAS, DIRECTIONS, MEAN, ROWS

HEAD = np.cos(0.9 * np.arange(4))


def linear(params, x):
    with jax.named_scope("body"):
        x = x.mean((1, 2)) * 4 - 2  # images of [0, 1] stand for rows of [-2, 2]
    return x @ params["head"]


@pytest.fixture(scope="module")
def known():
    """A dictionary of the field's example, the network h . x, and the images that stand for its rows."""
    codec = SparseCodec(
        directions=DIRECTIONS.astype(np.float32), offset=MEAN.astype(np.float32),
        encoder=DIRECTIONS.astype(np.float32), bias=BIAS.astype(np.float32),
        threshold=np.zeros(6, np.float32), rule="topk", k=2,
    )  # fmt: skip
    made = Dictionary(
        layer="body", codec=codec, metrics={}, density=np.zeros(6, np.float32), curves={}, row_count=0,
        held_out_count=0, provenance=Provenance(technique="topk", model="linear", config={}),
    )  # fmt: skip
    params = {"head": jnp.asarray(np.stack([HEAD, -HEAD], 1), jnp.float32)}
    network = cv.adapt(linear, params, input_shape=(1, 1, 4), name="linear")
    return network, made, ((ROWS + 2) / 4).astype(np.float32)[:, None, None]


def test_shares_of_a_linear_head_are_those_computed_by_hand(known):
    network, made, rows = known
    found = cv.feature_importance(network, made, rows[:1], target=0, designs=512, features=6, progress=False)
    near = {"rtol": 1e-4, "atol": 1e-6}
    np.testing.assert_allclose(found.scores, [1.7566593], **near)
    np.testing.assert_allclose(found.offset, [0.39253204], **near)
    np.testing.assert_allclose(found.gradient, [[0, 0, 0, -0.27332927, -0.1842336, 0]], **near)
    np.testing.assert_allclose(found.error, [1.8216902], **near)
    np.testing.assert_allclose(found.removal, found.gradient, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.sobol, [[0, 0, 0, 0.68760482, 0.31239518, 0]], atol=0.02)


def test_shares_add_up_to_the_score_of_every_image(known):
    network, made, rows = known
    found = cv.feature_importance(network, made, rows, target=1, progress=False)
    np.testing.assert_allclose(found.gradient.sum(1) + found.offset + found.error, found.scores, rtol=1e-4, atol=1e-5)
    assert found.sobol is None


def test_removal_is_what_the_score_loses_without_the_feature():
    wider, name = model().with_dictionary(features()), "active.dictionary"
    found = cv.feature_importance(model(), features(), images()[:2], target=1, progress=False)
    image = jnp.asarray(images()[1])
    for feature in (0, 5):
        less = wider.run(image, replace={name: lambda codes, feature=feature: codes.at[..., feature].set(0)})[0][1]
        np.testing.assert_allclose(found.removal[1, feature], found.scores[1] - less, rtol=1e-3, atol=1e-5)


def test_importance_is_stored_and_told_as_a_table(tmp_path):
    found = cv.feature_importance(model(), features(), images()[:2], progress=False)
    kept = cv.load(cv.save(found, tmp_path / "shares.npz"))
    np.testing.assert_array_equal(kept.removal, found.removal)
    rows = found.table()
    assert [row["removal"] for row in rows] == sorted((row["removal"] for row in rows), reverse=True)
    assert set(rows[0]) == {"feature", "removal", "gradient"}


def test_what_does_not_fit_is_refused(known):
    with pytest.raises(UsageError, match="designs is 0 or a power of two, features 1 or more; got 3 and 16"):
        cv.feature_importance(model(), features(), images()[:1], designs=3)
    with pytest.raises(LayerKindError, match="the dictionary has 4 channels, layer 'active' of colours 6"):
        cv.feature_importance(model(), known[1], images()[:1], layer="active")
