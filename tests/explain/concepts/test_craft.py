"""CRAFT: planted concepts are found and ranked; its factors and its indices equal slow loops."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize
from scipy.stats import qmc

import cnnviz_jax as cv
from cnnviz_jax.errors import LayerKindError, UsageError
from cnnviz_plugins.factors import factorised, presence
from tests.explain.concepts.colour_dataset import HEAD, SIZE, model

WHERE = {0: (slice(0, 4), slice(0, 4)), 2: (slice(4, 8), slice(4, 8))}
"""Red in the upper left corner, blue in the lower right one."""


def some_images(count=12):
    """Black images with a red and a blue patch, each as bright as it likes."""
    bright = np.random.default_rng(8).uniform(0.5, 1, size=(count, 3))
    images = np.zeros((count, SIZE, SIZE, 3), np.float32)
    for channel, (rows, cols) in WHERE.items():
        images[:, rows, cols, channel] = bright[:, channel, None, None]
    return images


OPTIONS = {"layer": "active", "concepts": 2, "crop": 0.5, "designs": 16, "shown": 3}


@pytest.fixture(scope="module")
def bank():
    return cv.survey("craft", model(), some_images(), target=0, **OPTIONS)


def test_planted_concepts_are_found_and_ranked(bank):
    """Class 0 wants red: the first concept is red and has all importance, blue has none."""
    np.testing.assert_allclose(bank.bank, [[1, 0, 0], [0, 0, 1]], atol=1e-3)
    assert bank.importance[0] > 0.8
    assert bank.importance[1] == pytest.approx(0, abs=1e-6)
    assert bank.error < 1e-3
    assert bank.target == "0"
    np.testing.assert_array_equal(bank.image_ids, np.arange(12))


def test_the_crops_shown_are_those_of_the_concept(bank):
    assert bank.crops.shape == (2, 3, 4, 4, 3)
    assert bank.crops[0, :, ..., 0].min() > 0.5  # red all over
    assert bank.crops[0, :, ..., 2].max() == 0
    assert bank.crops[1, ..., 2].mean() > 10 * bank.crops[1, ..., 0].mean()
    assert (np.diff(bank.weight, axis=1) <= 0).all()


def test_a_bank_is_drawn_shown_in_notebooks_and_stored(bank, tmp_path):
    assert cv.figure(bank).get_suptitle() == "concepts of 0 at active, most important first"
    assert bank._repr_html_().startswith("<div")
    kept = cv.load(cv.save(bank, tmp_path / "bank.npz"))
    np.testing.assert_array_equal(kept.crops, bank.crops)
    assert kept.provenance == bank.provenance


def test_maps_show_where_each_concept_is(bank, tmp_path):
    path = str(cv.render(bank, tmp_path / "bank.npz"))
    result = cv.explain("concept-maps", model(), some_images(3), 0, bank=path)
    np.testing.assert_allclose(result.values, some_images(3)[..., [0, 2]], atol=1e-3)
    one = cv.explain("concept-maps", model(), some_images(3), 0, bank=path, concept=1)
    np.testing.assert_allclose(one.values, some_images(3)[..., 2], atol=1e-3)


def test_maps_of_flat_images_are_finite_whatever_the_chunk(bank, tmp_path):
    path = str(cv.render(bank, tmp_path / "bank.npz"))
    flat = np.stack([np.full((SIZE, SIZE, 3), level, np.float32) for level in (0, 0.5, 1)])
    maps = [cv.explain("concept-maps", model(), flat, 0, bank=path, chunk=chunk).values for chunk in ("auto", 1, 7)]
    assert np.isfinite(maps[0]).all()
    for other in maps[1:]:
        np.testing.assert_allclose(other, maps[0], atol=1e-6)


def test_importance_equals_a_slow_loop(bank):
    """Jansen's total index of each concept, by plain loops over images, designs and concepts."""
    points = qmc.Sobol(4, scramble=False).random(16)
    at_a, at_b = points[:, :2], points[:, 2:]
    found = []
    for image in some_images().astype(np.float64):
        amount = image[..., [0, 2]]

        def score(strength, amount=amount):
            return ((amount * strength) @ np.array([[1, 0, 0], [0, 0, 1]]) @ HEAD[:, 0]).mean()

        plain = np.array([score(row) for row in at_a])
        indices = []
        for k in range(2):
            mixed = at_a.copy()
            mixed[:, k] = at_b[:, k]
            other = np.array([score(row) for row in mixed])
            indices.append(((plain - other) ** 2).sum() / (2 * 16 * plain.var(ddof=1)))
        found.append(indices)
    np.testing.assert_allclose(bank.importance, np.mean(found, 0), rtol=1e-3, atol=1e-5)


def test_batches_do_not_matter(bank):
    again = cv.survey("craft", model(), some_images(), target=0, batch=5, **OPTIONS)
    np.testing.assert_allclose(again.bank, bank.bank, atol=1e-6)
    np.testing.assert_allclose(again.importance, bank.importance, rtol=1e-5)


