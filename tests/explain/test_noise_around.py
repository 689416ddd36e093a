"""`noise=` around any technique: SmoothGrad's relatives of saliency, closed forms, layers, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import UsageError
from tests.explain.small_network import model, some_images


def noisy(technique, images, **options):
    options = {"noise": "relative(0.2)", "noise_samples": 5, "key": 3} | options
    return cv.explain(technique, model(), images, [0, 2][: len(images)], **options)


@pytest.mark.parametrize(
    ("kind", "twin"), [("mean", "smoothgrad"), ("square", "smoothgrad-squared"), ("variance", "vargrad")]
)
def test_around_saliency_it_is_smoothgrad_and_kin(kind, twin):
    images = some_images(2)
    found = noisy("saliency", images, noise_kind=kind)
    known = cv.explain(twin, model(), images, [0, 2], noise="relative(0.2)", samples=5, key=3)
    np.testing.assert_allclose(found.values, known.values, atol=1e-6)
    notes = dict(found.provenance.notes)
    assert (notes["noise"], notes["noise_samples"], notes["noise_kind"]) == ("relative(0.2)", 5, kind)
    if kind != "variance":
        np.testing.assert_allclose(found.standard_error, known.standard_error, rtol=1e-3, atol=1e-6)


def test_closed_forms_of_a_sum_of_squares():
    # The gradient 2 (x + e) at (1, -2) with variance 1/4: mean (2, -4), mean square (5, 17), variance 1 (n - 1) / n.
    net = cv.adapt(lambda p, x: (x**2).sum((1, 2, 3))[:, None], {}, input_shape=(1, 2, 1))
    image = np.float32([1, -2]).reshape(1, 2, 1)
    expected = {"mean": [2, -4], "square": [5, 17], "variance": [1, 1]}
    for kind, values in expected.items():
        options = {"noise": "absolute(0.5)", "noise_samples": 4000, "noise_kind": kind, "key": 1}
        found = cv.explain("saliency", net, image, 0, **options).values.ravel()
        np.testing.assert_allclose(found, values, rtol=0.05)
    with pytest.warns(cv.CnnvizWarning, match="all zero"):
        alone = cv.explain("saliency", net, image, 0, noise="absolute(0.5)", noise_samples=1, noise_kind="variance")
    assert not alone.values.any()
    two = [
        cv.explain("saliency", net, image, 0, noise="absolute(0.5)", noise_samples=2, noise_kind="variance", key=k)
        for k in range(40)
    ]
    assert np.mean([each.values for each in two]) == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize(
    ("technique", "options"),
    [("integrated-gradients", {"at": "conv2", "nodes": 3}), ("lrp", {"at": "conv1"}), ("occlusion", {"window": 6})],
)
def test_is_the_mean_of_a_slow_loop_over_the_copies(technique, options):
    image = some_images(1)
    key = jax.random.fold_in(jax.random.key(3, impl="threefry2x32"), 11)
    sigma = 0.2 * (image.max() - image.min())
    slow, gaps = 0.0, []
    for i in range(5):
        copy = image[0] + sigma * np.asarray(jax.random.normal(jax.random.fold_in(key, i), image.shape[1:]))
        one = cv.explain(technique, model(), copy, 0, **options)
        slow += one.values[0] / 5
        gaps.append(one.extras.get("completeness_gap", [0])[0])
    found = noisy(technique, image, ids=[11], **options)
    np.testing.assert_allclose(found.values[0], slow, rtol=1e-3, atol=2e-5)
    if technique == "integrated-gradients":
        np.testing.assert_allclose(found.extras["completeness_gap"][0], np.mean(gaps), atol=1e-5)
        assert (found.view, found.provenance.layer) == ("layer", "conv2")
        np.testing.assert_allclose(found.low_res, found.values.sum(-1), atol=1e-5)


def test_neither_chunk_nor_company_changes_it_and_it_is_computed_again(tmp_path):
    images = some_images(2)
    whole, parted = (noisy("deeplift", images, chunk=chunk, baseline=images[0]).values for chunk in (10, 2))
    np.testing.assert_allclose(parted, whole, atol=1e-6)
    result = noisy("deeplift", images)
    again = cv.rerun(cv.load(cv.save(result, tmp_path / "kept.npz")).provenance, model(), images)
    np.testing.assert_array_equal(again.values, result.values)


def test_an_option_of_the_technique_goes_first():
    found = cv.explain("smoothgrad", model(), some_images(1), 0, noise="absolute(0.1)", samples=3)
    assert found.provenance.config.noise == "absolute(0.1)"
    assert "noise_kind" not in dict(found.provenance.notes)


@pytest.mark.parametrize(
    ("technique", "options", "text"),
    [
        ("saliency", {"noise": "strong"}, "noise is one of relative"),
        ("saliency", {"noise_samples": 0}, "noise_samples is at least 1, got 0"),
        ("saliency", {"noise_kind": "max"}, "noise_kind is one of mean, square, variance, got 'max'"),
        ("saliency", {"noise": None}, "noise_samples of saliency asks for noise="),
        ("feature-permutation", {}, "looks at several images together, which cannot be done for noisy copies"),
        ("occlusion", {"adaptive": 0.5, "window": 4}, "decides in rounds what to evaluate"),
    ],
)
def test_says_what_is_wrong(technique, options, text):
    with pytest.raises(UsageError, match=text):
        noisy(technique, some_images(2), **options)


def test_a_measure_explains_again_with_the_noise():
    images = some_images(1)
    result = noisy("saliency", images)
    measured = cv.measure("max-sensitivity", model(), images, result, samples=1)
    assert jnp.isfinite(measured.values).all()
