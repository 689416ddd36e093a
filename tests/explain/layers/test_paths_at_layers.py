"""Gradients and paths read at a layer, against peers' numbers, loops by hand, and what they must sum to."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import LayerKindError, LayerNotFoundError, TargetError, UsageError
from tests.explain.known_networks import (
    KINDS,
    M_IMAGE,
    channels_first,
    layer_of,
    net_c,
    net_m,
    net_r,
    wave,
)
from tests.explain.small_network import model, some_images

# Captum 0.9.0 on net C in float64, score 0 of the image wave(0), baseline black; (channel, row, column).
TIMES_GRADIENT = [[[0.2643635, 0], [0.3448734, 0.1209828]], [[-0.3805471, 0], [-0.1959584, 0]]]
INTEGRATED = [[[0.2667545, 0], [0.3420231, 0.1198227]], [[-0.3750723, 0], [-0.1993967, 0]]]
LEFT_LEGENDRE = [[[0.2606881, 0], [0.3388144, 0.1101675]], [[-0.37712, 0], [-0.1887314, 0]]]
LEFT_EQUAL = [[[0.2624535, 0], [0.3406651, 0.1149051]], [[-0.3801535, 0], [-0.1945464, 0]]]
INFLUENCE = [[[0.2206273, 0], [0.2206273, 0.1705866]], [[-0.2206273, 0], [-0.2040259, 0]]]
# The formula with the mean of both ends, in NumPy.
BOTH_ENDS = [[[0.267821, 0], [0.3462241, 0.1196794]], [[-0.3893009, 0], [-0.2007012, 0]]]


def explained(name, net, at=None, image=None, target=0, **options):
    image = wave(0) if image is None else image
    return cv.explain(name, net, image, target, at=at, **options)


@pytest.mark.filterwarnings("ignore:the shares of image")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("technique", "options", "expected"),
    [
        ("input-x-gradient", {}, TIMES_GRADIENT),
        ("integrated-gradients", {}, INTEGRATED),
        ("conductance", {"nodes": 50}, BOTH_ENDS),
        ("internal-influence", {}, INFLUENCE),
    ],
)
def test_a_layers_values_are_those_of_peers_in_every_layout_and_framework(kind, technique, options, expected):
    result = explained(technique, net_c(kind), "conv2", **options)
    np.testing.assert_allclose(channels_first(result.values), expected, atol=4e-6)
    assert result.view == "layer"
    assert result.provenance.layer == "conv2"
    if kind != "nhwc":  # the pool has more units, and another name in frameworks
        return
    pooled = explained("integrated-gradients", net_c(), layer_of(kind, "pool"))
    np.testing.assert_allclose(pooled.values.sum((0, 1, 2)), [1.6901535, -0.8119305, -0.7240918], atol=5e-6)
    np.testing.assert_allclose(pooled.low_res, pooled.values.sum(-1), atol=1e-6)


@pytest.mark.filterwarnings("ignore:the shares of image")
@pytest.mark.parametrize(("quadrature", "expected"), [("captum", LEFT_LEGENDRE), ("left", LEFT_EQUAL)])
def test_conductance_by_other_rules(quadrature, expected):
    result = explained("conductance", net_c(), "conv2", nodes=50, quadrature=quadrature)
    np.testing.assert_allclose(channels_first(result.values), expected, atol=4e-6)


@pytest.mark.parametrize("technique", ["conductance", "integrated-gradients"])
def test_where_the_rest_is_linear_the_limit_is_the_weight_times_the_change_of_the_unit(technique):
    # w / 4 (relu(h) - relu(h')), the mean being over four places; with 1000 nodes to the error of the kinks.
    rule = {"quadrature": "riemann_middle"} if technique == "integrated-gradients" else {}
    result = explained(technique, net_c(), "conv2", nodes=1000, **rule)
    np.testing.assert_allclose(channels_first(result.values), TIMES_GRADIENT, atol=5e-4)


def test_conductance_at_the_pool_tends_to_the_peers_limit():
    result = explained("conductance", net_c(), "pool", nodes=2000)
    np.testing.assert_allclose(result.values.sum((0, 1, 2)), [1.8181316, -1.1023246, -0.5620681], atol=1e-3)


@pytest.mark.parametrize("kind", ["nhwc", "nchw"])
def test_a_layer_with_two_readers_counts_both(kind):
    # Captum 0.9.0 on net R: integrated gradients at relu1; conductance at bn1, in the limit.
    image = wave(0, 4, 1)
    found = explained("integrated-gradients", net_r(kind), "relu1", image)
    np.testing.assert_allclose(found.values.sum((0, 1, 2)), [0.2135888, 0.0013293], atol=2e-6)
    grown = explained("conductance", net_r(kind), "bn1", image, nodes=500).values
    np.testing.assert_allclose(grown.sum((0, 1, 2)), [0.2082166, 0.0052674], atol=5e-4)
    np.testing.assert_allclose(channels_first(grown)[0, 0], [0.0186852, 0.0336547, 0.0492811, 0.0127526], atol=2e-4)


@pytest.mark.parametrize(
    ("technique", "baseline", "expected"),
    [("conductance", "zero", [0, -8, -1]), ("integrated-gradients", 1.0, [0, -7, -5])],
)
def test_a_dense_layer_has_one_axis(technique, baseline, expected):
    result = explained(technique, net_m(), "first", M_IMAGE, baseline=baseline, nodes=200)
    assert result.values.shape == (1, 3)
    np.testing.assert_allclose(result.values[0], expected, atol=0.05)


def test_conductances_sum_to_the_difference_of_scores_at_every_layer():
    net, images = model(), some_images(2)
    for layer in ("conv1", "max_pool", "conv2", "global_pool", "head"):
        result = cv.explain("conductance", net, images, [1, 2], at=layer, nodes=50, baseline="mean")
        assert result.values.shape[1:] == net.layers[layer].shape
        difference = result.scores - result.extras["baseline_score"]
        total = np.asarray(result.values).reshape(2, -1).sum(1)
        np.testing.assert_allclose(total, difference, atol=0.02 * np.abs(difference).max())
        np.testing.assert_allclose(result.extras["completeness_gap"], total - difference, atol=1e-5)
        assert dict(result.provenance.notes)["sum"] == "score - baseline_score"


def test_a_layer_beside_which_other_ways_lead_says_so():
    notes = explained("integrated-gradients", net_r(), "bn2", wave(0, 4, 1)).provenance.notes
    assert "the part of score - baseline_score that passes through bn2; other ways lead round it" in notes[-1]
    assert dict(explained("integrated-gradients", net_r(), "add", wave(0, 4, 1)).provenance.notes)["sum"] == (
        "score - baseline_score"
    )


def test_a_part_that_passes_through_a_layer_is_complete_for_the_layer_alone():
    # What goes round bn2 sees the image itself, so the path begins at f(image with bn2 of black), not at f(black).
    net, image = net_r(), wave(0, 4, 1)
    black = cv.capture(net, np.zeros_like(image), ["bn2"])["bn2"][0]
    moved = float(net.run(jnp.asarray(image), replace={"bn2": jnp.asarray(black)})[0][0])
    result = explained("integrated-gradients", net, "bn2", image, nodes=200)
    assert float(result.extras["baseline_score"][0]) == pytest.approx(moved, abs=1e-6)
    assert abs(float(result.extras["completeness_gap"][0])) < 1e-3


def test_a_slow_loop_over_the_parts_of_the_path_gives_the_same():
    net, image, nodes = model(), some_images(1)[0], 7
    start = np.full_like(image, 0.3)

    def value(share):
        return net.run(jnp.asarray(start + share * (image - start)), read=("conv1",))[1]["conv1"]

    def gradient(share):
        at = jnp.asarray(start + share * (image - start))
        return jax.grad(lambda h: net.run(at, replace={"conv1": h})[0][2])(value(share))

    slow, influence = 0.0, 0.0
    for k in range(nodes):
        left, right = np.float32(k / nodes), np.float32((k + 1) / nodes)
        slow += (value(right) - value(left)) * (gradient(left) + gradient(right)) / 2
        influence += gradient(left) / nodes
    found = explained("conductance", net, "conv1", image, 2, nodes=nodes, baseline=0.3)
    np.testing.assert_allclose(found.values[0], slow, atol=2e-6)
    mean = explained("internal-influence", net, "conv1", image, 2, nodes=nodes, quadrature="riemann_left", baseline=0.3)
    np.testing.assert_allclose(mean.values[0], influence, atol=2e-6)


@pytest.mark.parametrize(
    ("unit", "captum", "limit"), [((0, 0, 0), 0.2546974, 0.2643464), ((1, 0, 0), 0.337266, 0.3448483)]
)
def test_a_units_conductance_over_the_pixels_sums_to_its_conductance(unit, captum, limit):
    whole = explained("conductance", net_c(), "conv2", unit=unit, nodes=1000)
    assert whole.values.shape == (1, 6, 6, 2)
    np.testing.assert_allclose(whole.values.sum(), limit, atol=5e-4)
    peer = explained("conductance", net_c(), "conv2", unit=unit, nodes=50, quadrature="captum")
    np.testing.assert_allclose(peer.values.sum(), captum, atol=3e-6)


def test_the_maps_of_all_units_add_up_to_integrated_gradients():
    units = [explained("conductance", net_m(), "relu", M_IMAGE, unit=(k,), nodes=20).values for k in range(3)]
    whole = explained("integrated-gradients", net_m(), None, M_IMAGE, quadrature="trapezoid", nodes=21).values
    np.testing.assert_allclose(sum(units), whole, atol=1e-5)
    np.testing.assert_allclose(
        explained("conductance", net_c(), "conv2", unit=(0,), nodes=50).values.sum(), 0.7302197, atol=0.02
    )


def test_a_unit_as_the_target_needs_no_layer():
    # Captum 0.9.0 on net C: gradient of the unit; the unit's value less that for black is what a path sums to.
    unit = cv.targets.neuron("conv2", 0, 0, 0)
    gradient = cv.explain("saliency", net_c(), wave(0), unit).values
    np.testing.assert_allclose([gradient.sum(), np.abs(gradient).sum()], [0.5625, 33.9375], atol=1e-4)
    result = explained("conductance", net_c(), target=unit)
    assert result.view == "pixels"
    np.testing.assert_allclose(result.values.sum(), 1.3074541, rtol=0.01)
    mean = explained("internal-influence", net_c(), target=unit).values
    np.testing.assert_allclose((mean * wave(0)).sum(), 1.3074541, rtol=0.02)


def test_the_image_is_a_layer_too():
    with_name = explained("integrated-gradients", net_c(), "input", nodes=5)
    np.testing.assert_array_equal(with_name.values, explained("integrated-gradients", net_c(), nodes=5).values)
    assert with_name.view == "pixels"


def test_results_at_a_layer_do_not_depend_on_the_chunk():
    images = some_images(2)
    one, whole = (
        cv.explain("conductance", model(), images, 1, at="conv2", nodes=6, chunk=chunk).values for chunk in (2, 14)
    )
    np.testing.assert_allclose(one, whole, atol=1e-6)


@pytest.mark.parametrize(
    ("technique", "options", "error", "text"),
    [
        ("conductance", {}, TargetError, "this technique is of a layer: name one, such as at='conv2'"),
        ("internal-influence", {}, TargetError, "this technique is of a layer"),
        ("conductance", {"at": "conv9"}, LayerNotFoundError, "no layer 'conv9'"),
        ("conductance", {"unit": (0, 0, 0)}, UsageError, "needs the layer it is in"),
        ("conductance", {"at": "conv2", "unit": (2, 0, 0)}, UsageError, "unit is .row, col, channel. or .channel,. of"),
        ("conductance", {"at": "conv2", "nodes": 0}, UsageError, "nodes is at least 1, got 0"),
        ("input-x-gradient", {"at": "steps"}, LayerKindError, "holds no numbers that the image changes smoothly"),
    ],
)
def test_says_what_is_wrong(technique, options, error, text):
    net = net_c()
    if options.get("at") == "steps":
        net = cv.adapt(counted, jnp.ones(3), input_shape=(4, 4, 1))
        with pytest.raises(error, match=text):
            cv.explain(technique, net, np.ones((4, 4, 1), np.float32), 0, **options)
        return
    with pytest.raises(error, match=text):
        cv.explain(technique, net, wave(0), 0, **options)


def counted(params, x):
    with jax.named_scope("steps"):
        steps = (x > 0.5).astype(jnp.int32).sum((1, 2))
    return steps.astype(jnp.float32) * params + x.sum((1, 2))
