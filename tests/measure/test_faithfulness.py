"""Measures that change the image: the peers' numbers on a known network, plain loops, and what a true map scores."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import cnnviz_jax as cv
from cnnviz_jax.errors import UsageError
from cnnviz_plugins.measure.faithfulness.sufficiency import sufficiencies
from cnnviz_plugins.measure.statistics import pearson, spearman
from tests.explain.known_networks import FOUR, net_c, wave
from tests.explain.small_network import model, some_images
from tests.measure.linear import SUM, linear

ELEMENTS = {"unit": "element", "score": "target"}
FLIPPED = [
    0.0387352, -0.7919296, -0.6442301, -0.7163464, -0.7606737, -0.4296168, -0.4477092, -0.0089972, 0.6417929, 0.198198,
    0.4513416, 0.5,
]  # fmt: skip
MORF, LERF = [0.454259, 0.4972335, 0.5271135, 0.1537142], [-0.7940459, -0.1700451, -0.4714391, 0.1537142]


@pytest.fixture(scope="module")
def contributions():
    """Gradient x input of the known network, whose numbers Quantus 0.6.0 gave."""
    return cv.explain("input-x-gradient", net_c(), wave(0)[None], 0)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-6)


def measured(metric, maps, **options):
    return cv.measure(metric, net_c(), None, maps, **options)


@pytest.mark.parametrize(
    ("metric", "options", "expected"),
    [
        ("faithfulness-estimate", {"step": 1}, 0.4536896),
        ("faithfulness-estimate", {"step": 6}, 0.4386245),
        ("pixel-flipping", {"step": 6, "convention": "quantus"}, -2.2388029),
        ("monotonicity-correlation", {"step": 6, "fill": "zero"}, 0.7832168),
        ("non-sensitivity", {}, 1.0),
    ],
)
def test_quantus_numbers_of_a_known_network(contributions, metric, options, expected):
    close(measured(metric, contributions, **ELEMENTS, **options).values, [expected])


def test_quantus_curves_of_a_known_network(contributions):
    theirs = measured("pixel-flipping", contributions, step=6, convention="quantus", **ELEMENTS)
    close(theirs.curve[0], FLIPPED)
    ours = measured("pixel-flipping", contributions, step=6, **ELEMENTS)
    close(ours.curve[0], [0.6537142, *FLIPPED])
    close(ours.values, [np.trapezoid([0.6537142, *FLIPPED]) / 12])
    assert ours.at == tuple(k / 12 for k in range(13))
    # From the empty image on, the weakest first: not monotone, where Quantus says it is.
    revealed = measured("monotonicity", contributions, step=6, **ELEMENTS)
    close(revealed.curve[0], [*FLIPPED[::-1], 0.6537142])
    assert revealed.values[0] == 0
    assert revealed.extras["rising"][0] == 0.5


@pytest.mark.parametrize(("order", "falls", "better"), [("morf", MORF, "higher"), ("lerf", LERF, "lower")])
def test_regions_fall_as_in_quantus(contributions, order, falls, better):
    result = measured("region-perturbation", contributions, patch_px=3, score="target", order=order)
    close(result.curve[0], [0, *falls])
    close(result.values, [sum(falls) / 5])
    assert result.better == better


def test_selectivity_is_the_score_that_is_left(contributions):
    left = 0.6537142 - np.asarray(MORF)
    ours = measured("selectivity", contributions, patch_px=3, score="target")
    close(ours.curve[0], [0.6537142, *left])
    close(ours.values, [np.trapezoid([0.6537142, *left]) / 4])
    theirs = measured("selectivity", contributions, patch_px=3, score="target", convention="quantus")
    close(theirs.values, [np.trapezoid(left)])


def test_sensitivity_n_over_four_images():
    maps = cv.explain("input-x-gradient", net_c(), FOUR)
    assert maps.provenance.targets == ("1", "0", "1", "1")
    theirs = measured("sensitivity-n", maps, step=6, convention="quantus", **ELEMENTS)
    close(theirs.curve[2], [0.7702425, -0.2736793, -0.7241695, -0.7757622])
    ours = measured("sensitivity-n", maps, step=6, **ELEMENTS)
    expected = [
        0.7702425, 0.1166547, -0.1389442, -0.701889, -0.5907321, -0.6546254, -0.4991887, -0.6795412, -0.711045,
    ]  # fmt: skip
    close(ours.curve[0], expected)
    close(ours.values, np.full(4, np.mean(expected)))
    few = cv.measure("sensitivity-n", net_c(), FOUR[:2], maps.values[:2], [1, 0], step=6)
    assert np.isnan(few.values).all()
    assert "it takes three images and more" in few.warnings[-1]


def test_mu_fidelity_of_all_masks_of_four_inputs():
    # Gradient x input of a perceptron of four inputs, and what its score does under all 16 masks; SciPy's number.
    weights = np.array([[1, -2, 1, 0], [0, 1, -1, 2], [2, 0, 1, -1]]), np.array([0, -1, 0.5])
    x, sums, falls = np.array([1, 2, -1, 3.0]), [], []

    def f(x):
        return np.maximum(weights[0] @ x + weights[1], 0) @ [1, -1, 2] + 0.5

    for mask in itertools.product([0, 1], repeat=4):
        sums.append((np.array([0, -2, -1, -6.0]) * (1 - np.array(mask))).sum())
        falls.append(f(x) - f(x * mask))
    close(spearman(jnp.float32(sums), jnp.float32(falls)), 0.9383839)


def test_correlations_are_scipys():
    one, other = jnp.asarray(np.round(np.random.default_rng(0).normal(size=(2, 50)), 1), jnp.float32)
    np.testing.assert_allclose(pearson(one, other), stats.pearsonr(one, other)[0], rtol=1e-5)
    np.testing.assert_allclose(spearman(one, other), stats.spearmanr(one, other)[0], rtol=1e-5)
    np.testing.assert_allclose(pearson(one * 1e-25, other), pearson(one, other), rtol=1e-4)
    assert np.isnan(pearson(jnp.ones(5), jnp.arange(5.0)))


WEIGHTS = np.random.default_rng(2).normal(size=(6, 5, 2)).astype(np.float32)


@pytest.mark.parametrize("unit", ["pixel", "element"])
@pytest.mark.parametrize("metric", ["faithfulness-correlation", "faithfulness-estimate"])
def test_the_contributions_of_a_linear_model_forecast_every_removal(metric, unit):
    images = some_images(2, 6, 5, 2)
    exact = cv.explain("input-x-gradient", linear(WEIGHTS), images, 0)
    np.testing.assert_allclose(cv.measure(metric, linear(WEIGHTS), None, exact, unit=unit).values, 1, rtol=1e-5)
    wrong = cv.measure(metric, linear(WEIGHTS), images, -exact.values, 0, unit=unit)
    np.testing.assert_allclose(wrong.values, -1, rtol=1e-5)


def test_a_complete_map_has_no_gap_and_moves_as_blocks_do():
    images, net = some_images(3, 6, 5, 2), linear(WEIGHTS)
    exact = cv.explain("input-x-gradient", net, images, 0)
    np.testing.assert_allclose(cv.measure("completeness", net, None, exact).values, 0, atol=1e-4)
    half = cv.measure("completeness", net, images, exact.values / 2, 0)
    np.testing.assert_allclose(half.values, 0.5, rtol=1e-4)
    np.testing.assert_allclose(half.extras["gap"], -half.extras["difference"] / 2, rtol=1e-4)
    np.testing.assert_allclose(cv.measure("mu-fidelity", net, None, exact, grid=3).values, 1, rtol=1e-5)
    assert cv.measure("sensitivity-n", net, None, exact, score="target").mean > 0.999
    np.testing.assert_array_equal(cv.measure("non-sensitivity", net, None, exact, score="target").values, 0)
    nothing = cv.measure("completeness", net, np.zeros_like(images), exact.values, 0)
    assert np.isnan(nothing.values).all()
    assert "completeness is undefined for image 0, 1, 2: its score is that of nothing" in nothing.warnings


def test_positive_weights_revealed_from_the_weakest_never_lower_the_score():
    images, net = some_images(1, 6, 5, 2), linear(np.abs(WEIGHTS))
    exact = cv.explain("input-x-gradient", net, images, 0)
    assert cv.measure("monotonicity", net, None, exact, score="target").values[0] == 1
    steps = cv.measure("pixel-flipping", net, None, exact, step=7, score="target")
    assert np.all(np.diff(steps.curve[0]) < 0)
    assert steps.at[-2:] == (28 / 30, 1.0)  # the last step is of what is left


def test_irof_is_the_share_that_is_lost():
    weights = np.zeros((4, 4, 1), np.float32)
    weights[:2, :2], weights[2:, 2:] = 3, 1  # two of four segments count, one thrice as much
    images = np.ones((1, 4, 4, 1), np.float32)
    perfect = cv.measure("irof", linear(weights), images, weights[None, ..., 0], SUM, segments="grid(2)", fill="zero")
    np.testing.assert_allclose(perfect.curve[0], [0, 0.75, 1, 1, 1], atol=1e-6)
    np.testing.assert_allclose(perfect.values, [(0.375 + 0.875 + 1 + 1) / 4], rtol=1e-6)
    theirs = cv.measure("irof", linear(weights), images, weights[None, ..., 0], SUM, segments="grid(2)", fill="zero",
                        convention="quantus")  # fmt: skip
    np.testing.assert_allclose(theirs.values, [4 - np.trapezoid([0.25, 0, 0, 0])], rtol=1e-6)
    zero = cv.measure("irof", linear(weights), images * 0, weights[None, ..., 0], SUM, segments="grid(2)")
    assert np.isnan(zero.values).all()


def test_superpixels_go_one_after_the_other():
    pytest.importorskip("skimage")
    image = np.zeros((1, 12, 10, 3), np.float32)
    image[:, :, 5:] = 1
    result = cv.measure(
        "irof", linear(np.ones((12, 10, 3))), image, image.mean(-1), SUM, segments="slic(4)", fill="zero"
    )
    count = int(result.extras["segments"][0])
    assert 2 <= count <= 8
    np.testing.assert_allclose(result.curve[0, count:], 1, rtol=1e-5)
    assert 0.5 < result.values[0] <= 1


def test_uniform_fills_are_a_plain_loop():
    import jax

    images = some_images(1, 4, 3, 1)
    net = linear(np.random.default_rng(3).normal(size=(4, 3, 1)))
    heat = np.random.default_rng(4).normal(size=(1, 4, 3)).astype(np.float32)
    result = cv.measure("monotonicity-correlation", net, images, heat, SUM, step=5, samples=2, key=5, ids=[7])
    key = jax.random.fold_in(jax.random.key(5, impl="threefry2x32"), 7)
    order = np.argsort(-np.abs(heat).ravel(), kind="stable")
    low, high, changes, sums = images.min(), images.max(), [], []
    for group in range(3):
        these = order[5 * group : 5 * group + 5]
        squares = []
        for draw in range(2):
            drawn = low + (high - low) * float(jax.random.uniform(jax.random.fold_in(key, 1 + 2 * group + draw), ()))
            changed = images[0].ravel().copy()
            changed[these] = drawn
            squares.append(float(net(changed.reshape(images.shape))[0, 0] - net(images)[0, 0]) ** 2)
        changes.append(np.mean(squares))
        sums.append(np.abs(heat).ravel()[these].sum())
    np.testing.assert_allclose(result.values, stats.spearmanr(sums, changes)[0], rtol=1e-5)


def test_near_maps_predicted_alike_are_sufficient():
    heat = np.array([[1.0, 0.1], [1.0, 0.15], [0.1, 1.0], [0.2, 1.0], [0.5, 0.5]])
    found = sufficiencies(heat, np.array([0, 0, 1, 2, 2]), 0.3)
    np.testing.assert_array_equal(found, [1, 1, 0, 0, np.nan])
    scaled = heat / heat.max(1, keepdims=True)
    from scipy.spatial.distance import cdist

    far = cdist(scaled, scaled, "seuclidean", V=scaled.var(0, ddof=1))
    near = (far <= 0.3 * far.max()) & ~np.eye(5, dtype=bool)
    assert near.sum(1).tolist() == [1, 1, 1, 1, 0]
    maps = cv.explain("saliency", model(), some_images(3))
    assert np.isnan(cv.measure("sufficiency", model(), None, maps, threshold=1e-6).values).all()


def test_average_gain_by_hand():
    net = linear([[[2.0], [-1.0]]])
    x = np.array([[[[0.5], [0.5]]]], np.float32)  # 0.5; kept 1 and 0: 1; of the 0.5 that lack all is gained
    gain = cv.measure("average-gain", net, x, np.array([[[4.0, 0.0]]]), SUM)
    np.testing.assert_allclose(gain.values, [1], rtol=1e-6)
    np.testing.assert_allclose(cv.measure("average-gain", net, x, np.array([[[0.0, 4.0]]]), SUM).values, [0])


def test_neither_chunk_nor_place_among_others_changes_a_number():
    maps = cv.explain("saliency", model(), some_images(3), [0, 1, 2])
    for metric in ("faithfulness-correlation", "region-perturbation"):
        options = {"samples": 9} if metric == "faithfulness-correlation" else {"order": "random", "patch_px": 3}
        whole = cv.measure(metric, model(), None, maps, **options)
        alone = cv.measure(metric, model(), None, maps[1], chunk=4, **options)
        np.testing.assert_allclose(alone.values[0], whole.values[1], rtol=1e-4)


@pytest.mark.parametrize(
    ("metric", "options", "text"),
    [
        ("faithfulness-correlation", {"subset": 120}, "subset is less than the number of pixels, 120 here; got 120"),
        ("faithfulness-correlation", {"samples": 2}, "samples is at least 3, got 2"),
        ("pixel-flipping", {"step": 0}, "step is at least 1, got 0"),
        ("sensitivity-n", {"largest": 0.0}, "largest is a share above 0 and at most 1, got 0"),
        ("irof", {"segments": "grid(1)"}, r"segments takes a number of at least 2, got 'grid\(1\)'"),
        ("irof", {"segments": "blobs(4)"}, r"segments is one of grid\(.*\), slic"),
        ("mu-fidelity", {"share": 1.0}, "share lies between 0 and 1, got 1"),
        ("monotonicity-correlation", {"fill": "noise"}, "fill is one of .*uniform"),
        ("non-sensitivity", {"eps": 0.0}, "eps is positive, got 0"),
        ("sufficiency", {"threshold": 2.0}, "threshold is a share above 0 and at most 1, got 2"),
    ],
)
def test_says_what_is_wrong(metric, options, text):
    maps = np.ones((1, 12, 10), np.float32)
    with pytest.raises(UsageError, match=text):
        cv.measure(metric, model(), some_images(1), maps, 0, **options)