def test_only_images_that_the_model_puts_in_the_class_are_used():
    images = some_images()
    images[3:] = images[3:, ::-1, ::-1, ::-1]  # red and blue change places
    images[3:, ..., 0] *= 0.2
    result = cv.survey("craft", model(), images, target=0, **OPTIONS)
    np.testing.assert_array_equal(result.image_ids, [0, 1, 2])
    assert any("only 3 images of the class" in warning for warning in result.warnings)


def test_a_table_of_few_parts_is_taken_apart_exactly():
    drawn = np.random.default_rng(2)
    parts = drawn.uniform(size=(3, 7)) * (drawn.uniform(size=(3, 7)) > 0.5)
    amounts = drawn.uniform(size=(40, 3)) * (drawn.uniform(size=(40, 3)) > 0.4)
    weights, bank = factorised(amounts @ parts, 3, 2000)
    assert weights.min() >= 0
    assert bank.min() >= 0
    np.testing.assert_allclose(weights @ bank, amounts @ parts, atol=5e-3)
    np.testing.assert_allclose(np.linalg.norm(bank, axis=1), 1)


def test_the_factorisation_is_no_worse_than_lee_and_seungs_slow_loop():
    table = np.random.default_rng(3).uniform(size=(20, 9))
    drawn = np.random.default_rng(4)
    weights, bank = drawn.uniform(size=(20, 4)), drawn.uniform(size=(4, 9))
    for _ in range(2000):
        bank *= (weights.T @ table) / (weights.T @ weights @ bank)
        weights *= (table @ bank.T) / (weights @ bank @ bank.T)
    ours = np.linalg.norm(table - np.matmul(*factorised(table, 4, 500)))
    assert ours < 1.02 * np.linalg.norm(table - weights @ bank)


def test_presence_is_non_negative_least_squares():
    drawn = np.random.default_rng(5)
    bank, values = drawn.uniform(size=(4, 6)), drawn.uniform(size=(3, 2, 6))
    expected = [[optimize.nnls(bank.T, row)[0] for row in rows] for rows in values]
    found = presence(jnp.asarray(values, jnp.float32), jnp.asarray(bank, jnp.float32), rounds=300)
    np.testing.assert_allclose(found, expected, atol=2e-3)
    empty = jnp.zeros((2, 6))
    np.testing.assert_array_equal(presence(jnp.asarray(values, jnp.float32), empty), np.zeros((3, 2, 2)))


def test_black_images_give_no_nan():
    result = cv.survey("craft", model(), np.zeros((3, SIZE, SIZE, 3), np.float32), target=0, **OPTIONS)
    for array in (result.bank, result.importance, result.crops, result.weight):
        assert np.isfinite(array).all()
    assert any("the score does not vary" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"target": 1}, UsageError, "the model puts none of 12 images in class 1"),
        ({"concepts": 4}, UsageError, "4 concepts in 48 crops of 3 channels"),
        ({"concepts": 0}, UsageError, "concepts is at least 1, got 0"),
        ({"designs": 12}, UsageError, "designs is a power of two, got 12"),
        ({"crop": 1.5}, UsageError, "crop is a share above 0 and up to 1"),
    ],
)
def test_says_what_is_wrong(options, error, text):
    with pytest.raises(error, match=text):
        cv.survey("craft", model(), some_images(), **{**OPTIONS, "target": 0, **options})


def test_says_that_concepts_add_up():
    negative = model().with_params({**model().params, "kernel": -model().params["kernel"]})
    with pytest.raises(UsageError, match="layer 'conv' has negative values, and concepts add up"):
        cv.survey("craft", negative, some_images(), target=0, **{**OPTIONS, "layer": "conv"})


@pytest.mark.parametrize(
    ("bank", "text"),
    [
        ("", "concept-maps needs bank="),
        ("no-such.npz", "no bank 'no-such.npz'; write one with"),
        (__file__, "is no .npz of a survey tcav or craft"),
    ],
)
def test_maps_say_what_bank_they_need(bank, text):
    with pytest.raises(UsageError, match=text):
        cv.explain("concept-maps", model(), some_images(1), 0, bank=bank)


def test_maps_say_that_the_bank_is_of_another_model(bank, tmp_path):
    from tests.explain import small_network as small

    path = str(cv.render(bank, tmp_path / "bank.npz"))
    with pytest.raises(UsageError, match="has concepts 0 to 1, got 2"):
        cv.explain("concept-maps", model(), some_images(1), 0, bank=path, concept=2)
    with pytest.raises((UsageError, LayerKindError, cv.errors.LayerNotFoundError), match="no layer 'active'"):
        cv.explain("concept-maps", small.model(), small.some_images(1), 0, bank=path)


def test_figures_are_written(bank, tmp_path):
    assert cv.render(bank, tmp_path / "bank.png", dpi=60).stat().st_size > 1000
    with pytest.raises(UsageError, match="no display option 'policy' for a figure of concepts"):
        cv.render(bank, tmp_path / "bank.png", policy="signed")
