"""Means of random draws: their standard errors against loops and theory, and stopping when the map is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.data.noise import noisy_image
from cnnviz_jax.engine import compilations
from cnnviz_jax.errors import Interrupted, UsageError
from tests.explain.small_network import model, some_images


def squared():
    """f(x) = sum of x^2, whose gradient 2 x at noisy copies has standard deviation 2 sigma."""
    return cv.adapt((lambda params, x: (params * x**2).sum((1, 2, 3))[:, None], jnp.ones(())), input_shape=(4, 5, 1))


def smoothgrad(net, images, **options):
    return cv.explain("smoothgrad", net, images, 0, **{"key": 3, "noise": "absolute(0.5)", **options})


def test_the_standard_error_is_that_of_a_loop():
    image = some_images(1)
    result = cv.explain("smoothgrad", model(), image, 1, samples=6, noise="absolute(0.2)", key=5, ids=[7])
    key = jax.random.fold_in(jax.random.key(5, impl="threefry2x32"), 7)
    draws = [
        jax.grad(lambda x: model()(x[None])[0, 1])(noisy_image(image[0], 0.2, jax.random.fold_in(key, i)))
        for i in range(6)
    ]
    np.testing.assert_allclose(result.standard_error[0], np.std(draws, 0, ddof=1) / np.sqrt(6), rtol=1e-3, atol=1e-6)
    assert cv.explain("saliency", model(), image, 1).standard_error is None
    assert np.isnan(smoothgrad(squared(), np.ones((4, 5, 1)), samples=1).standard_error).all()


def test_intervals_of_95_percent_hold_the_value_of_endlessly_many_draws():
    """Gradient 2 (x + e): its mean is 2 x, known; 1.96 errors around 60 draws hold it in 93 to 97 of 100 places."""
    image = np.random.default_rng(0).uniform(size=(40, 4, 5, 1)).astype(np.float32)
    result = smoothgrad(squared(), image, samples=60)
    held = np.abs(result.values - 2 * image) <= 1.96 * result.standard_error
    assert 0.93 <= held.mean() <= 0.97
    np.testing.assert_allclose(result.standard_error.mean(), 1 / np.sqrt(60), rtol=0.05)


def test_a_value_is_resolved_where_its_interval_leaves_0_out():
    """Gradients 2 (x + e) at x = 0 are resolved in 1 of 20 places, at x = 1 everywhere; of few draws by Student's."""
    image = np.stack([np.zeros((40, 5, 1), np.float32), np.ones((40, 5, 1), np.float32)])
    net = cv.adapt((lambda params, x: (params * x**2).sum((1, 2, 3))[:, None], jnp.ones(())), input_shape=(40, 5, 1))
    for samples, reach in ((60, 1.96), (6, 2.570582)):
        found = smoothgrad(net, image, samples=samples)
        is_resolved = found.is_resolved
        np.testing.assert_array_equal(is_resolved, np.abs(found.values) > np.float32(reach) * found.standard_error)
        assert 0.01 < is_resolved[0].mean() < 0.11
        assert is_resolved[1].mean() > 0.95
    assert not smoothgrad(squared(), np.ones((4, 5, 1)), samples=1).is_resolved.any()
    assert cv.explain("saliency", squared(), np.ones((4, 5, 1)), 0).is_resolved is None
    # Of an image that stopped early it is its own number of draws that counts.
    few = smoothgrad(squared(), np.full((1, 4, 5, 1), 4, np.float32), samples=300, tolerance=0.5)
    assert few.extras["samples"].tolist() == [16]
    np.testing.assert_array_equal(few.is_resolved, np.abs(few.values) > np.float32(2.13145) * few.standard_error)


def test_rise_tells_the_error_of_its_masks_and_not_of_a_quotient():
    image = some_images(1)
    told = cv.explain("rise", model(), image, 1, masks=200, key=1)
    other = cv.explain("rise", model(), image, 1, masks=2000, key=2)
    off = np.abs(told.values - other.values) / np.hypot(told.standard_error, other.standard_error)
    assert 0.2 < np.median(off) < 1.5
    assert cv.explain("rise", model(), image, 1, masks=8, convention="xplique").standard_error is None


def test_an_image_stops_when_its_map_is_known_alone_or_in_a_batch_in_any_chunk():
    """The gradient 2 (x + 0.5 e) of x = 1 has an error of 1 / sqrt(n): half a tenth of 2 x at n = 100, so 128."""
    net = squared()
    images = np.stack([np.full((4, 5, 1), value, np.float32) for value in (1.0, 4.0, 0.02)])
    together = smoothgrad(net, images, samples=300, tolerance=0.05, ids=[1, 2, 3])
    np.testing.assert_array_equal(together.extras["samples"], [128, 16, 300])
    assert np.linalg.norm(together.standard_error[0]) <= 0.05 * np.linalg.norm(together.values[0])
    for chunk in (1, 7):
        again = smoothgrad(net, images[:1], samples=300, tolerance=0.05, ids=[1], chunk=chunk)
        np.testing.assert_array_equal(again.extras["samples"], [128])
        np.testing.assert_allclose(again.values[0], together.values[0], rtol=1e-5)
    plain = smoothgrad(net, images[:1], samples=128, ids=[1])
    np.testing.assert_allclose(plain.values[0], together.values[0], rtol=1e-5)


def test_what_is_left_when_all_maps_are_known_is_not_computed():
    done = []
    image = np.full((4, 5, 1), 4.0, np.float32)
    smoothgrad(squared(), image, samples=4000, tolerance=0.05, chunk=8, progress=lambda *told: done.append(told))
    assert max(told[0] for told in done[:-1]) <= 16
    before = compilations()
    smoothgrad(squared(), image, samples=4000, tolerance=0.05, chunk=8)
    assert compilations() == before


def test_a_run_that_resumes_within_a_round_stops_where_an_undisturbed_one_does(tmp_path):
    net, image = squared(), np.full((4, 5, 1), 1.0, np.float32)
    options = {"samples": 300, "tolerance": 0.05, "chunk": 4}
    expected = smoothgrad(net, image, **options)

    def stopping(done, total, what):
        if done >= 40:
            raise KeyboardInterrupt

    with pytest.raises((KeyboardInterrupt, Interrupted)):
        smoothgrad(net, image, folder=tmp_path, progress=stopping, **options)
    resumed = smoothgrad(net, image, folder=tmp_path, **options)
    np.testing.assert_array_equal(resumed.extras["samples"], expected.extras["samples"])
    np.testing.assert_allclose(resumed.values, expected.values, rtol=1e-6)


@pytest.mark.parametrize(
    ("technique", "options", "told"),
    [
        ("smoothgrad", {"tolerance": 0.0}, "tolerance is positive"),
        ("vargrad", {"tolerance": 0.1}, "vargrad has no tolerance"),
        ("rise", {"tolerance": 0.1, "convention": "xplique"}, "by the convention 'paper' only"),
    ],
)
def test_says_what_is_wrong_with_a_tolerance(technique, options, told):
    with pytest.raises(UsageError, match=told):
        cv.explain(technique, model(), some_images(1), 0, **options)
