"""Measures: published numbers, plain loops, and what each must say of maps whose worth is known."""

import jax
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.engine import compilations
from cnnviz_jax.errors import UsageError
from tests.explain.cam import peers_network
from tests.explain.small_network import model, some_images
from tests.measure.linear import SUM, linear


@pytest.fixture(scope="module")
def adder():
    return linear(np.ones((2, 2, 1)))


@pytest.fixture(scope="module")
def maps():
    return cv.explain("saliency", model(), some_images(3), [0, 1, 2])


def probability(images, classes):
    logits = np.asarray(model()(images), np.float64)
    share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return share[range(len(classes)), classes]


@pytest.mark.parametrize(("metric", "curve", "area"), [("deletion", [1, 0.3, 0], 0.4), ("insertion", [0, 0.7, 1], 0.6)])
def test_torch_cams_numbers(adder, metric, curve, area):
    # torch-cam `tests/test_metrics.py` (Apache-2): score = sum, two steps.
    x = np.array([[0.4, 0.3], [0.2, 0.1]], np.float32)[None, ..., None]
    result = cv.measure(metric, adder, x, x[..., 0], SUM, steps=2, fill="zero")
    np.testing.assert_allclose(result.curve[0], curve, atol=1e-6)
    np.testing.assert_allclose(result.values, [area], rtol=1e-6)
    assert result.at == (0.0, 0.5, 1.0)
    assert result.better == {"deletion": "lower", "insertion": "higher"}[metric]


@pytest.mark.parametrize("metric", ["deletion", "insertion"])
def test_curves_are_a_plain_loop_in_the_order_of_the_map(maps, metric):
    result = cv.measure(metric, model(), None, maps, steps=5, fill="mean")
    image = np.asarray(maps.images)[1]
    heat = np.abs(maps.values[1]).max(-1).ravel()
    order, nothing = np.argsort(-heat, kind="stable"), np.broadcast_to(image.mean((0, 1)), image.shape)
    slow = []
    for step in range(6):
        taken = np.zeros(heat.size, bool)
        taken[order[: round(step / 5 * heat.size)]] = True
        taken = taken.reshape(*image.shape[:2], 1)
        changed = np.where(taken, nothing, image) if metric == "deletion" else np.where(taken, image, nothing)
        slow.append(probability(changed[None], [1])[0])
    np.testing.assert_allclose(result.curve[1], slow, atol=1e-5)
    np.testing.assert_allclose(result.values[1], np.trapezoid(slow, dx=0.2), atol=1e-5)


def test_the_area_is_over_true_shares_where_the_steps_do_not_divide_the_pixels():
    """Four of six pixels' steps: 0, 2, 3, 4 and 6 pixels gone (1.5 and 4.5 are rounded to even), not 0, 1.5, 3, ..."""
    x = np.array([[0.6, 0.5, 0.4], [0.3, 0.2, 0.1]], np.float32)[None, ..., None]
    net = linear(np.ones((2, 3, 1)))
    gone = cv.measure("deletion", net, x, x[..., 0], SUM, steps=4, fill="zero")
    np.testing.assert_allclose(gone.at, np.array([0, 2, 3, 4, 6]) / 6)
    np.testing.assert_allclose(gone.curve[0], [2.1, 1.0, 0.6, 0.3, 0], atol=1e-6)
    np.testing.assert_allclose(gone.values, [(3.1 + 0.8 + 0.45 + 0.3) / 6], rtol=1e-5)
    come = cv.measure("insertion", net, x, x[..., 0], SUM, steps=4, fill="zero")
    np.testing.assert_allclose(come.values, [2.1 - (3.1 + 0.8 + 0.45 + 0.3) / 6], rtol=1e-5)


def test_more_steps_than_pixels_change_no_area(adder):
    x = np.array([[0.4, 0.3], [0.2, 0.1]], np.float32)[None, ..., None]
    fine = cv.measure("deletion", adder, x, x[..., 0], SUM, steps=50, fill="zero")
    exact = cv.measure("deletion", adder, x, x[..., 0], SUM, steps=4, fill="zero")
    np.testing.assert_allclose(fine.values, exact.values, rtol=1e-5)


