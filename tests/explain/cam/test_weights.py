"""Every CAM against a slow loop that knows activations and gradients, for the paper's numbers and the peers'."""

import jax
import numpy as np
import pytest

import cnnviz_jax as cv

from .uneven_network import SIZE, conv, gradient, model, score, some_image

TARGET = 1


def places():
    return [(row, col) for row in range(SIZE[0]) for col in range(SIZE[1])]


def summed(activation, weights):
    out = np.zeros(SIZE)
    for row, col in places():
        for k in range(activation.shape[-1]):
            out[row, col] += weights[k] * activation[row, col, k]
    return out


def grad_cam(a, g):
    return summed(a, [sum(g[p][k] for p in places()) / len(places()) for k in range(3)])


def tf_explain(a, g):
    kept = np.where((a > 0) & (g > 0), g, 0)
    return grad_cam(a, kept)


def plus_plus(a, g, variant="paper"):
    weights = []
    for k in range(3):
        total = 0.0
        for p in places():
            if g[p][k] == 0:
                continue
            if variant == "torchcam":
                spread = sum(a[q][k] * g[q][k] ** 3 for q in places())
            else:
                spread = sum(a[q][k] for q in places()) * g[p][k] ** 3
            if variant == "xplique":
                spread /= len(places())
            total += g[p][k] ** 2 / (2 * g[p][k] ** 2 + spread) * max(g[p][k], 0)
        weights.append(total / len(places()) if variant == "xplique" else total)
    return summed(a, weights)


def xgrad(a, g):
    return summed(a, [sum(a[p][k] * g[p][k] for p in places()) / sum(a[p][k] for p in places()) for k in range(3)])


def hires(a, g):
    return np.array([[sum(a[r, c, k] * g[r, c, k] for k in range(3)) for c in range(SIZE[1])] for r in range(SIZE[0])])


def layer_cam(a, g):
    return hires(a, np.maximum(g, 0))


def eigen(a, g, centred=False):
    rows = a.reshape(-1, 3)
    turned = rows - rows.mean(0) if centred else rows
    line = turned @ np.linalg.svd(turned, full_matrices=False)[2][0]
    return (line * np.sign(line @ rows.sum(1))).reshape(SIZE)


def ablation(a, g):
    full = score(a, TARGET)
    weights = []
    for k in range(3):
        without = a.copy()
        without[..., k] = 0
        weights.append((full - score(without, TARGET)) / abs(full))
    return summed(a, weights)


def score_cam(a, g, layer=False):
    scores = []
    for k in range(3):
        mask = (a[..., k] - a[..., k].min()) / (a[..., k].max() - a[..., k].min())
        seen = a * mask[..., None] if layer else conv(some_image() * mask[..., None])
        scores.append(score(seen, TARGET))
    return summed(a, np.exp(scores) / np.exp(scores).sum())


def smooth(a, g, numerator="second"):
    key = jax.random.fold_in(jax.random.key(4, impl="threefry2x32"), 9)
    sigma = 0.5 * (some_image().max() - some_image().min())
    slopes = []
    for i in range(5):
        noise = np.asarray(jax.random.normal(jax.random.fold_in(key, i), (*SIZE, 1)))
        slopes.append(gradient(conv(some_image() + sigma * noise), TARGET))
    first, second, third = (np.mean([s**power for s in slopes], 0) for power in (1, 2, 3))
    weights = []
    for k in range(3):
        total = 0.0
        for p in places():
            if second[p][k] == 0:
                continue
            top = (second if numerator == "second" else first)[p][k]
            spread = sum(a[q][k] for q in places()) * third[p][k]
            total += top / (2 * second[p][k] + spread) * max(first[p][k], 0)
        weights.append(total)
    return summed(a, weights)


@pytest.mark.parametrize(
    ("technique", "options", "slow"),
    [
        ("grad-cam", {}, grad_cam),
        ("grad-cam", {"convention": "tf-explain"}, tf_explain),
        ("grad-cam++", {}, plus_plus),
        ("grad-cam++", {"convention": "torchcam"}, lambda a, g: plus_plus(a, g, "torchcam")),
        ("grad-cam++", {"convention": "xplique"}, lambda a, g: plus_plus(a, g, "xplique")),
        ("xgrad-cam", {}, xgrad),
        ("hires-cam", {}, hires),
        ("layer-cam", {}, layer_cam),
        ("eigen-cam", {}, eigen),
        ("eigen-cam", {"convention": "pytorch-grad-cam"}, lambda a, g: eigen(a, g, centred=True)),
        ("ablation-cam", {}, ablation),
        ("score-cam", {}, score_cam),
        ("score-cam", {"masked": "layer"}, lambda a, g: score_cam(a, g, layer=True)),
        ("smooth-grad-cam++", {"samples": 5, "noise": "relative(0.5)"}, smooth),
        (
            "smooth-grad-cam++",
            {"samples": 5, "noise": "relative(0.5)", "numerator": "first"},
            lambda a, g: smooth(a, g, "first"),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_equals_a_slow_loop(technique, options, slow):
    a = conv(some_image())
    expected = slow(a, gradient(a, TARGET))
    result = cv.explain(technique, model(), some_image(), TARGET, layer="conv", key=4, ids=[9], **options)
    np.testing.assert_allclose(result.extras["before_relu"][0], expected, rtol=2e-4, atol=1e-4)
    if options.get("convention", "paper") == "paper":
        np.testing.assert_allclose(result.low_res[0], np.maximum(expected, 0), rtol=2e-4, atol=1e-4)
        np.testing.assert_array_equal(result.values, result.low_res)  # the layer is as large as the image
