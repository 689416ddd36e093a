"""Integrated gradients and its relatives: published numbers, plain loops, and shares that sum to the difference."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

import cnnviz_jax as cv
from cnnviz_jax.engine import compilations
from cnnviz_jax.errors import UsageError
from cnnviz_plugins.explain.gradient.path import rule_of
from cnnviz_plugins.explain.gradient.plugin import IntegratedGradientsConfig
from tests.explain.small_network import model, some_images


def papers_function(params, x):
    a, b = x[:, 0, 0, 0], x[:, 0, 1, 0]
    return jax.nn.relu(jax.nn.relu(a) - 1 - jax.nn.relu(b))[:, None]


def smooth(params, x):
    a, b, c = (x[:, 0, k, 0] for k in range(3))
    return (5 * a + b**2 + jnp.sin(c))[:, None]


def vector(*numbers):
    return np.asarray(numbers, np.float32).reshape(1, len(numbers), 1)


def cubic(params, x):
    """A function whose gradient, 3 w x^2, is written down at once."""
    return (params * x**3).sum((1, 2, 3))[:, None]


WEIGHTS = np.random.default_rng(2).normal(size=(5, 4, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def cube():
    return cv.adapt(cubic, jnp.asarray(WEIGHTS), input_shape=(5, 4, 2))


@pytest.fixture(scope="module")
def papers_example():
    return cv.adapt(papers_function, {}, input_shape=(1, 2, 1))


@pytest.mark.parametrize(
    ("quadrature", "expected"),
    [
        ("gausslegendre", (1.5, -0.5)),
        ("riemann_right", (1.5, -0.5)),
        ("riemann_middle", (1.5, -0.5)),
        ("riemann_left", (1.44, -0.48)),
        # 25 of 49 equal steps lie above the kink at one half, and its step is cut in the middle: 24.5 / 49.
        ("trapezoid", (1.5, -0.5)),
    ],
)
def test_the_papers_example(papers_example, quadrature, expected):
    result = cv.explain("integrated-gradients", papers_example, vector(3, 1), 0, quadrature=quadrature)
    np.testing.assert_allclose(result.values.ravel(), expected, rtol=1e-5)
    np.testing.assert_allclose(result.extras["completeness_gap"], sum(expected) - 1, atol=1e-5)


def test_a_smooth_function_from_a_baseline_of_its_own():
    # Captum's case: f = 5x + y^2 + sin z from (.5, 1, 1) to (1, 2, 3).
    net = cv.adapt(smooth, {}, input_shape=(1, 3, 1))
    moved = cv.adapt(lambda p, x: smooth(p, x + vector(0.5, 1, 1)[None]), {}, input_shape=(1, 3, 1))
    result = cv.explain("integrated-gradients", moved, vector(0.5, 1, 2), 0)
    np.testing.assert_allclose(result.values.ravel(), [2.5, 3, np.sin(3) - np.sin(1)], rtol=1e-5)
    assert float(net(vector(1, 2, 3))[0, 0]) == pytest.approx(9 + np.sin(3))


@pytest.mark.parametrize(
    ("options", "at", "weights"),
    [
        ({"nodes": 4, "quadrature": "riemann_left"}, [0, 0.25, 0.5, 0.75], [0.25] * 4),
        ({"nodes": 4, "quadrature": "riemann_right"}, [0.25, 0.5, 0.75, 1], [0.25] * 4),
        ({"nodes": 2, "quadrature": "riemann_middle"}, [0.25, 0.75], [0.5] * 2),
        ({"nodes": 3, "quadrature": "trapezoid"}, [0, 0.5, 1], [0.25, 0.5, 0.25]),
        ({"nodes": 3, "quadrature": "trapezoid", "convention": "captum"}, [0, 0.5, 1], [1 / 6, 1 / 3, 1 / 6]),
        ({"convention": "pair"}, np.linspace(0, 1, 25), [1 / 25] * 25),
        ({"convention": "tf-explain"}, np.linspace(0, 1, 10), [0.1] * 10),
        ({"convention": "xplique"}, np.linspace(0, 1, 50), [1 / 98] + [1 / 49] * 48 + [1 / 98]),
    ],
)
def test_every_rule_has_the_nodes_and_weights_of_its_owner(options, at, weights):
    config = IntegratedGradientsConfig(**options)
    nodes, found = rule_of(*config.rule, config.convention)
    np.testing.assert_allclose(nodes, at, atol=1e-6)
    np.testing.assert_allclose(found, weights, rtol=1e-6)


@pytest.mark.parametrize("options", [{"convention": "tf-explain"}, {"nodes": 7}])
def test_a_rule_is_a_weighted_sum_of_gradients(cube, options):
    image = some_images(1, 5, 4, 2)[0]
    config = IntegratedGradientsConfig(**options)
    at, weights = rule_of(*config.rule, config.convention)
    slow = sum(w * 3 * WEIGHTS * (t * image) ** 2 for t, w in zip(at, weights, strict=True)) * image
    result = cv.explain("integrated-gradients", cube, image, 0, **options)
    np.testing.assert_allclose(result.values[0], slow, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("baseline", ["value(0.5)", (0.1, 0.9), "mean", "blur(2)"])
def test_shares_sum_to_the_difference_of_scores_from_every_baseline(cube, baseline):
    result = cv.explain("integrated-gradients", cube, some_images(2, 5, 4, 2), 0, baseline=baseline)
    difference = result.scores - result.extras["baseline_score"]
    np.testing.assert_allclose(result.values.sum((1, 2, 3)), difference, rtol=1e-4, atol=1e-5)
    assert dict(result.provenance.notes)["baseline"] == str(baseline)


def test_too_few_nodes_are_told_in_the_result(papers_example):
    result = cv.explain("integrated-gradients", papers_example, vector(3, 1), 0, quadrature="riemann_left", nodes=2)
    assert any("miss the difference of scores" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("technique", "options"),
    [("integrated-gradients", {"nodes": 9}), ("gradient-shap", {"samples": 9})],
)
def test_results_do_not_depend_on_the_chunk_and_compile_once(technique, options):
    images = some_images(3)
    whole = cv.explain(technique, model(), images, 1, key=4, chunk=27, **options)
    one = cv.explain(technique, model(), images, 1, key=4, chunk=7, **options)
    np.testing.assert_allclose(one.values, whole.values, atol=1e-6)
    before = compilations()
    cv.explain(technique, model(), some_images(3, seed=9), [0, 1, 2], key=5, chunk=7, **options)
    assert compilations() == before


def test_gradient_shap_is_a_plain_loop_over_random_points(cube):
    image = some_images(1, 5, 4, 2)
    key = jax.random.fold_in(jax.random.key(5, impl="threefry2x32"), 7)
    slow = np.zeros(image.shape[1:])
    for i in range(4):
        pick, place, _, fill = jax.random.split(jax.random.fold_in(key, i), 4)
        fills = (np.zeros_like(image[0]), np.asarray(jax.random.uniform(fill, image.shape[1:])))
        start = fills[int(jax.random.randint(pick, (), 0, 2))]
        point = start + float(jax.random.uniform(place)) * (image[0] - start)
        slow += (image[0] - start) * 3 * WEIGHTS * point**2 / 4
    result = cv.explain("gradient-shap", cube, image, 0, samples=4, baselines=("zero", "noise"), key=5, ids=[7])
    np.testing.assert_allclose(result.values[0], slow, rtol=1e-4, atol=1e-5)


def test_gradient_shap_scores_each_baseline_once_and_counts_it_as_often_as_it_was_drawn(cube):
    image = some_images(1, 5, 4, 2)
    options = {"samples": 40, "key": 5, "ids": [7]}
    picks = [int(jax.random.randint(jax.random.split(key, 4)[0], (), 0, 2)) for key in point_keys(40)]
    known = cv.explain("gradient-shap", cube, image, 0, baselines=("zero", "value(1)"), **options)
    scores = np.asarray([cube(np.full_like(image, value))[0, 0] for value in (0, 1)])
    np.testing.assert_allclose(known.extras["baseline_score"], scores[picks].mean(), rtol=1e-5)
    given = np.random.default_rng(0).uniform(size=(60, *image.shape[1:])).astype(np.float32)
    many = cv.explain("gradient-shap", cube, image, 0, baselines=given, **options)
    chosen = [int(jax.random.randint(jax.random.split(key, 4)[0], (), 0, 60)) for key in point_keys(40)]
    np.testing.assert_allclose(many.extras["baseline_score"], cube(given[chosen])[:, 0].mean(), rtol=1e-5)
    assert known.standard_error.shape == known.values.shape


def point_keys(count):
    key = jax.random.fold_in(jax.random.key(5, impl="threefry2x32"), 7)
    return [jax.random.fold_in(key, number) for number in range(count)]


def test_gradient_shap_comes_close_to_complete(cube):
    result = cv.explain("gradient-shap", cube, some_images(1, 5, 4, 2), 0, samples=4000, baselines=("zero",), chunk=500)
    # The mean of 4000 points is some 0.04 off.
    assert abs(float(result.extras["completeness_gap"][0])) < 0.15


def guided_loop(image, start, gradient_of, steps, fraction, most):
    """Guided IG as its paper's algorithm, one value after another."""
    x, whole = start.copy(), image - start
    total, shares = np.abs(whole).sum(), np.zeros_like(image)
    for step in range(steps):
        gradient = gradient_of(x)
        done = (step + 1) / steps
        low, high = max(done - most, 0), min(done + most, 1)
        behind, ahead = start + whole * low, start + whole * high
        wanted, before = total * (1 - done), x.copy()
        for _ in range(50):
            lags = np.where(whole != 0, (x - start) / np.where(whole != 0, whole, 1), high) < low
            x = np.where(lags, behind, x)
            left = np.abs(image - x).sum()
            if abs(left - wanted) < 1e-9 * max(total, 1):
                break
            steep = np.where(x == ahead, np.inf, np.abs(gradient))
            threshold = np.sort(steep.ravel())[int(fraction * (steep.size - 1))]
            chosen = (steep <= threshold) & np.isfinite(steep)
            room = np.abs(ahead - x)[chosen].sum()
            if room == 0:
                break
            gamma = (left - wanted) / room
            x = np.where(chosen, ahead if gamma > 1 else x + gamma * (ahead - x), x)
            if gamma <= 1:
                break
        shares += (x - before) * gradient
    return shares


