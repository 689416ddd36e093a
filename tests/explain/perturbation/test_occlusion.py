"""Occlusion: one number per window, against a slow loop and against a linear model's own weights."""

import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.engine import compilations
from cnnviz_jax.errors import UsageError, WindowError
from tests.explain.small_network import model, some_images


def occlusion(images, net=None, **options):
    return cv.explain("occlusion", net or model(), images, **{"target": 1, **options})


def probability(logits):
    shifted = np.exp(logits - logits.max())
    return shifted / shifted.sum()


def slow_grid(image, window, stride, fill, edge="full", read=lambda logits: logits[1]):
    net, (height, width) = model(), image.shape[:2]
    rows = range(0, height - window[0] + 1, stride[0])
    cols = range(0, width - window[1] + 1, stride[1])
    if edge == "truncate":
        rows = [r * stride[0] for r in range(-(-(height - window[0]) // stride[0]) + 1)]
        cols = [c * stride[1] for c in range(-(-(width - window[1]) // stride[1]) + 1)]
    grid = np.zeros((len(rows), len(cols)))
    for r, top in enumerate(rows):
        for c, left in enumerate(cols):
            occluded = image.copy()
            occluded[top : top + window[0], left : left + window[1]] = fill
            grid[r, c] = read(np.asarray(net(occluded))[0])
    return grid, read(np.asarray(net(image))[0]), list(rows), list(cols)


@pytest.mark.parametrize("edge", ["full", "truncate"])
def test_equals_a_slow_loop(edge):
    image = some_images(1)[0]
    grid, score, rows, cols = slow_grid(image, (4, 3), (3, 2), 0.5, edge)
    result = occlusion(image, window=(4, 3), stride=(3, 2), edge=edge)
    np.testing.assert_allclose(result.low_res[0], score - grid, atol=2e-6)
    np.testing.assert_allclose(result.scores[0], score, rtol=1e-5)
    assert dict(result.provenance.notes)["positions"] == (len(rows), len(cols))


@pytest.mark.parametrize("gather", ["average", "sum"])
def test_gathers_over_the_windows_that_cover_a_pixel(gather):
    image = some_images(1)[0]
    grid, score, rows, cols = slow_grid(image, (4, 3), (3, 2), 0.5, "truncate")
    total, count = np.zeros(image.shape[:2]), np.zeros(image.shape[:2])
    for r, top in enumerate(rows):
        for c, left in enumerate(cols):
            total[top : top + 4, left : left + 3] += score - grid[r, c]
            count[top : top + 4, left : left + 3] += 1
    expected = total / np.maximum(count, 1) if gather == "average" else total
    result = occlusion(image, window=(4, 3), stride=(3, 2), edge="truncate", gather=gather)
    np.testing.assert_allclose(result.values[0], expected, atol=1e-5)


def test_scores_can_be_read_four_ways():
    image = some_images(1)[0]
    grid, _, *_ = slow_grid(image, (6, 5), (6, 5), 0.5)
    raw = occlusion(image, window=(6, 5), stride=(6, 5), score="raw").low_res[0]
    np.testing.assert_allclose(raw, grid, atol=2e-6)
    np.testing.assert_allclose(occlusion(image, window=(6, 5), stride=(6, 5), score="one_minus").low_res[0], 1 - raw)
    net = model()
    spread = np.array([0.0] * 4).reshape(2, 2)
    for r in range(2):
        for c in range(2):
            occluded = image.copy()
            occluded[6 * r : 6 * r + 6, 5 * c : 5 * c + 5] = 0.5
            spread[r, c] = 0.5 * np.abs(probability(net(occluded)[0]) - probability(net(image)[0])).sum()
    result = occlusion(image, window=(6, 5), stride=(6, 5), score="distribution").low_res[0]
    np.testing.assert_allclose(result, spread, atol=1e-6)


@pytest.mark.parametrize(("gather", "engine"), [("grid", "dense"), ("sum", "incremental"), ("average", "dense")])
def test_windows_over_channels_are_a_slow_loop(gather, engine):
    """Three channels in windows of two, one channel apart: the middle one is in both."""
    net, image = model(), some_images(1)[0]
    before = np.asarray(net(image))[0, 1]
    maps = []
    for first in (0, 1):
        own = np.zeros(image.shape, bool)
        own[:, :, first : first + 2] = True
        grid = np.zeros((2, 2))
        for r in range(2):
            for c in range(2):
                box = np.zeros(image.shape, bool)
                box[6 * r : 6 * r + 6, 5 * c : 5 * c + 5] = True
                grid[r, c] = before - np.asarray(net(np.where(own & box, np.float32(0.5), image)))[0, 1]
        maps.append(grid)
    options = {"window": (6, 5, 2), "stride": (6, 5, 1), "gather": gather, "engine": engine}
    result = occlusion(image, **options)
    np.testing.assert_allclose(result.extras["grid"][0], np.stack(maps, -1), atol=3e-6)
    assert result.low_res is None
    assert result.view == "pixels"
    one, other = (np.repeat(np.repeat(each, 6, 0), 5, 1) for each in maps)
    if gather == "grid":
        assert result.values.shape == (1, 12, 10, 3)
        return
    middle = one + other if gather == "sum" else (one + other) / 2
    np.testing.assert_allclose(result.values[0], np.stack([one, middle, other], -1), atol=1e-5)
    assert dict(result.provenance.notes)["channels"] == ((0, 2), (1, 3))


def test_disjoint_windows_of_a_linear_model_sum_to_its_weights_times_the_image():
    weights = np.random.default_rng(4).normal(size=(8, 8, 2)).astype(np.float32)
    net = cv.adapt(lambda p, x: (x * p).sum((1, 2, 3))[:, None], jnp.asarray(weights), input_shape=(8, 8, 2))
    image = some_images(1, 8, 8, 2)[0]
    result = occlusion(image, net, target=0, window=2, stride=2, fill=0.0)
    patches = (weights * image).sum(-1).reshape(4, 2, 4, 2).sum((1, 3))
    np.testing.assert_allclose(result.low_res[0], patches, atol=1e-5)
    np.testing.assert_allclose(result.low_res.sum(), (weights * image).sum(), rtol=1e-5)


def test_the_enlarged_grid_keeps_each_value_at_its_windows_centre():
    image = some_images(1)[0]
    result = occlusion(image, window=3, stride=3)
    np.testing.assert_allclose(result.values[0][1::3, 1::3][:4, :3], result.low_res[0], atol=1e-6)


@pytest.mark.parametrize("fill", [0.25, (0.1, 0.2, 0.3), "mean", "model-mean", "blur(1.5)", "noise"])
def test_every_fill_covers_only_the_window(fill):
    image = some_images(1)[0]
    result = occlusion(image, window=(12, 10), stride=1, fill=fill)
    assert result.low_res.shape == (1, 1, 1)
    if fill == "mean":
        mean = np.broadcast_to(image.mean((0, 1)), image.shape)
        expected = float(model()(image)[0, 1] - model()(mean)[0, 1])
        np.testing.assert_allclose(result.low_res[0, 0, 0], expected, atol=1e-5)


@pytest.mark.parametrize("chunk", [1, 7, "auto"])
def test_does_not_depend_on_the_chunk(chunk):
    images = some_images(3)
    one = occlusion(images, window=3, stride=2, chunk=chunk)
    np.testing.assert_allclose(one.low_res, occlusion(images, window=3, stride=2, chunk=5).low_res, atol=1e-6)


def test_more_images_and_other_classes_do_not_compile_more():
    occlusion(some_images(1), window=4, stride=2)
    before = compilations()
    occlusion(some_images(3, seed=8), window=4, stride=2, target=[0, 1, 2])
    assert compilations() == before


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"window": 40}, WindowError, "a window of 40 x 40 pixels does not fit an image of 12 x 10"),
        ({"window": 0}, WindowError, "window is one to 4 positive whole numbers"),
        ({"window": (2, 2, 0)}, WindowError, "window is one to 4 positive whole numbers"),
        ({"stride": (1, 2, 3, 4)}, WindowError, "stride is one number, or one for each of 2 axes"),
        ({"stride": 1.5}, UsageError, r"occlusion: stride is int or tuple\[int, \.\.\.\] or None, got 1.5"),
        ({"stride": (1, 2, 3)}, WindowError, "a stride over channels needs a window over channels; got window=None"),
        ({"window": (2, 2, 4)}, WindowError, "a window of 4 channels does not fit inputs of 3"),
        ({"window": (2, 2, 1), "channels": (0,)}, UsageError, "a window over channels takes neither channels nor ada"),
        (
            {"window": (2, 2, 1), "stride": (1, 1, 2), "convention": "captum"},
            WindowError,
            "refuses a stride of 2 channels, larger than the window of 1",
        ),
        (
            {"window": 2, "stride": 3, "convention": "captum"},
            WindowError,
            "refuses a stride of 3 x 3 pixels, larger than",
        ),
        ({"fill": (0.1, 0.2)}, UsageError, "fill has 2 values, images have 3 channels"),
        ({"fill": "gray"}, UsageError, "fill is one of mean, model-mean, blur"),
        ({"channels": (3,)}, UsageError, "images have channels 0 to 2, got channel 3"),
        ({"edge": "trunc"}, UsageError, "edge is one of 'full', 'truncate' or None, got 'trunc'"),
    ],
)
def test_says_what_is_wrong_with_an_option(options, error, text):
    with pytest.raises(error, match=text):
        occlusion(some_images(1), **options)


@pytest.mark.parametrize(
    ("convention", "same"),
    [
        ("captum", {"edge": "truncate", "score": "drop", "gather": "average"}),
        ("pair", {"edge": "full", "score": "drop", "gather": "sum"}),
        ("xplique", {"edge": "full", "score": "drop", "gather": "sum"}),
        ("tf-explain", {"edge": "truncate", "score": "one_minus", "gather": "grid"}),
    ],
)
def test_peers_conventions_name_what_they_choose(convention, same):
    image = some_images(1)
    named = occlusion(image, window=5, stride=4, convention=convention)
    np.testing.assert_allclose(named.values, occlusion(image, window=5, stride=4, **same).values, atol=1e-6)
    assert dict(named.provenance.notes).items() >= same.items()
    own = occlusion(image, window=5, stride=4, convention=convention, gather="average")
    assert dict(own.provenance.notes)["gather"] == "average"  # what is said outright holds
