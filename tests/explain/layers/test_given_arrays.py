"""Baselines and fills that are arrays: one image, one per image, a distribution; peers' numbers and refusals."""

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.compiling import compilations
from cnnviz_jax.errors import CnnvizError, UsageError
from cnnviz_jax.sweep.errors import SweepUsageError
from cnnviz_jax.sweep.spec import Explanation
from cnnviz_jax.sweep.work import _planned
from tests.explain.known_networks import BASELINE, FOUR, M_IMAGE, channels_first, m_function, net_c, net_m, wave
from tests.explain.small_network import model, some_images

# Captum 0.9.0 on net C at conv2, the baseline 0.25 cos(k)^2.
INTEGRATED = [[[0.1288606, -0.2364211], [0.3383991, -0.0934695]], [[-0.3886204, 0], [-0.1949596, 0]]]
DEEPLIFT = [[[0.1288606, -0.2336756], [0.3448734, -0.0934695]], [[-0.3805471, 0], [-0.1959584, 0]]]

ZEROS = np.zeros((12, 10, 3), np.float32)


@pytest.mark.parametrize(("technique", "expected"), [("integrated-gradients", INTEGRATED), ("deeplift", DEEPLIFT)])
@pytest.mark.parametrize("kind", ["nhwc", "nchw"])
def test_an_array_is_a_baseline_like_any_other(technique, expected, kind):
    result = cv.explain(technique, net_c(kind), wave(0), 0, at="conv2", baseline=BASELINE)
    np.testing.assert_allclose(channels_first(result.values), expected, atol=3e-6)


@pytest.mark.parametrize("technique", ["integrated-gradients", "deeplift", "guided-ig", "conductance"])
def test_an_array_of_one_number_is_that_number(technique):
    options = {"conductance": {"nodes": 5, "at": "conv1"}, "guided-ig": {"steps": 5}}.get(technique, {})
    images, grey = some_images(2), np.full((12, 10, 3), 0.3, np.float32)
    plain = cv.explain(technique, model(), images, 1, baseline=0.3, **options).values
    np.testing.assert_allclose(
        cv.explain(technique, model(), images, 1, baseline=grey, **options).values, plain, atol=1e-6
    )


@pytest.mark.parametrize(
    ("technique", "options"),
    [
        ("occlusion", {"window": 4, "stride": 4}),
        ("occlusion", {"window": 4, "stride": 4, "engine": "incremental"}),
        ("rise", {"masks": 6, "grid": 3}),
        ("feature-ablation", {"segments": "grid(2)"}),
        ("lime", {"segments": "grid(2)", "samples": 8}),
        ("extremal-perturbation", {"steps": 3}),
    ],
)
def test_an_array_fills_what_is_occluded(technique, options):
    images, grey = some_images(2), np.full((12, 10, 3), 0.3, np.float32)
    plain = cv.explain(technique, model(), images, 1, fill=0.3, **options).values
    given = cv.explain(technique, model(), images, 1, fill=np.stack([grey, grey]), **options).values
    np.testing.assert_allclose(given, plain, atol=1e-5)


def test_each_image_has_the_baseline_of_its_own_place():
    several = np.stack([wave(shift) * 0.5 for shift in (1, 2, 3, 4)])
    options = {"at": "pool", "nodes": 8}
    together = cv.explain("integrated-gradients", net_c(), FOUR, 1, baseline=several, chunk=8, **options)
    for k in range(4):
        alone = cv.explain("integrated-gradients", net_c(), FOUR[k], 1, baseline=several[k], **options)
        np.testing.assert_allclose(together.values[k], alone.values[0], atol=1e-6)


def test_a_distribution_is_drawn_from():
    net, images = model(), some_images(2)
    words = cv.explain("gradient-shap", net, images, 1, baselines=("zero", "value(1)"), samples=6, key=3)
    both = np.stack([np.zeros((12, 10, 3)), np.ones((12, 10, 3))]).astype(np.float32)
    given = cv.explain("gradient-shap", net, images, 1, baselines=both, samples=6, key=3)
    np.testing.assert_allclose(given.values, words.values, atol=1e-6)
    one = cv.explain("gradient-shap", net, images, 1, baselines=both[0], samples=6, key=3)
    np.testing.assert_allclose(
        one.values, cv.explain("gradient-shap", net, images, 1, baselines="zero", samples=6, key=3).values, atol=1e-6
    )


def test_other_numbers_of_one_shape_compile_nothing():
    net, images = model(), some_images(1)
    cv.explain("deeplift", net, images, 1, baseline=some_images(1, seed=5)[0])
    before = compilations()
    cv.explain("deeplift", net, images, 1, baseline=some_images(1, seed=6)[0])
    assert compilations() == before


