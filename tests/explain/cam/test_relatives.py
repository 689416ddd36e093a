"""Relatives of the CAMs: FinerCAM, EigenGrad-CAM, KPCA-CAM, Faster-Score-CAM, six views, principal directions."""

import jax
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.engine import compilations
from cnnviz_jax.errors import TargetError, UsageError
from tests.explain import small_network as small
from tests.explain.known_networks import KINDS, layer_of, net_c, wave

IMAGE = small.some_images(1)


def at_pool(technique, kind, **options):
    return cv.explain(technique, net_c(kind), wave(0)[None], 0, layer=layer_of(kind, "pool"), **options)


def close_up_to_sign(found, expected):
    expected = np.reshape(expected, found.shape)
    sign = np.sign((found * expected).sum())
    np.testing.assert_allclose(sign * found, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("kind", KINDS)
def test_eigen_maps_of_a_known_network(kind):
    """pytorch-grad-cam 1.5.7, float64, before ReLU and scaling."""
    products = at_pool("eigen-grad-cam", kind).extras["before_relu"][0]
    expected = [-0.0591996, 0.3319321, 0.2958805, -0.6016502, 0.2742505, 0.3636604, -0.3898524, -0.53722, 0.3221987]
    close_up_to_sign(products, expected)
    activations = at_pool("eigen-cam", kind, convention="pytorch-grad-cam").extras["before_relu"][0]
    expected = [0.7288155, 1.5619091, -1.675911, -0.0272787, 1.3392428, -1.0384041, -0.9573542, 0.6851285, -0.6161479]
    close_up_to_sign(activations, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_finer_cam_of_a_known_network(kind):
    """Grad-CAM of pytorch-grad-cam 1.5.7's target, all other classes, alpha 1."""
    result = at_pool("finer-cam", kind, against=(1, 2), relu=False)
    expected = [
        [-0.0337277, -0.1344007, 0.6465142],
        [0.1918703, -0.1180266, 0.5648185],
        [0.4564043, -0.0104498, 0.4563475],
    ]
    np.testing.assert_allclose(result.low_res[0], expected, atol=1e-6)
    np.testing.assert_allclose(result.extras["contrast"], [-0.3383787], rtol=1e-5)
    alone = at_pool("finer-cam", kind, relu=False)  # of three classes both others are the nearest
    assert set(np.asarray(alone.extras["against"][0])) == {1, 2}
    np.testing.assert_allclose(alone.low_res, result.low_res, atol=1e-6)


def test_finer_cam_compares_with_the_three_classes_whose_logits_are_nearest():
    rng = np.random.default_rng(3)
    head = rng.normal(size=(3, 7)).astype(np.float32)
    net = cv.adapt(lambda p, x: jax.nn.relu(x).mean((1, 2)) @ p, head, input_shape=(4, 5, 3), name="seven")
    images = small.some_images(3, 4, 5)
    result = cv.explain("finer-cam", net, images, [2, 0, 6], layer="relu", relu=False)
    logits = np.asarray(net(images), np.float64)
    for row, target in enumerate([2, 0, 6]):
        apart = np.abs(logits[row] - logits[row, target])
        nearest = sorted((j for j in range(7) if j != target), key=lambda j: apart[j])[:3]
        assert list(result.extras["against"][row]) == nearest
        share = np.exp(logits[row][nearest])
        contrast = (share * (logits[row, target] - logits[row][nearest])).sum() / share.sum()
        np.testing.assert_allclose(result.extras["contrast"][row], contrast, rtol=1e-4)


def test_finer_cam_against_nothing_is_the_map_it_is_made_of():
    for method in ("grad-cam", "layer-cam"):
        plain = cv.explain(method, small.model(), IMAGE, 1, layer="conv2")
        # With alpha 0 the contrast is the score, less what 1e-9 in the denominator takes.
        finer = cv.explain("finer-cam", small.model(), IMAGE, 1, layer="conv2", alpha=0.0, method=method)
        np.testing.assert_allclose(finer.low_res, plain.low_res, rtol=1e-3, atol=1e-6)


def test_finer_cam_says_what_it_needs():
    with pytest.raises(TargetError, match="finer-cam sets a class against others; the target is a score of the netw"):
        cv.explain("finer-cam", small.model(), IMAGE, cv.targets.neuron("conv2", 2, 3, 1))
    with pytest.raises(TargetError, match="finer-cam compares with class 9; small has classes 0 to 3"):
        cv.explain("finer-cam", small.model(), IMAGE, 0, against=(9,))
    with pytest.raises(UsageError, match="against names different classes, got \\(1, 1\\)"):
        cv.explain("finer-cam", small.model(), IMAGE, 0, against=(1, 1))


def test_eigen_grad_cam_is_numpys_first_direction_turned_towards_the_sum():
    result = cv.explain("eigen-grad-cam", small.model(), IMAGE, 1, layer="conv2")
    each = cv.explain("hires-cam", small.model(), IMAGE, 1, layer="conv2", relu=False).low_res[0]
    raw = np.asarray(result.extras["before_relu"][0], np.float64)
    assert (raw * np.asarray(each)).sum() >= 0
    smoothed = cv.explain("hires-cam", small.model(), IMAGE, 1, layer="conv2", smooth="eigen").extras["before_relu"][0]
    np.testing.assert_allclose(smoothed, raw, atol=1e-4 * np.abs(raw).max())
    channels = cv.explain("grad-cam", small.model(), IMAGE, 1, layer="conv2", channels="each").extras["before_relu"][0]
    rows = np.asarray(channels, np.float64).reshape(-1, channels.shape[-1])
    line = (rows - rows.mean(0)) @ np.linalg.svd(rows - rows.mean(0))[2][0]
    line *= np.sign((line * rows.sum(1)).sum())
    found = cv.explain("grad-cam", small.model(), IMAGE, 1, layer="conv2", smooth="eigen").extras["before_relu"][0]
    np.testing.assert_allclose(found.ravel(), line, atol=1e-4 * np.abs(line).max())


KPCA = {
    "sigmoid": [-0.2688109, -0.6107706, 0.680214, 0.0147502, -0.5180562, 0.371776, 0.3741789, -0.255506, 0.2122246],
    "rbf": [0.4601235, 0.5783076, -0.6206524, 0.0424961, 0.6400474, -0.6021122, -0.4959842, 0.4514062, -0.4536322],
    "polynomial": [
        0.6455244, 1.8747123, -1.845027, -0.0561679, 1.4282125, -1.0782891, -0.9352161, 0.5889697, -0.6227188,
    ],
}  # fmt: skip


@pytest.mark.parametrize("kernel", KPCA)
def test_kernel_components_of_a_known_network(kernel):
    """pytorch-grad-cam 1.5.7 (scikit-learn's KernelPCA), float64, before ReLU and scaling."""
    found = at_pool("kpca-cam", "nhwc", kernel=kernel)
    close_up_to_sign(found.extras["before_relu"][0], KPCA[kernel])
    others = at_pool("kpca-cam", "linen", kernel=kernel)
    np.testing.assert_allclose(others.low_res, found.low_res, atol=1e-4 * np.abs(found.low_res).max())


def test_a_kernel_component_is_numpys_of_the_matrix_written_out():
    values = np.asarray(cv.explain("feature-maps", small.model(), IMAGE, layer="conv2").values[0], np.float64)
    rows = values.reshape(-1, values.shape[-1])
    centred = rows - rows.mean(0)
    alike = np.array(
        [[np.tanh(0.3 * sum(a * b for a, b in zip(x, y, strict=True)) + 1) for y in centred] for x in centred]
    )
    n = len(rows)
    middle = np.eye(n) - np.ones((n, n)) / n
    sizes, vectors = np.linalg.eigh(middle @ alike @ middle)
    line = vectors[:, -1] * np.sqrt(sizes[-1])
    line *= np.sign(line @ rows.sum(1))
    found = cv.explain("kpca-cam", small.model(), IMAGE, 1, layer="conv2", gamma=0.3).extras["before_relu"][0]
    np.testing.assert_allclose(found.ravel(), line, atol=1e-4 * np.abs(line).max())


def test_the_linear_kernel_is_eigen_cam_and_the_class_counts_in_neither():
    shared = {"layer": "conv2", "convention": "pytorch-grad-cam"}
    linear = cv.explain("kpca-cam", small.model(), IMAGE, 1, kernel="linear", **shared)
    plain = cv.explain("eigen-cam", small.model(), IMAGE, 1, **shared)
    raw = plain.extras["before_relu"][0]
    np.testing.assert_allclose(linear.extras["before_relu"][0], raw, atol=2e-4 * np.abs(raw).max())
    other = cv.explain("kpca-cam", small.model(), IMAGE, 2, kernel="linear", **shared)
    np.testing.assert_array_equal(other.values, linear.values)


def test_places_that_are_all_alike_have_no_component():
    flat = cv.adapt(lambda p, x: (jax.nn.relu(x) * p).mean((1, 2)), np.ones(2, np.float32), input_shape=(5, 4, 2))
    for kernel in KPCA:
        with pytest.warns(cv.CnnvizWarning, match="zero"):
            result = cv.explain(
                "kpca-cam", flat, np.full((1, 5, 4, 2), 0.3, np.float32), 0, layer="relu", kernel=kernel
            )
        np.testing.assert_array_equal(result.values, 0)


@pytest.mark.parametrize("masked", ["image", "layer"])
def test_faster_score_cam_looks_through_the_most_variable_channels(masked):
    net, layer = small.model(), "conv2"
    activations = np.asarray(cv.explain("feature-maps", net, IMAGE, layer=layer).values[0], np.float64)
    count = activations.shape[-1]
    chosen = sorted(range(count), key=lambda k: -activations[..., k].std())[:2]
    result = cv.explain("faster-score-cam", net, IMAGE, 1, layer=layer, channels=2, masked=masked)
    assert list(result.extras["channels"][0]) == chosen
    every = cv.explain("faster-score-cam", net, IMAGE, 1, layer=layer, channels=99, masked=masked)
    whole = cv.explain("score-cam", net, IMAGE, 1, layer=layer, masked=masked)
    np.testing.assert_allclose(every.low_res, whole.low_res, atol=1e-5)
    if masked == "layer":
        return
    scores = []
    for k in chosen:
        mask = np.asarray(jax.image.resize(activations[..., k], IMAGE.shape[1:3], "linear"))
        mask = (mask - mask.min()) / (mask.max() - mask.min())
        scores.append(float(net((IMAGE * mask[None, :, :, None]).astype(np.float32))[0, 1]))
    share = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(result.extras["before_relu"][0], activations[..., chosen] @ share, atol=1e-4)


@pytest.mark.parametrize("technique", ["grad-cam", "smooth-grad-cam++", "ablation-cam"])
def test_six_views_are_explained_one_by_one(technique):
    options = {"layer": "conv2", "key": 3, "ids": [4]}
    noise = {"noise": "absolute(0)", "samples": 2} if technique.startswith("smooth") else {}
    together = cv.explain(technique, small.model(), IMAGE, 1, augment=True, **options, **noise)
    maps, low = [], []
    for turned in (False, True):
        for factor in (0.9, 1.0, 1.1):
            view = (IMAGE[:, :, ::-1] if turned else IMAGE) * np.float32(factor)
            one = cv.explain(technique, small.model(), view, 1, **options, **noise)
            maps.append(one.values[0][:, ::-1] if turned else one.values[0])
            low.append(one.low_res[0][:, ::-1] if turned else one.low_res[0])
    np.testing.assert_allclose(together.values[0], np.mean(maps, 0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(together.low_res[0], np.mean(low, 0), rtol=1e-4, atol=1e-6)
    assert dict(together.provenance.notes)["augment"] == "6 views"


def test_views_depend_on_neither_chunk_nor_batch_and_compile_once():
    images = small.some_images(3)
    together = cv.explain("faster-score-cam", small.model(), images, 1, augment=True, channels=2, chunk=5)
    alone = cv.explain("faster-score-cam", small.model(), images[1:2], 1, augment=True, channels=2)
    np.testing.assert_allclose(alone.values, together.values[1:2], atol=1e-5)
    before = compilations()
    cv.explain("faster-score-cam", small.model(), small.some_images(1, seed=8), 3, augment=True, channels=2)
    assert compilations() == before


def test_options_that_contradict_each_other():
    for technique in ("eigen-cam", "eigen-grad-cam", "kpca-cam"):
        with pytest.raises(UsageError, match="channels along a principal direction are what smooth='eigen' makes"):
            cv.explain(technique, small.model(), IMAGE, 1, smooth="eigen")
    with pytest.raises(UsageError, match="kernel='linear' has no gamma; leave it out"):
        cv.explain("kpca-cam", small.model(), IMAGE, 1, kernel="linear", gamma=0.1)
    with pytest.raises(UsageError, match="gamma is positive, got 0"):
        cv.explain("kpca-cam", small.model(), IMAGE, 1, gamma=0.0)
    with pytest.raises(UsageError, match="channels='each' adds no channels up, which smooth='eigen' does"):
        cv.explain("grad-cam", small.model(), IMAGE, 1, smooth="eigen", channels="each")
    with pytest.raises(UsageError, match="convention='pytorch-grad-cam' decides about signed and rescale"):
        cv.explain("fullgrad", small.model(), IMAGE, 1, convention="pytorch-grad-cam", rescale="channel")
