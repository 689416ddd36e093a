"""Exemplars: the k best images of each unit, streamed, equal to sorting the whole table."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.engine import compilations
from cnnviz_jax.errors import CnnvizWarning, ImageError, LayerNotFoundError, UsageError
from cnnviz_plugins.renderers.figure import figure
from cnnviz_plugins.survey.levels import at_levels
from tests.explain.small_network import model, some_images

COUNT, K = 23, 5


@pytest.fixture(scope="module")
def images():
    return some_images(COUNT)


@pytest.fixture(scope="module")
def table(images):
    """All activations of conv2, (n, positions, units)."""
    return cv.capture(model(), images, ["conv2"])["conv2"].reshape(COUNT, -1, 8)


@pytest.fixture(scope="module")
def result(images):
    labels = np.arange(COUNT) % 3
    return cv.survey("exemplars", model(), images, labels, layer="conv2", k=K, batch=7, threshold=0.2)


def slow(table, k):
    """By unit: (value, image, position) of a full sort by value falling, image and position rising."""
    entries = []
    for unit in range(table.shape[2]):
        best = [(-table[n, :, unit].max(), n, int(table[n, :, unit].argmax())) for n in range(len(table))]
        entries.append(sorted(best)[:k])
    return entries


def test_entries_equal_a_full_sort_by_value_image_and_position(result, table):
    columns = cv.capture(model(), some_images(1), ["conv2"])["conv2"].shape[2]
    for unit, entries in enumerate(slow(table, K)):
        np.testing.assert_allclose(result.value[unit], [-entry[0] for entry in entries], rtol=1e-5)
        assert result.id[unit].tolist() == [entry[1] for entry in entries]
        assert result.place[unit].tolist() == [list(divmod(entry[2], columns)) for entry in entries]


def test_an_image_has_one_entry_unless_positions_compete(result, images):
    assert all(len(set(row)) == K for row in result.id.tolist())
    every = cv.survey("exemplars", model(), images[:2], layer="conv2", k=K, entries="position")
    assert every.value[0, -1] > -np.inf  # two images fill five places


@pytest.mark.parametrize("batch", [1, 7, "auto"])
def test_the_batch_changes_no_entry(batch, images, result):
    again = cv.survey("exemplars", model(), images, layer="conv2", k=K, batch=batch)
    np.testing.assert_array_equal(again.id, result.id)
    np.testing.assert_array_equal(again.place, result.place)
    np.testing.assert_allclose(again.value, result.value, rtol=1e-5)


def test_one_program_serves_all_batches(images):
    cv.survey("exemplars", model(), images, layer="conv1", k=2, batch=4)
    before = compilations()
    cv.survey("exemplars", model(), images, layer="conv1", k=2, batch=4)
    cv.survey("exemplars", model(), images[:9], layer="conv1", k=2, batch=4)
    assert compilations() == before


def test_the_box_holds_what_the_unit_sees(result):
    field = model().layers["conv2"].receptive_field
    for unit in range(8):
        for rank in range(K):
            assert tuple(result.box[unit, rank]) == field.box(*result.place[unit, rank].tolist())


def test_the_crop_of_an_interior_unit_alone_gives_the_recorded_value():
    """conv1 and conv2 with SAME padding see 8 x 8; the crop goes through a network without padding."""
    from tests.explain.small_network import parameters

    images = some_images(40, 24, 24)
    found = cv.survey("exemplars", model(24, 24), images, layer="conv2", k=9, units=tuple(range(8)))
    weights, checked = parameters(), 0

    def conv(x, name):
        kernel, bias = weights[name]["kernel"], weights[name]["bias"]
        return (
            jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")) + bias
        )

    for unit in range(8):
        for rank in range(9):
            crop = found.crop(unit, rank)
            if not (
                crop.shape == (8, 8, 3) and (found.place[unit, rank] > 1).all() and (found.place[unit, rank] < 10).all()
            ):
                continue
            x = jax.nn.relu(conv(crop[None], "conv1"))
            x = jax.lax.reduce_window(x, -np.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
            value = conv(x, "conv2")[0, 0, 0, unit]
            np.testing.assert_allclose(value, found.value[unit, rank], atol=1e-5)
            checked += 1
    assert checked > 3


def test_fired_counts_images_above_the_threshold(result, table):
    np.testing.assert_array_equal(result.fired, (table.max(1) > 0.2).sum(0))
    assert result.image_count == COUNT


def test_class_means_are_those_of_a_slow_loop(result, table):
    strongest = np.maximum(table.max(1), 0).astype(np.float64)
    for label in range(3):
        np.testing.assert_allclose(
            result.class_means[label], strongest[np.arange(COUNT) % 3 == label].mean(0), rtol=1e-5
        )


def test_selectivity_is_one_for_a_unit_of_one_class_and_zero_for_one_of_all():
    from cnnviz_plugins.survey.per_class import selectivity

    np.testing.assert_allclose(selectivity(np.array([[2.0, 1, 0], [0, 1, 0], [0, 1, 0]])), [1, 0, 0])


def test_bytes_give_the_entries_of_the_same_images_as_floats(images):
    pixels = np.round(images * 255).astype(np.uint8)
    of_bytes = cv.survey("exemplars", model(), pixels, layer="conv2", k=K)
    of_floats = cv.survey("exemplars", model(), pixels.astype(np.float32) / np.float32(255), layer="conv2", k=K)
    for name in ("value", "id", "place", "images"):
        np.testing.assert_array_equal(getattr(of_bytes, name), getattr(of_floats, name))


def test_images_that_are_not_finite_are_left_out_and_counted(images):
    broken = images.copy()
    broken[4, 0, 0, 0] = np.nan
    found = cv.survey("exemplars", model(), broken, layer="conv1", k=COUNT)
    assert not (found.id == 4).any()
    assert (found.nonfinite == 1).all()
    assert "left out" in " ".join(found.warnings)


def test_images_are_kept_for_the_chosen_units_only(images):
    found = cv.survey("exemplars", model(), images, layer="conv2", k=2, units=(3,))
    np.testing.assert_array_equal(found.image(3, 1), images[found.id[3, 1]])
    other = next(u for u in range(8) if not set(found.id[u]) <= set(found.image_ids))
    rank = next(r for r in range(2) if found.id[other, r] not in found.image_ids)
    with pytest.raises(UsageError, match=f"no image of unit {other}, entry {rank}, is kept"):
        found.crop(other, rank)


def test_fewer_images_than_k_leave_empty_places(images):
    found = cv.survey("exemplars", model(), images[:2], layer="conv2", k=4)
    assert (found.id[:, 2:] == -1).all()
    assert (found.value[:, 2:] == -np.inf).all()


def test_a_vector_layer_sees_the_whole_image(images):
    found = cv.survey("exemplars", model(), images, layer="head", k=2)
    assert (found.box == [0, 0, 11, 9]).all()


def test_wrong_arguments_are_told_in_a_sentence(images):
    with pytest.raises(UsageError, match="layer 'conv2' has units 0 to 7, got 8"):
        cv.survey("exemplars", model(), images, layer="conv2", units=[8])
    with pytest.raises(LayerNotFoundError, match="no layer 'conv9'"):
        cv.survey("exemplars", model(), images, layer="conv9")
    with pytest.raises(UsageError, match="labels are one whole number per image, 23 of them"):
        cv.survey("exemplars", model(), images, [1, 2])
    with pytest.raises(ImageError, match=r"a survey takes images \(n, h, w, c\)"):
        cv.survey("exemplars", model(), images[:, :5])
    with pytest.raises(UsageError, match="k is 1 or more"):
        cv.survey("exemplars", model(), images, k=0)


def test_a_unit_that_is_not_there_is_told_before_an_image_is_read():
    class Unread:
        """A source that must not be opened."""

        fields = {}  # noqa: RUF012

        def __len__(self):
            pytest.fail("the data set was looked at")

        def __getitem__(self, index):
            pytest.fail("an image was read")

        def digest(self):
            pytest.fail("the data set was read")

    with pytest.raises(UsageError, match="layer 'conv2' has units 0 to 7, got 99"):
        cv.survey("exemplars", model(), Unread(), layer="conv2", units=(99,))


def test_levels_are_the_images_nearest_to_the_quantiles_of_a_units_maxima(images, table):
    found = cv.survey("exemplars", model(), images, layer="conv2", levels=(0.9, 0.5), level_k=3, batch=7)
    maxima = table.max(1).astype(np.float64)  # n units
    columns = cv.capture(model(), some_images(1), ["conv2"])["conv2"].shape[2]
    for unit in range(8):
        for column, share in enumerate((0.9, 0.5)):
            quantile = np.quantile(maxima[:, unit], share)
            order = sorted(range(COUNT), key=lambda n: (abs(maxima[n, unit] - quantile), n))[:3]
            np.testing.assert_allclose(found.level_quantile[unit, column], quantile, rtol=1e-5)
            assert found.level_id[unit, column].tolist() == order
            np.testing.assert_allclose(found.level_value[unit, column], maxima[order, unit], rtol=1e-5)
            places = [list(divmod(int(table[n, :, unit].argmax()), columns)) for n in order]
            assert found.level_place[unit, column].tolist() == places
            field = model().layers["conv2"].receptive_field
            assert found.level_box[unit, column].tolist() == [list(field.box(*place)) for place in places]
    assert found.sampled == COUNT


def test_levels_come_from_a_sample_that_no_batch_changes(images):
    asked = {"layer": "conv1", "levels": (0.5,), "sample": 6}
    one, other = (cv.survey("exemplars", model(), images, batch=batch, **asked) for batch in (1, 5))
    assert one.sampled == other.sampled == 6
    np.testing.assert_array_equal(one.level_id, other.level_id)
    assert len(np.unique(one.level_id)) <= 6


def test_levels_leave_out_what_is_not_finite_and_what_is_not_there(images):
    broken = images[:3].copy()
    broken[1, 0, 0, 0] = np.nan
    found = cv.survey("exemplars", model(), broken, layer="conv1", levels=(0.5,), level_k=3)
    assert not (found.level_id == 1).any()
    assert (found.level_id[:, :, 2] == -1).all()
    assert (found.level_box[:, :, 2] == -1).all()


def test_wrong_levels_are_refused(images):
    with pytest.raises(UsageError, match=r"levels lie between 0 and 1, such as 0.9, got 90"):
        cv.survey("exemplars", model(), images, levels=(90.0,))
    with pytest.raises(UsageError, match="level_k is at least 1, got 0"):
        cv.survey("exemplars", model(), images, levels=(0.9,), level_k=0)


def padding_network(params, x):
    """A convolution whose values are negative, so that the zeros put around its map are the strongest units."""
    with jax.named_scope("conv"):
        x = jax.lax.conv_general_dilated(x, params["conv"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    with jax.named_scope("pad"):
        x = jnp.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)))
    return x.mean((1, 2))


def test_units_that_see_only_padding_have_an_empty_crop_that_every_figure_says_in_words(images, tmp_path):
    padded = cv.adapt(padding_network, {"conv": -jnp.ones((3, 3, 3, 2))}, input_shape=images.shape[1:])
    with pytest.warns(CnnvizWarning, match="2 of 2 units of pad never exceed 0"):
        found = cv.survey("exemplars", padded, images, layer="pad", k=2)
    top, left, bottom, right = found.box[0, 0]
    assert found.place[0, 0].tolist() == [0, 0]
    assert (top > bottom, left > right, found.crop(0, 0).size) == (True, True, 0)
    (axes,) = [axes for axes in figure(found, limit=1).axes if axes.texts and "padding" in axes.texts[0].get_text()][:1]
    assert not axes.images
    site = cv.explore(padded, images, tmp_path / "site", layers="pad", detail="light")
    tile = site.unit("pad", 0).tiles("exemplars")[0]
    assert tile["alt"].startswith("strongest image 1: the padding of ")
    assert tile["box"] == found.box[0, 0].tolist()
    assert (site.unit("pad", 0).pixels(tile) == 128).all()
    field = figure(cv.inspect("receptive-field", padded, layer="pad", unit=(0, 0)))
    assert "only padding" in [text.get_text() for text in field.texts]


def test_of_images_equally_near_a_level_the_earlier_comes_first():
    rng = np.random.default_rng(0)
    value = rng.integers(0, 4, (60, 9)).astype(np.float32)
    value[rng.uniform(size=value.shape) < 0.2] = np.inf
    value[:, 0], value[:, 1] = np.inf, 2.0
    sample = {"value": value, "id": np.arange(60, dtype=np.uint32) * 3, "pos": np.zeros(value.shape, np.int32)}
    found = at_levels(sample, (0.5, 0.9), 7)
    for unit, level in np.ndindex(9, 2):
        distance = np.where(
            np.isfinite(value[:, unit]), np.abs(value[:, unit] - found["quantile"][unit, level]), np.inf
        )
        order = np.argsort(distance, kind="stable")[:7]
        expected = np.where(np.isfinite(value[order, unit]), sample["id"][order].astype(np.int64), -1)
        np.testing.assert_array_equal(found["id"][unit, level], expected)
    none = at_levels({name: leaf[:0] for name, leaf in sample.items()}, (0.5,), 2)
    assert (none["id"] == -1).all()