def test_a_result_keeps_shape_digest_and_numbers(tmp_path):
    net, images, baseline = model(), some_images(2), some_images(1, seed=5)[0]
    result = cv.explain("integrated-gradients", net, images, 1, baseline=baseline, nodes=3)
    words = result.provenance.config.baseline
    assert words.startswith("array(12 x 10 x 3, sha256 ")
    assert result.provenance.as_dict()["config"]["baseline"] == words
    other = cv.explain("integrated-gradients", net, images, 1, baseline=baseline + 0.1, nodes=3).provenance.config
    assert other.baseline != words
    loaded = cv.load(cv.save(result, tmp_path / "kept.npz"))
    assert loaded.provenance == result.provenance
    again = cv.rerun(loaded.provenance, net, images)
    np.testing.assert_array_equal(again.values, result.values)
    with pytest.raises(UsageError, match="of which this is the text alone; give the array"):
        cv.explain("integrated-gradients", net, images, 1, baseline=str(words))


@pytest.mark.parametrize(
    ("technique", "options", "text"),
    [
        (
            "deeplift",
            {"baseline": np.zeros((12, 10), np.float32)},
            r"as an array baseline is \(12, 10, 3\), or one per",
        ),
        ("deeplift", {"baseline": np.zeros((3, 12, 10, 3), np.float32)}, r"\(2, 12, 10, 3\); got \(3, 12, 10, 3\)"),
        ("deeplift", {"baseline": np.zeros((12, 10, 3), np.uint8)}, "baseline is an array of uint8"),
        ("deeplift", {"baseline": np.full((12, 10, 3), np.nan)}, "values that are not finite"),
        ("occlusion", {"fill": np.zeros((224, 224, 3))}, r"got \(224, 224, 3\)"),
        ("occlusion", {"window": np.zeros((224, 224, 3))}, r"got an array of shape \(224, 224, 3\)"),
        ("gradient-shap", {"baselines": np.zeros((4, 12, 10))}, r"or several, \(k, 12, 10, 3\); got \(4, 12, 10\)"),
        ("occlusion", {"window": list(range(4000))}, "got .0, 1, 2"),
    ],
)
def test_a_wrong_array_is_one_short_sentence(technique, options, text):
    with pytest.raises(CnnvizError, match=text) as found:
        cv.explain(technique, model(), some_images(2), 1, **options)
    assert len(str(found.value)) < 250


def test_measures_take_no_array():
    images = some_images(1)
    with pytest.raises(UsageError, match="fill is a number, one per channel or a word here, no array"):
        cv.measure("deletion", model(), images, np.ones((1, 12, 10)), 1, fill=np.zeros((12, 10, 3)))


def test_a_sweep_takes_no_array():
    asked = Explanation(name="shares", technique="deeplift", options=(("baseline", ZEROS),))
    with pytest.raises(SweepUsageError, match="deeplift: baseline is an array, which a sweep cannot keep; use words"):
        _planned(asked, model())


def test_vectors_have_baselines_of_their_own_axes():
    # Net M by hand: DeepLIFT at its first layer from black and from white.
    image, net = M_IMAGE.reshape(1, 4), vector_net_m()
    for baseline in (np.ones(4, np.float32), np.ones((1, 4), np.float32), (1.0, 1.0, 1.0, 1.0)):
        found = cv.explain("deeplift", net, image, 0, at="first", baseline=baseline)
        np.testing.assert_allclose(found.values, [[0, -7, -5]], atol=1e-5)
    both = np.stack([np.zeros(4), np.ones(4)]).astype(np.float32)
    mean = cv.explain("deeplift-shap", net, image, 0, at="first", baselines=both)
    np.testing.assert_allclose(mean.values, [[0, -7.5, -3]], atol=1e-5)
    at_inputs = cv.explain("deeplift-shap", net, image, 0, baselines=both)
    assert at_inputs.values.shape == (1, 4)
    np.testing.assert_allclose(at_inputs.extras["completeness_gap"], 0, atol=1e-5)
    with pytest.raises(UsageError, match=r"baseline is \(4,\), or one per image, \(1, 4\); got \(2, 4\)"):
        cv.explain("deeplift", net, image, 0, baseline=both)


def vector_net_m():
    plain = net_m()
    return cv.adapt(m_function, plain.params, input_shape=(4,))


def test_nested_lists_of_numbers_are_an_array():
    options = {"at": "conv2", "nodes": 3}
    array = cv.explain("integrated-gradients", net_c(), wave(0), 0, baseline=BASELINE, **options)
    lists = cv.explain("integrated-gradients", net_c(), wave(0), 0, baseline=BASELINE.tolist(), **options)
    np.testing.assert_array_equal(lists.values, array.values)
    with pytest.raises(CnnvizError, match="baseline is float or int or tuple"):
        cv.explain("deeplift", net_c(), wave(0), 0, baseline=[[0.5, 0.1], [0.2]])
