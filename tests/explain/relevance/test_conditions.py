"""Concept relevance: published numbers, an independent way round, sums of channels, cost, refusals."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.engine import compilations
from cnnviz_jax.errors import LayerKindError, LayerNotFoundError, UsageError
from cnnviz_jax.plugin import Case
from cnnviz_plugins.explain.relevance.conditional import build, conditioned
from cnnviz_plugins.explain.relevance.descent import Descent
from cnnviz_plugins.explain.relevance.lrp import settings_of
from cnnviz_plugins.explain.relevance.plugin import LrpConfig
from tests.explain import known_networks as known
from tests.explain import small_network as small

from .networks import conv, drawn, normed

X = known.wave(0)[None]
XR = known.wave(0, 4, 1)[None]


def lrp(net, images=X, target=0, **options):
    return cv.explain("lrp", net, images, target, **options)


def traced(net, image, layers, function, **options):
    """What `function(descent, image)` gives, compiled once however much it asks for."""

    def run(image):
        return function(Descent.of(net, cv.targets.class_score(0), settings_of(LrpConfig(**options)), layers), image)

    return jax.jit(run)(image)


def masks_of(net, **channels):
    return [(name, jnp.zeros(net.layers[name].channels).at[jnp.asarray(c)].set(1)) for name, c in channels.items()]


@pytest.mark.parametrize("kind", ["nchw", "linen"])
def test_equals_the_numbers_of_zennit_crp_however_a_network_is_written(kind):
    both = lrp(known.net_c(kind), conditions=[{"conv2": [0]}, {"conv2": [1]}])
    rows = [[0.1256421, 0.2932992, -0.506224, 0.0058058, 0, 0], [0.047453, 0.1800678, -0.3793501, 0, 0, 0]]
    np.testing.assert_allclose(both.values[0, 0].T, rows, atol=5e-6)
    np.testing.assert_allclose(both.values.sum((0, 1, 2)), [0.5739689, -0.8108791], atol=5e-6)
    assert both.view == "maps"
    assert both.extras["bypassed"].tolist() == [0]


def test_several_layers_equal_the_numbers_of_zennit_crp():
    nested = lrp(known.net_c(), conditions={"conv1": [2], "conv2": [0]})
    np.testing.assert_allclose(nested.values.sum(), -0.2968235, atol=5e-6)
    np.testing.assert_allclose(nested.values[0, 0].sum(-1), [0.0939425, -0.0250637, 0, 0, 0, 0], atol=5e-6)
    np.testing.assert_allclose(nested.extras["root"], nested.scores, rtol=1e-6)
    assert dict(nested.provenance.notes)["layers"] == ("conv2", "conv1")


def test_the_channels_below_a_condition_share_what_it_lets_through():
    def below(descent, image):
        arriving = descent.leg(image, None, ("conv2", "conv1")).down()[1]
        leg = descent.leg(image, "conv2", ("conv1",))
        shares = [leg.down(arriving["conv2"] * jnp.eye(2)[c])[1]["conv1"].sum((0, 1)) for c in (0, 1)]
        return arriving["conv1"].sum((0, 1)), arriving["conv2"].sum((0, 1)), *shares

    found = traced(known.net_c(), X[0], ("conv2", "conv1"), below)
    expected = [2.4245554, -1.1023228, -0.6685191], [0.7302187, -0.5765045]
    parts = [2.0665926, -0.4770512, -0.4843232], [0.3579628, -0.6252716, -0.1841959]
    for one, other in zip(found, (*expected, *parts), strict=True):
        np.testing.assert_allclose(one, other, atol=5e-6)


def test_relevance_at_a_layer_under_a_condition_equals_the_numbers_of_zennit_crp():
    found = lrp(known.net_c("nchw"), at="conv1", conditions={"conv2": [0]})
    np.testing.assert_allclose(found.values.sum((0, 1, 2)), [2.0665926, -0.4770512, -0.4843232], atol=5e-6)
    assert found.view == "layer"


def test_relevance_is_read_at_conditioned_layers_and_round_them():
    def several(descent, image):
        def at(name, skip, **channels):
            return conditioned(descent, image, masks_of(net, **channels), skip, name)

        arriving = descent.leg(image, None, ("relu1",)).down()[1]["relu1"]
        return (
            *(at("conv2", skip, conv2=[0]) for skip in ("exclude", "keep")),
            *(at("relu1", "exclude", conv2=[c]) for c in (0, 1)),
            *(at("relu1", "keep", conv2=[c]) for c in (0, 1)),
            arriving,
        )

    # Once masked, the peer's record of such a layer is twice this.
    net = known.net_r()
    own, kept, *rest = traced(net, XR[0], ("conv2", "relu1"), several)
    assert np.abs(own[..., 0]).max() > 1e-3
    np.testing.assert_array_equal(own[..., 1], 0)
    np.testing.assert_allclose(own, kept, atol=1e-7)
    (first, second), (with_first, with_second), arriving = rest[:2], rest[2:4], rest[4]
    np.testing.assert_allclose(with_first, arriving - second, atol=1e-6)
    np.testing.assert_allclose(with_second, arriving - first, atol=1e-6)


def test_z_plus_with_biases_equals_zennits_numbers():
    found = cv.explain("concept-relevance", known.net_c(), X, 0, layer="conv1", rules=("kind:conv=z+",), count=2)
    np.testing.assert_allclose(found.extras["channel_relevance"][0], [0.3823363, -0.1890617, 0.00805], atol=5e-6)
    assert found.extras["channels"].tolist() == [[0, 1]]
    np.testing.assert_allclose(found.extras["relevance"], [[0.3823363, -0.1890617]], atol=5e-6)
    np.testing.assert_allclose(found.values.sum() + found.extras["rest"].sum(), 0.1616228, atol=5e-6)
    assert not found.extras["bypass"].any()


@pytest.mark.parametrize(
    ("net", "image", "layers"),
    [
        (known.net_c(), X[0], ("pool", "conv2")),
        (known.net_r(), XR[0], ("conv1", "conv2", "relu2")),
        (normed(False), small.some_images(1, 8, 6)[0], ("conv", "head")),
    ],
    ids=["plain", "residual", "norms"],
)
def test_maps_of_all_channels_and_what_passes_by_add_up_to_lrps(net, image, layers):
    # Rules that treat signs apart would tell a BatchNorm that is folded in LRP and not here.
    options = {"composite": "epsilon-plus-flat"}

    def parts(descent, image):
        whole = descent.leg(image, None, layers).down()[0]
        plain = Descent.of(net, descent.target, descent.settings, ()).leg(image, None).down()[0]
        sums = {}
        for name in layers:
            channels = jnp.eye(net.layers[name].channels)
            maps = jax.vmap(lambda mask, name=name: conditioned(descent, image, [(name, mask)]))(channels)
            kept = conditioned(descent, image, [(name, 0 * channels[0])], "keep")
            sums[name] = maps.sum(0) + kept
            assert descent.may_pass_by((name,)) == (name == "conv2" and net.name == "net r")
        return whole, plain, sums

    whole, plain, sums = traced(net, image, layers, parts, **options)
    np.testing.assert_allclose(whole, plain, atol=1e-6)
    for name in layers:
        np.testing.assert_allclose(sums[name], plain, atol=1e-5)


def test_a_condition_leaves_out_what_passes_by_and_says_how_much():
    # LRP-0 of a network of ReLUs is gradient times input, so the gradient with the skip held fixed is the way round.
    net, params, x = known.net_r(), known.r_parameters(), jnp.asarray(XR)

    def score(hold, x):
        h = jax.nn.relu(known._norm(params, "bn1", known._conv(params, "conv1", x, "SAME", "nhwc"), "nhwc"))
        above = known._norm(params, "bn2", known._conv(params, "conv2", h, "SAME", "nhwc"), "nhwc")
        top = jax.nn.relu(above + hold(h)).mean((1, 2))
        return (top @ params["dense"]["kernel"] + params["dense"]["bias"])[0, 0]

    expected = np.asarray(jax.grad(lambda x: score(jax.lax.stop_gradient, x))(x) * x)
    whole = np.asarray(jax.grad(lambda x: score(lambda h: h, x))(x) * x)
    found = lrp(net, XR, conditions={"conv2": [0, 1]}, epsilon=1e-9)
    np.testing.assert_allclose(found.values, expected, atol=1e-5)
    by = whole.sum() - expected.sum()
    np.testing.assert_allclose(found.extras["bypassed"], [by], atol=1e-5)
    np.testing.assert_allclose(found.extras["removed_share"], [by / whole.sum()], rtol=1e-3)


def test_layers_are_an_and_channels_an_or_and_what_passes_by_may_be_kept():
    net, layers = known.net_r(), ("conv2", "relu1")

    def asked(**channels):
        return masks_of(net, **channels)

    def several(descent, image):
        return [
            conditioned(descent, image, asked(**channels), skip)
            for channels, skip in [
                ({"conv2": [0], "relu1": [1]}, "keep"),
                ({"relu1": [1]}, "keep"),
                ({"conv2": [1], "relu1": [1]}, "exclude"),
                ({"conv2": [0, 1], "relu1": [0, 1]}, "keep"),
                ({"relu1": [0]}, "exclude"),
            ]
        ]

    kept, one, through, everything, other = traced(net, XR[0], layers, several)
    # relu1 is a cut, so that only conv2's channel 1 brings it less than it would get.
    np.testing.assert_allclose(kept, one - through, atol=1e-6)
    np.testing.assert_allclose(everything, one + other, atol=1e-6)
    assert np.abs(through).max() > 1e-3


def deep():
    kernels = drawn(2, *[(3, 3, 3 if not k else 8, 8) for k in range(6)], (8, 4))

    def forward(params, x):
        for k, kernel in enumerate(params[:-1]):
            with jax.named_scope(f"conv{k}"):
                x = conv(x, kernel, "SAME")
            x = jax.nn.relu(x)
        return x.mean((1, 2)) @ params[-1]

    return cv.adapt(forward, kernels, input_shape=(12, 12, 3))


def test_sixteen_conditions_cost_at_most_four_times_one_lrp():
    net, image = deep(), small.some_images(1, 12, 12)[0]

    def flops(conditions):
        fold = build(LrpConfig(conditions=conditions), net)

        def run(image):
            case = Case(net, cv.targets.class_score(1), None, image)
            case = replace(case, context=fold.prepare(case))
            found = jax.vmap(lambda index: fold.evaluate(replace(case, index=index)))(jnp.arange(fold.evaluations))
            return fold.finish(case, found), net.score(image, case.target)[0]

        return jax.jit(run).lower(image).compile().cost_analysis()["flops"]

    sixteen = tuple(f"conv3={first % 8},{first // 8 + 1}" for first in range(16))
    assert build(LrpConfig(conditions=sixteen), net).evaluations == 16
    assert flops(sixteen) <= 4 * flops(())


def test_other_images_classes_and_weights_compile_nothing():
    net = known.net_c()
    lrp(net, X, conditions={"conv2": [1]})
    before = compilations()
    other = net.with_params(jax.tree.map(lambda leaf: 2 * leaf, net.params))
    lrp(other, known.FOUR[:1], 2, conditions={"conv2": [1]})
    assert compilations() == before


def test_a_condition_without_effect_where_relevance_is_read_is_refused():
    with pytest.raises(UsageError, match="a condition at 'conv1' changes no relevance at 'conv2'"):
        lrp(known.net_c(), at="conv2", conditions={"conv1": [0]})
    with pytest.raises(UsageError, match="read under one condition, got 2"):
        lrp(known.net_c(), at="conv1", conditions=[{"conv2": [0]}, {"conv2": [1]}])


def test_codes_of_a_dictionary_are_refused_by_name():
    net = known.net_c()
    features = cv.learn_dictionary("nmf", np.abs(drawn(0, (16, 2))[0]), size=3, iterations=2)
    wider = net.with_dictionary(features, layer="relu2")
    with pytest.raises(LayerKindError, match="holds a dictionary's codes of 'relu2'"):
        lrp(wider, conditions={"relu2.dictionary": [0]})


@pytest.mark.parametrize(
    ("conditions", "error", "text"),
    [
        ("conv2", UsageError, "conditions is tuple"),
        (("conv2",), UsageError, "a condition is layer=channels, such as 'conv3=31,5'"),
        ({"conv2": [2]}, UsageError, "layer 'conv2' has channels 0 to 1, got 2"),
        ({"conv2": [-1]}, UsageError, "a condition is layer=channels"),
        ({"conv9": [0]}, LayerNotFoundError, "no layer 'conv9'"),
        ({"input": [0]}, UsageError, "'input' is the image itself"),
        ([{"conv2": [0]}, {"conv1": [0]}], UsageError, "conditions of one call name the same layers"),
        (("conv2=0; conv2=1",), UsageError, "names layer 'conv2' twice"),
    ],
)
def test_a_condition_that_fits_nothing_is_refused(conditions, error, text):
    with pytest.raises(error, match=text):
        lrp(known.net_c(), conditions=conditions)


def test_a_channel_that_the_layer_lacks_gets_no_map():
    with pytest.raises(UsageError, match="layer 'conv2' has channels 0 to 1, got 7"):
        cv.explain("concept-relevance", known.net_c(), X, 0, layer="conv2", channels=(7,))
    with pytest.raises(UsageError, match="count is at least 1"):
        cv.explain("concept-relevance", known.net_c(), X, 0, layer="conv2", count=0)