def test_guided_ig_is_its_papers_loop(cube):
    image = some_images(1, 5, 4, 2)[0]
    slow = guided_loop(image.astype(float), 0 * image.astype(float), lambda x: 3 * WEIGHTS * x**2, 12, 0.25, 0.2)
    result = cv.explain("guided-ig", cube, image, 0, steps=12, max_distance=0.2)
    np.testing.assert_allclose(result.values[0], slow, rtol=2e-3, atol=2e-4)


def test_guided_ig_that_may_not_stray_is_integrated_gradients(cube):
    image = some_images(1, 5, 4, 2)[0]
    straight = cv.explain("integrated-gradients", cube, image, 0, quadrature="riemann_left", nodes=20).values
    guided = cv.explain("guided-ig", cube, image, 0, steps=20, max_distance=0.0).values
    np.testing.assert_allclose(guided, straight, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("spacing", ["linear", "sqrt"])
def test_blur_ig_as_pair_computes_it(cube, spacing):
    image = some_images(1, 5, 4, 2)[0]

    def blur(sigma):
        return image if sigma == 0 else ndimage.gaussian_filter(image.astype(float), (sigma, sigma, 0), mode="constant")

    sigmas = np.arange(7) * 3 / 6
    sigmas = np.sqrt(sigmas) if spacing == "sqrt" else sigmas
    slow = np.zeros_like(image, dtype=float)
    for here, there in itertools.pairwise(sigmas):
        change = (blur(here + 0.01) - blur(here)) / 0.01
        slow -= (there - here) * change * 3 * WEIGHTS * blur(here) ** 2
    result = cv.explain("blur-ig", cube, image, 0, max_sigma=3.0, steps=6, spacing=spacing, convention="pair")
    np.testing.assert_allclose(result.values[0], slow, atol=2e-3)


def test_blur_ig_sums_to_what_the_blur_takes_away(cube):
    result = cv.explain("blur-ig", cube, some_images(2, 5, 4, 2), 0, max_sigma=4.0, steps=300, chunk=100)
    np.testing.assert_allclose(result.extras["completeness_gap"], 0, atol=2e-3)


@pytest.mark.parametrize(
    ("technique", "options", "text"),
    [
        ("integrated-gradients", {"baseline": "black"}, "baseline is one of zero, value"),
        ("integrated-gradients", {"baseline": "noise"}, "baseline is one of zero"),
        ("integrated-gradients", {"nodes": 1, "quadrature": "trapezoid"}, "nodes is at least 2 for trapezoid, got 1"),
        ("integrated-gradients", {"convention": "keras"}, "convention is one of 'paper', 'captum'"),
        ("integrated-gradients", {"baseline": (0.1, 0.2, 0.3)}, "a fill has 1 or 2 numbers"),
        ("gradient-shap", {"baselines": ()}, "baselines names at least one fill"),
        ("gradient-shap", {"samples": 0}, "samples is at least 1, got 0"),
        ("guided-ig", {"fraction": 0.0}, "fraction is from 0.01 to 1"),
        ("guided-ig", {"max_distance": 2.0}, "max_distance is from 0 to 1"),
        ("blur-ig", {"max_sigma": 0.0}, "max_sigma is positive"),
    ],
)
def test_says_what_is_wrong_with_an_option(cube, technique, options, text):
    with pytest.raises(UsageError, match=text):
        cv.explain(technique, cube, some_images(1, 5, 4, 2), 0, **options)
