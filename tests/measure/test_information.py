"""Information curves: PAIR's numbers, a plain loop over an image, and what is left out."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy.interpolate import griddata

import cnnviz_jax as cv
from cnnviz_jax.errors import UsageError
from cnnviz_plugins.measure.faithfulness.information import first_pixels, information_curve, revealed, strongest
from cnnviz_plugins.models.shapes.images import draw_scenes
from tests.measure.linear import SUM, linear

RISING = [0, 0.25, 0.1875, 0.0889286, 0.375, 0.99875, 0.90625, 1]
FALLING = [0, 0.25, 0.1875, 0.0592857, 0.25, 0.99875, 0.90625, 1]
AREAS = [0.4625, 0.434375]


@pytest.fixture(scope="module")
def shapes():
    drawn = draw_scenes((3, 14, 25))
    images = np.stack([one.image for one in drawn])
    masks = np.stack([one.mask for one in drawn]).astype(np.float32)
    return cv.load_model("shapes"), images, masks, np.array([one.label for one in drawn])


def test_the_curve_through_given_points_is_pairs():
    """saliency 0.2.1, with lengths and scores put in the place of its encoder and network."""
    sizes = np.array([100, 150, 130, 220, 260, 240, 300.0])
    scores = np.array([0.1, 0.05, 0.4, 0.3, 0.8, 0.95, 0.9])
    rising = information_curve(sizes, scores)
    falling = information_curve(sizes, scores, growing=False)
    picked = [0, 100, 200, 333, 600, 701, 850, 1000]
    np.testing.assert_allclose(rising[picked], RISING, atol=1e-7)
    np.testing.assert_allclose(falling[picked], FALLING, atol=1e-7)
    np.testing.assert_allclose([np.trapezoid(each) / 1000 for each in (rising, falling)], AREAS, atol=1e-7)


def test_an_image_of_few_pixels_is_linear_between_them():
    image = np.zeros((5, 9, 1), np.uint8)
    image[0, 8] = image[4, 8] = 160
    flat = revealed(image, np.zeros((5, 9), bool))  # the corners alone: a ramp
    np.testing.assert_array_equal(flat[..., 0], np.tile(np.arange(9) * 20, (5, 1)))
    noisy = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)
    mask = np.random.default_rng(1).uniform(size=(9, 7)) < 0.3
    mask[[0, 0, -1, -1], [0, -1, 0, -1]] = True
    found = revealed(noisy, mask)
    for channel in range(3):
        slow = griddata(np.argwhere(mask), noisy[..., channel][mask].astype(float), np.argwhere(~mask))
        np.testing.assert_allclose(found[..., channel][~mask], slow, atol=0.5 + 1e-9)  # the nearest level
        np.testing.assert_array_equal(found[..., channel][mask], noisy[..., channel][mask])
    np.testing.assert_array_equal(revealed(noisy, np.ones((9, 7), bool)), noisy)


def test_a_plain_loop_over_the_shares_of_one_image(shapes):
    net, images, masks, labels = shapes
    shares = (0.05, 0.2, 0.6)
    own = np.random.default_rng(2).uniform(size=images.shape[:3]).astype(np.float32) + masks
    found = cv.measure("softmax-information-curve", net, images, own, labels, key=5, ids=[7, 8, 9], shares=shares)
    key = jax.random.fold_in(jax.random.key(5, impl="threefry2x32"), 8)
    image, heat = np.rint(images[1] * 255).astype(np.uint8), own[1]
    first = first_pixels(key, 64, 64, 0.01)
    assert first.sum() == 40
    series = [revealed(image, first)]
    for share in shares:
        rank = np.sort(heat.ravel())[::-1]
        assert abs((heat >= np.quantile(heat, 1 - share)).sum() - share * heat.size) <= 1
        assert rank[0] == heat.max()
        series.append(revealed(image, first | (heat >= np.quantile(heat, 1 - share))))
    series.append(image)
    logits = np.asarray(net(np.stack(series).astype(np.float32) / 255), np.float64)
    odds = np.exp(logits - logits.max(1, keepdims=True))
    scores = (odds / odds.sum(1, keepdims=True))[:, labels[1]]
    sizes = []
    for one in series:
        file = io.BytesIO()
        Image.fromarray(one).save(file, format="webp", lossless=True, quality=100)
        sizes.append(len(file.getvalue()))
    x = [(size - sizes[0]) / (sizes[-1] - sizes[0]) for size in sizes]
    y = np.clip((scores - scores[0]) / (scores[-1] - scores[0]), 0, 1)
    slow = np.interp(np.linspace(0, 1, 1001), x, np.maximum.accumulate(y))
    np.testing.assert_allclose(found.curve[1], slow, atol=1e-4)
    np.testing.assert_allclose(found.values[1], np.trapezoid(slow) / 1000, atol=1e-4)
    alone = cv.measure("softmax-information-curve", net, images[1:2], own[1:2], labels[1:2], key=5, ids=[8],
                       shares=shares)  # fmt: skip
    np.testing.assert_allclose(alone.values, found.values[1:2], atol=1e-5)


@pytest.mark.parametrize("metric", ["softmax-information-curve", "accuracy-information-curve"])
def test_the_object_first_tells_more_for_its_bytes_than_the_object_last(shapes, metric):
    net, images, masks, labels = shapes
    noise = np.random.default_rng(3).uniform(0, 0.1, masks.shape).astype(np.float32)
    shared = {"shares": (0.02, 0.1, 0.3)}
    first = cv.measure(metric, net, images, masks + noise, labels, **shared)
    last = cv.measure(metric, net, images, noise - masks, labels, **shared)
    assert (first.values > last.values).all()
    assert first.mean > last.mean + 0.2
    assert first.values.min() > 0.6
    assert first.better == "higher"
    assert first.curve.shape == (3, 1001)
    np.testing.assert_array_equal(first.curve[:, [0, -1]], [[0, 1]] * 3)
    assert (np.diff(first.curve, axis=1) >= 0).all()
    if metric.startswith("accuracy"):
        falling = cv.measure(metric, net, images, masks + noise, labels, growing=False, **shared)
        assert (falling.values <= first.values + 1e-6).all()


def test_a_figure_shows_the_images_that_count(shapes, tmp_path):
    net, images, masks, labels = shapes
    shared = {"shares": (0.1,)}
    some = cv.measure("softmax-information-curve", net, images, masks, [labels[0], *(labels[1:] + 1)], **shared)
    assert np.isnan(some.values).tolist() == [False, True, True]
    assert cv.render(some, tmp_path / "some.png").stat().st_size > 1000
    none = cv.measure("softmax-information-curve", net, images, masks, (labels + 1) % 10, **shared)
    assert cv.render(none, tmp_path / "none.png").stat().st_size > 1000


def test_images_that_tell_nothing_are_left_out_and_the_result_says_why(shapes):
    net, images, masks, labels = shapes
    wrong = cv.measure("softmax-information-curve", net, images, masks, (labels + 1) % 10)
    assert np.isnan(wrong.values).all()
    np.testing.assert_array_equal(wrong.extras["left_out"], 1)
    assert "its class has too small a probability" in wrong.warnings[-1]
    grey = np.full((1, 64, 64, 3), 0.5, np.float32)
    flat = cv.measure("softmax-information-curve", net, grey, masks[:1], 0, least=0.0)
    np.testing.assert_array_equal(flat.extras["left_out"], 2)

    def bright(params, x):
        mean = x.mean((1, 2, 3))
        return jnp.stack([params * (0.5 - jnp.abs(x - mean[:, None, None, None]).mean((1, 2, 3))), 0 * mean], -1)

    net = cv.adapt(bright, jnp.float32(9.0), input_shape=(16, 16, 3), name="prefers what is flat")
    noisy = np.random.default_rng(0).uniform(size=(1, 16, 16, 3)).astype(np.float32)
    higher = cv.measure("softmax-information-curve", net, noisy, noisy.mean(-1), 0)
    np.testing.assert_array_equal(higher.extras["left_out"], 3)


def test_shares_are_quantiles_and_equal_pixels_come_together():
    heat = np.array([[3.0, 1.0], [2.0, 2.0]])
    np.testing.assert_array_equal(strongest(heat, (0.25, 0.5)), [[[1, 0], [0, 0]], [[1, 0], [1, 1]]])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"shares": (0.5, 0.1)}, "shares go from the least to the largest"),
        ({"shares": (0.0, 0.1)}, "shares lie between 0 and 1"),
        ({"start": 1.0}, "start is a share from 0 to less than 1, got 1"),
        ({"least": 1.5}, "least is a probability, got 1.5"),
    ],
)
def test_says_what_is_wrong(shapes, options, text):
    net, images, masks, labels = shapes
    with pytest.raises(UsageError, match=text):
        cv.measure("softmax-information-curve", net, images, masks, labels, **options)


def test_says_what_it_cannot_weigh():
    two = linear(np.ones((8, 8, 2)))
    with pytest.raises(UsageError, match="of a grey or a colour image, of 1 or 3 channels; these have 2"):
        cv.measure("softmax-information-curve", two, np.ones((1, 8, 8, 2), np.float32), np.ones((1, 8, 8)), 0)
    one = linear(np.ones((8, 8, 1)))
    with pytest.raises(UsageError, match="information curves are of a class's probability; explain a class"):
        cv.measure("accuracy-information-curve", one, np.ones((1, 8, 8, 1), np.float32), np.ones((1, 8, 8)), SUM)
