"""Distributions: exact counts, and exactly the units that were planted as dead, twins, saturated, always on."""

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import UsageError

from .planted_network import DEAD, TWINS, model, some_images

COUNT = 30


@pytest.fixture(scope="module")
def network():
    return model()


@pytest.fixture(scope="module")
def relu(network):
    return next(layer.name for layer in network.layers.values() if layer.kind == "relu")


@pytest.fixture(scope="module")
def result(network, relu):
    return cv.survey("distributions", network, some_images(COUNT), np.arange(COUNT) % 2, layer=relu, batch=8, sample=16)


@pytest.fixture(scope="module")
def table(network, relu):
    values = cv.capture(network, some_images(COUNT), [relu])[relu]
    return values.reshape(-1, values.shape[-1])


def test_exactly_the_planted_units_are_named(result):
    assert result.dead == DEAD
    assert result.twins == TWINS
    assert result.saturated == (25,)
    assert result.always_on == (25, 26)


def test_a_histogram_counts_every_position_of_every_image(result):
    assert (result.count.sum(1) == COUNT * 8 * 7).all()
    assert result.positions == 56


def test_moments_rates_and_extremes_are_those_of_the_whole_table(result, table):
    np.testing.assert_allclose(result.mean, table.mean(0), rtol=1e-5)
    np.testing.assert_allclose(result.deviation, table.std(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(result.minimum, table.min(0), rtol=1e-5)
    np.testing.assert_allclose(result.maximum, table.max(0), rtol=1e-5)
    np.testing.assert_allclose(result.fire_rate, (table > 0).mean(0))
    per_image = (table.reshape(COUNT, -1, table.shape[1]) > 0).any(1).mean(0)
    np.testing.assert_allclose(result.image_rate, per_image)


def test_quantiles_are_within_the_bins(result, table):
    expected = np.quantile(table, result.shares, axis=0).T
    np.testing.assert_allclose(result.quantiles, expected, rtol=0.13, atol=0.02)


def test_correlations_are_those_of_the_sampled_places():
    from cnnviz_plugins.survey.distributions import correlations

    x = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    x[:, 3] = 7
    found = correlations(x)
    np.testing.assert_allclose(found[:3, :3], np.corrcoef(x[:, :3].T), atol=1e-6)
    assert not found[3].any()


def test_the_sample_is_the_same_in_any_order_and_any_batches():
    import jax

    from cnnviz_jax.engine.reducers import Batch
    from cnnviz_plugins.survey.sample import PositionSample

    values = np.random.default_rng(1).normal(size=(60, 4, 3, 2)).astype(np.float32)
    values[7] = np.nan
    reducer = PositionSample(layer="x", shape=(4, 3, 2), image_count=9, each=4)

    def gathered(order, size):
        totals, update = [reducer.empty()], jax.jit(reducer.update)
        for first in range(0, 60, size):
            ids = np.asarray(order[first : first + size], np.uint32)
            batch = Batch(ids=ids, valid=np.ones(len(ids), bool), values={"x": values[ids]})
            totals.append(reducer.lift(update(reducer.init(), batch)))
        return reducer.finish(reducer.merge(totals[::-1]))

    straight, shuffled = gathered(np.arange(60), 60), gathered(np.random.default_rng(2).permutation(60), 12)
    assert len(straight["values"]) == 36
    assert 7 not in straight["id"]
    np.testing.assert_array_equal(straight["values"], shuffled["values"])
    np.testing.assert_array_equal(straight["id"], shuffled["id"])
    rows = values.reshape(60, 12, 2)[straight["id"]]
    assert (rows == straight["values"][:, None]).all(-1).any(1).all()  # every row is one place of its image


def test_the_ranks_of_images_never_collide():
    import jax.numpy as jnp

    from cnnviz_plugins.survey.sample import mixed

    ranks = np.asarray(mixed(jnp.arange(100_000, dtype=jnp.uint32)))
    assert len(np.unique(ranks)) == 100_000


def test_the_table_has_a_row_per_unit(result):
    rows = result.table()
    assert len(rows) == 40
    assert rows[20]["state"] == "dead"
    assert rows[3]["twins"] == "13"
    assert rows[25]["state"] == "always on"


def test_a_share_outside_its_range_is_refused(network):
    with pytest.raises(UsageError, match=r"twins_at lies above 0 and up to 1, got 1\.5"):
        cv.survey("distributions", network, some_images(2), twins_at=1.5)


def test_figures_are_written_for_both_surveys(result, network, relu, tmp_path):
    images = some_images(4)
    found = cv.survey("exemplars", network, images, layer=relu, units=(0, 20), k=6)
    for name, one in (("distributions", result), ("exemplars", found)):
        path = cv.render(one, tmp_path / f"{name}.png", dpi=40)
        assert path.stat().st_size > 2000
        assert cv.render(one, tmp_path / f"{name}.npz").exists()