def test_measures_do_not_depend_on_the_chunk_and_compile_once(maps):
    whole = cv.measure("deletion", model(), None, maps, steps=10, chunk=11)
    one = cv.measure("deletion", model(), None, maps, steps=10, chunk=7)
    np.testing.assert_allclose(one.curve, whole.curve, atol=1e-6)
    other = cv.explain("saliency", model(), some_images(3, seed=6), [2, 2, 0])
    before = compilations()
    cv.measure("deletion", model(), None, other, steps=10, chunk=7)
    assert compilations() == before


def test_average_drop_and_increase_by_hand():
    net = linear([[[2.0], [-1.0]]])
    x = np.array([[[[1.0], [1.0]]], [[[1.0], [0.5]]]], np.float32)
    heat = np.array([[[4.0, 0.0]], [[0.0, 1.0]]], np.float32)  # keeps the good pixel, then the bad one
    drop = cv.measure("average-drop", net, x, heat, SUM)
    np.testing.assert_allclose(drop.values, [0, 4 / 3], rtol=1e-6)  # 1 rises to 2; of 1.5 the kept half makes -0.5
    np.testing.assert_allclose(drop.extras["kept_score"], [2, -0.5])
    np.testing.assert_allclose(cv.measure("increase-in-confidence", net, x, heat, SUM).values, [1, 0])


def test_the_gradient_of_a_linear_model_is_perfectly_faithful():
    weights = np.random.default_rng(0).normal(size=(5, 4, 2))
    net, images = linear(weights), some_images(2, 5, 4, 2)
    exact = cv.explain("saliency", net, images, 0)
    for perturbation in ("gaussian(0.3)", "square(2)"):
        result = cv.measure("infidelity", net, images, exact, samples=20, perturbation=perturbation)
        np.testing.assert_allclose(result.values, 0, atol=1e-9)
    double = cv.measure("infidelity", net, images, 2 * exact.values, 0, samples=20, scale="optimal")
    np.testing.assert_allclose(double.extras["scale"], 0.5, rtol=1e-4)
    np.testing.assert_allclose(double.values, 0, atol=1e-9)
    np.testing.assert_allclose(cv.measure("max-sensitivity", net, images, exact, samples=2).values, 0, atol=1e-6)


def test_infidelity_is_a_plain_loop_over_its_noise(maps):
    result = cv.measure("infidelity", model(), None, maps, samples=4, key=5, ids=[7, 8, 9])
    key = jax.random.fold_in(jax.random.key(5, impl="threefry2x32"), 8)
    image = np.asarray(maps.images)[1]
    before, slow = float(model()(image)[0, 1]), []
    for i in range(4):
        taken = 0.1 * np.asarray(jax.random.normal(jax.random.fold_in(key, i), image.shape))
        slow.append(((taken * maps.values[1]).sum() - (before - float(model()(image - taken)[0, 1]))) ** 2)
    np.testing.assert_allclose(result.values[1], np.mean(slow), rtol=1e-2, atol=1e-9)


@pytest.mark.parametrize(("scale", "expected"), [("none", 0.00028038145), ("optimal", 0.000235084523)])
def test_infidelity_is_captums_of_the_same_perturbations(scale, expected):
    """captum 0.9.0's `infidelity` in float64, handed the noise that is drawn here; `optimal` is its `normalize`."""
    exact = cv.explain("input-x-gradient", peers_network.model(), peers_network.image(), 2)
    result = cv.measure("infidelity", peers_network.model(), None, exact, samples=10, key=5, ids=[7], scale=scale)
    np.testing.assert_allclose(result.values, [expected], rtol=1e-4)


def test_max_sensitivity_is_the_largest_relative_change(maps):
    result = cv.measure("max-sensitivity", model(), None, maps, samples=3, radius=0.05, key=5, ids=[7, 8, 9])
    key = jax.random.fold_in(jax.random.key(5, impl="threefry2x32"), 9)
    image, before = np.asarray(maps.images)[2], np.asarray(maps.values)[2]
    slow = []
    for i in range(3):
        shake = np.asarray(jax.random.uniform(jax.random.fold_in(key, i), image.shape, minval=-0.05, maxval=0.05))
        after = cv.explain("saliency", model(), image + shake, 2).values[0]
        slow.append(np.linalg.norm(after - before) / np.linalg.norm(before))
    np.testing.assert_allclose(result.curve[2], slow, rtol=1e-3)
    np.testing.assert_allclose(result.values[2], max(slow), rtol=1e-3)


def test_road_imputes_by_the_neighbours():
    net, random = linear(np.ones((5, 4, 1))), np.random.default_rng(3)
    image = random.uniform(size=(1, 5, 4, 1)).astype(np.float32)
    heat = random.uniform(size=(1, 5, 4)).astype(np.float32)
    gone = np.zeros(20, bool)
    gone[np.argsort(-heat[0].ravel())[:6]] = True
    system, known = np.eye(20), image[0].ravel().astype(float).copy()
    for pixel in np.flatnonzero(gone):
        system[pixel], known[pixel] = 0, 0
        for row in range(5):
            for col in range(4):
                away = abs(row - pixel // 4) + abs(col - pixel % 4), max(abs(row - pixel // 4), abs(col - pixel % 4))
                if away[1] == 1:
                    weight = 1 / 6 if away[0] == 1 else 1 / 12
                    system[pixel, pixel] += weight
                    system[pixel, 4 * row + col] -= weight
    expected = np.linalg.solve(system, known).sum()
    result = cv.measure("road", net, image, heat, SUM, shares=(0.3,), order="morf", noise=0.0)
    np.testing.assert_allclose(result.values, [expected], rtol=1e-3)
    assert result.better == "lower"


def test_road_prefers_the_map_that_knows_the_weights():
    weights = np.zeros((8, 8, 1))
    weights[2:4, 2:4] = 1
    image = np.full((1, 8, 8, 1), 0.1, np.float32)
    image[0, 2:4, 2:4] = 1
    right = cv.measure("road", linear(weights), image, weights[None, ..., 0], SUM, shares=(0.1, 0.2), noise=0.0)
    wrong = cv.measure("road", linear(weights), image, 1 - weights[None, ..., 0], SUM, shares=(0.1, 0.2), noise=0.0)
    assert right.mean > 0.3 > wrong.mean
    np.testing.assert_allclose(right.curve, (right.extras["lerf"] - right.extras["morf"]) / 2, atol=1e-6)


def test_pointing_game_by_eye(adder):
    x = np.ones((3, 2, 2, 1), np.float32)
    heat = np.array([[[0, 3], [0, 0]], [[0, 0], [1, 0]], [[1, 1], [1, 1]]], np.float32)
    mask = np.array([[[False, True], [False, False]]] * 3)
    result = cv.measure("pointing-game", adder, x, heat, SUM, mask=mask)
    np.testing.assert_array_equal(result.values, [1, 0, 0])  # a map without a maximum misses
    np.testing.assert_allclose(result.extras["energy_inside"], [1, 0, 0.25])
    near = cv.measure("pointing-game", adder, x, heat, SUM, mask=mask, tolerance=2)
    np.testing.assert_array_equal(near.values, [1, 1, 0])


def test_sparseness_is_the_gini_index(adder):
    heat = np.array([[[1, 1], [1, 1]], [[0, 0], [0, -5]], [[1, 2], [3, 4]], [[0, 0], [0, 0]]], np.float32)
    result = cv.measure("sparseness", adder, np.ones((4, 2, 2, 1), np.float32), heat, SUM)
    np.testing.assert_allclose(result.values, [0, 0.75, 0.25, 0], atol=1e-6)
    tiny = cv.measure("sparseness", adder, np.ones((4, 2, 2, 1), np.float32), heat * 1e-30, SUM)
    np.testing.assert_allclose(tiny.values, result.values, atol=1e-6)


def test_randomised_weights_change_a_gradient_but_not_a_map_that_ignores_them(maps):
    before = compilations()
    result = cv.measure("parameter-randomization", model(), None, maps, key=1)
    assert compilations() - before <= 0  # every network shares the executables of the one that was explained
    assert result.labels == ("head", "conv2", "conv1")
    assert result.mean < 0.6
    np.testing.assert_allclose(result.values, result.curve.mean(1), rtol=1e-6)
    permuted = cv.measure("parameter-randomization", model(), None, maps, key=1, draw="permute")
    assert np.abs(permuted.curve - result.curve).max() > 0


def test_rank_correlation_of_the_randomised_networks_by_hand(maps):
    from scipy.stats import spearmanr

    result = cv.measure("parameter-randomization", model(), None, maps, key=1)
    assert np.all(np.abs(result.curve) <= 1)
    again = cv.measure("parameter-randomization", model(), None, maps, key=1)
    np.testing.assert_array_equal(again.curve, result.curve)
    from cnnviz_plugins.measure.randomization.parameters import correlation, ranks

    one, other = np.round(np.random.default_rng(0).normal(size=(2, 1, 5, 4)), 1)
    slow = spearmanr(one.ravel(), other.ravel()).statistic
    np.testing.assert_allclose(correlation(ranks(one, "keep"), ranks(other, "keep")), [slow], rtol=1e-6)


def test_a_result_carries_what_decided_it(maps):
    result = cv.measure("sparseness", model(), None, maps, reduction="sum_abs")
    assert result.explained_by == "saliency"
    notes = dict(result.provenance.notes)
    assert (notes["explained by"], notes["reduction"]) == ("saliency", "sum_abs")
    assert result.provenance.targets == ("0", "1", "2")
    assert result.mean == pytest.approx(float(np.mean(result.values)))


@pytest.mark.parametrize(
    ("metric", "options", "text"),
    [
        ("pointing-game", {}, "compares with the object's mask; pass mask="),
        ("pointing-game", {"mask": np.ones((3, 2, 2), bool)}, r"mask is true on the object, \(3, 12, 10\)"),
        ("deletion", {"steps": 0}, "steps is at least 1, got 0"),
        ("deletion", {"reduction": "mean"}, "reduction is one of 'max_abs', 'sum', 'sum_abs', got 'mean'"),
        ("road", {"shares": (0.0, 1.0)}, "shares lie between 0 and 1"),
        ("infidelity", {"perturbation": "blur(3)"}, "perturbation is one of gaussian"),
        ("max-sensitivity", {"radius": 0.0}, "radius is positive"),
    ],
)
def test_says_what_is_wrong(maps, metric, options, text):
    with pytest.raises(UsageError, match=text):
        cv.measure(metric, model(), None, maps, **options)


def test_maps_of_ones_own_are_measured_or_refused_in_a_sentence(maps):
    images = maps.images
    assert np.isfinite(cv.measure("deletion", model(), images, np.ones((3, 12, 10)), steps=2).values).all()
    with pytest.raises(UsageError, match=r"the attribution gives maps of shape \(3, 6, 5\); a measure needs"):
        cv.measure("deletion", model(), images, np.ones((3, 6, 5)))
    with pytest.raises(UsageError, match=r"max-sensitivity explains again, which needs what cv\.explain returned"):
        cv.measure("max-sensitivity", model(), images, np.ones((3, 12, 10)))
    with pytest.raises(UsageError, match="these maps bring no images"):
        cv.measure("deletion", model(), None, np.ones((3, 12, 10)))
    channels = cv.explain("feature-maps", model(), images, layer="conv1")
    with pytest.raises(UsageError, match="feature-maps gives values of a layer, not a map of the image"):
        cv.measure("deletion", model(), images, channels)
