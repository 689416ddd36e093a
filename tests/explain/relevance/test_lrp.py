"""LRP: published numbers, slow loops, conservation, folding, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.engine import compilations
from cnnviz_jax.errors import RuleError, UsageError
from cnnviz_plugins.explain.relevance.composites import COMPOSITES
from tests.explain import oneconv_network as oneconv
from tests.explain import small_network as small

from . import slow
from .networks import NHWC, conv, drawn, normed, of_parts, two_layers

RULES = ["epsilon(0.1)", "epsilon(0)", "gamma(0.5)", "z+", "alpha-beta(2)", "z^B", "flat", "w^2"]


def lrp(net, images, target=1, **options):
    return cv.explain("lrp", net, images, target, **options)


def unbiased(params):
    return jax.tree_util.tree_map_with_path(lambda path, leaf: leaf * float("bias" not in str(path[-1])), params)


@pytest.fixture(scope="module", params=oneconv.KINDS)
def captums(request):
    return oneconv.model(request.param)


def test_epsilon_rule_gives_captums_numbers(captums):
    # Captum, tests/attr/test_lrp.py, as FACTS has it.
    result = lrp(captums, oneconv.A, 0)
    expected = [[0, 1, 2, 3], [0, 5, 6, 7], [0, 9, 10, 11], [0, 0, 0, 0]]
    np.testing.assert_allclose(result.values[0, ..., 0], expected, atol=2e-4)
    assert float(result.extras["root"][0]) == 54


def test_composites_do_not_depend_on_how_a_network_is_written(captums):
    expected = lrp(oneconv.model("nhwc"), oneconv.A, 0, composite="epsilon-plus-flat").values
    np.testing.assert_allclose(lrp(captums, oneconv.A, 0, composite="epsilon-plus-flat").values, expected, rtol=1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_equals_slow_loops_over_units(rule):
    net, params = two_layers()
    image = small.some_images(1, 5, 4, 2)[0].astype(np.float64)
    mean, std = np.array([0.4, 0.6]), np.array([0.5, 0.25])
    kernel = np.asarray(params["conv"]["kernel"], np.float64)
    weights = slow.matrix_of(kernel, (5, 4, 2))
    slow.TOUCH[:] = list((slow.matrix_of(np.ones_like(kernel), (5, 4, 2)) > 0).astype(float).T)
    x = ((image - mean) / std).ravel()
    bias = np.tile(np.asarray(params["conv"]["bias"], np.float64), 6)
    head, shift = (np.asarray(params["head"][name], np.float64) for name in ("kernel", "bias"))
    hidden = np.maximum(x @ weights + bias, 0)
    scores = hidden @ head + shift
    word, _, number = rule.rstrip(")").partition("(")
    above = "z+" if word in ("z^B", "flat", "w^2") else word
    number = float(number or 0)
    relevance = slow.shares(above, number, hidden, head, shift, scores * (np.arange(4) == 2))
    low, high = (np.broadcast_to((level - mean) / std, (5, 4, 2)).ravel() for level in (0, 1))
    expected = slow.shares(word, number, x, weights, bias, relevance, low=low, high=high)
    above_rule = rule if above == word else above
    found = lrp(net, image.astype(np.float32), 2, rules=(f"conv={rule}", f"*={above_rule}")).values[0]
    np.testing.assert_allclose(found.ravel(), expected, rtol=2e-3, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize("takes", [True, False])
def test_gamma_favours_the_side_of_what_the_layer_gives_its_bias_included(takes):
    """Of three units one has W x < 0 < W x + b: positive contributions count more there, also if b takes no share."""
    rng = np.random.default_rng(8)
    weights, x = rng.normal(size=(6, 3)), rng.uniform(0.2, 1, size=6)
    bias = -(x @ weights) + np.array([0.3, -0.2, 0.4])
    assert (x @ weights * (x @ weights + bias) < 0).any()
    params = [jnp.asarray(weights, jnp.float32), jnp.asarray(bias, jnp.float32), jnp.ones((3, 1))]

    def forward(p, x):
        flat = x.reshape(len(x), -1)
        with jax.named_scope("first"):
            x = flat @ p[0] + p[1]
        return jax.nn.leaky_relu(x) @ p[2]

    net = cv.adapt(forward, params, input_shape=(2, 3, 1))
    hidden = x @ weights + bias
    hidden = np.where(hidden > 0, hidden, 0.01 * hidden)
    expected = slow.shares("gamma", 0.5, x, weights, bias, hidden, epsilon=0.0, takes=takes)
    found = lrp(net, x.reshape(1, 2, 3, 1).astype(np.float32), 0, rules=("first=gamma(0.5)",), epsilon=0.0, bias=takes)
    np.testing.assert_allclose(found.values.ravel(), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_the_identity_rule_passes_relevance_on_place_by_place():
    kernel, head = drawn(3, (3, 3, 2, 2), (24, 4))
    params = {"same": kernel, "head": head}

    def forward(params, x):
        with jax.named_scope("same"):
            x = conv(x, params["same"], "SAME")
        flat = jax.nn.relu(x).reshape(len(x), -1)
        with jax.named_scope("head"):
            return flat @ params["head"]

    net, image = cv.adapt(forward, params, input_shape=(4, 3, 2)), small.some_images(1, 4, 3, 2)
    found = lrp(net, image, rules=("same=identity",), epsilon=0.0)
    assert dict(found.provenance.notes)["rules"] == ("same: identity", "head: epsilon(0)")
    middle = np.maximum(np.asarray(conv(jnp.asarray(image), kernel, "SAME")), 0)
    np.testing.assert_allclose(found.values.ravel(), middle.ravel() * np.asarray(head)[:, 1], rtol=1e-4, atol=1e-6)
    with pytest.raises(RuleError, match=r"identity hands .* 'head' in .* makes \(4,\) of \(24,\); epsilon serves"):
        lrp(net, image, rules=("head=identity",))


def test_a_rule_for_all_layers_is_true_of_a_network_without_any():
    net = cv.adapt(lambda p, x: (x * p).sum((1, 2)), jnp.ones((2, 3, 2)), input_shape=(2, 3, 2))
    image = small.some_images(1, 2, 3, 2)
    found = lrp(net, image, 1, rules=("*=gamma(0.25)",))
    np.testing.assert_allclose(found.values[0, ..., 1], image[0, ..., 1], rtol=1e-5)
    with pytest.raises(RuleError, match=r"conv1=flat fits no layer with weights"):
        lrp(net, image, 1, rules=("conv1=flat",))


@pytest.mark.parametrize("function", [jnp.sinh, jnp.arcsin, jnp.arctanh, jax.lax.erf_inv])
def test_every_elementwise_function_passes_relevance_unit_by_unit(function):
    kernel, head = drawn(3, (3, 3, 2, 3), (18, 4))

    def forward(params, x):
        return function(conv(x, 0.1 * params[0])).reshape(len(x), -1) @ params[1]

    result = lrp(cv.adapt(forward, [kernel, head], input_shape=(5, 4, 2)), small.some_images(1, 5, 4, 2), epsilon=0.0)
    assert not result.warnings
    np.testing.assert_allclose(result.values.sum(), result.extras["root"][0], rtol=1e-4)


def test_lrp_0_is_input_times_gradient_on_relu_networks():
    images = small.some_images(3)
    expected = cv.explain("input-x-gradient", small.model(), images, 1).values
    found = lrp(small.model(), images, epsilon=0.0)
    np.testing.assert_allclose(found.values, expected, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    "composite", sorted(name for name in COMPOSITES if "preset" not in name)
)  # whose epsilon keeps
def test_all_relevance_arrives_without_biases(composite):
    net = small.model().with_params(unbiased(small.parameters()))
    result = lrp(net, small.some_images(3), composite=composite)
    np.testing.assert_allclose(result.extras["root"], result.scores, rtol=1e-5)
    np.testing.assert_allclose(result.values.sum((1, 2, 3)), result.scores, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("composite", ["z+", "epsilon-plus-flat"])
def test_biases_take_a_share_unless_told_not_to(composite):
    images = small.some_images(2)
    kept = lrp(small.model(), images, composite=composite)
    assert np.abs(kept.extras["conservation_gap"]).min() > 1e-3
    rules = () if composite == "z+" else ("head=z+",)
    all_on = lrp(small.model(), images, composite=composite, bias=False, rules=rules)
    np.testing.assert_allclose(all_on.extras["conservation_gap"], 0, atol=1e-3)


@pytest.mark.parametrize("rule", ["epsilon(0.1)", "gamma(0.5)", "z+", "alpha-beta(2)", "z^B", "flat", "w^2"])
def test_batch_norm_is_folded_whatever_the_sign_of_its_scale(rule):
    images = small.some_images(2, 8, 6)
    options = {"rules": (f"conv={rule}", "*=alpha-beta(2)")}
    unfolded, folded = lrp(normed(False), images, **options), lrp(normed(True), images, **options)
    assert np.abs(folded.values).max() > 1e-3
    np.testing.assert_allclose(unfolded.values, folded.values, atol=1e-4 * np.abs(folded.values).max())


def test_sums_joins_gates_norms_and_pools_conserve_relevance():
    result = lrp(of_parts(), small.some_images(2, 9, 7), composite="epsilon-plus-flat", epsilon=1e-9)
    assert result.warnings == ()
    np.testing.assert_allclose(result.values.sum((1, 2, 3)), result.scores, rtol=5e-3, atol=5e-4)


def test_a_sum_is_shared_in_proportion_to_its_summands():
    def forward(params, x):
        return (x[..., :1] * 3 + x[..., 1:]).reshape(len(x), -1) @ params["head"]

    net = cv.adapt(forward, {"head": jnp.eye(2)}, input_shape=(1, 2, 2))
    image = np.array([[[0.2, 0.4], [0.5, 0.5]]], np.float32)
    np.testing.assert_allclose(lrp(net, image, 0).values[0], [[[0.6, 0.4], [0, 0]]], atol=1e-5)


def test_bundled_network_has_its_norms_folded_and_its_skip_shared():
    images, _ = cv.example_images("shapes", 2)
    result = lrp(cv.load_model("shapes"), images, None, composite="epsilon-plus-flat", bias=False)
    rules = dict(text.split(": ") for text in dict(result.provenance.notes)["rules"])
    assert (rules["conv1"], rules["conv4"], rules["fc"]) == ("flat", "z+", "epsilon(1e-06)")
    np.testing.assert_allclose(result.values.sum((1, 2, 3)), result.scores, rtol=1e-2)


def test_own_rules_go_before_the_composites():
    result = lrp(small.model(), small.some_images(1), composite="z+", rules=("conv*=gamma(0.1)", "conv1=flat"))
    assert dict(result.provenance.notes)["rules"] == ("conv1: gamma(0.1)", "conv2: gamma(0.1)", "head: z+")


def test_innvestigates_presets_and_epsilon_by_name():
    """alpha 1 or 2 at convolutions, epsilon 0.1 at dense layers, flat at the first; plain epsilon is 1e-7."""
    images = small.some_images(1)
    for composite, rules in (
        ("sequential-preset-a", ("conv1: alpha-beta(1)", "conv2: alpha-beta(1)", "head: epsilon(0.1)")),
        ("sequential-preset-b-flat", ("conv1: flat", "conv2: alpha-beta(2)", "head: epsilon(0.1)")),
    ):
        result = lrp(small.model(), images, composite=composite)
        assert dict(result.provenance.notes)["rules"] == rules
    named = lrp(small.model(), images, convention="innvestigate")
    assert dict(named.provenance.notes)["epsilon"] == 1e-7
    np.testing.assert_array_equal(named.values, lrp(small.model(), images, epsilon=1e-7).values)


def test_numbers_of_captum_and_zennit():
    """Captum 0.9.0's LRP, and zennit 0.5.1's Gamma(0.25) for convolutions and Epsilon for the rest, with biases and
    with `zero_params="bias"`, target 2; the average is a module there. Mean and six entries of the map."""
    from tests.explain.cam import peers_network as peers

    gamma = {"rules": ("kind:conv=gamma(0.25)", "*=epsilon(1e-6)")}
    for options, mean, entries in (
        ({"convention": "captum"}, 0.00010875553,
         [0.000712849, 0.000165405, 0.00176558, 0.000180144, -0.000715375, 0.000485791]),
        (gamma, -0.00024530568, [0.000242789, 5.44248e-05, -0.00129829, 0.000145398, 0.000612968, 8.5875e-05]),
        ({**gamma, "bias": False}, -0.00052768370,
         [0.000688875, 6.06624e-05, -0.00179323, 0.000199338, 0.00110769, 9.63954e-05]),
    ):  # fmt: skip
        found = np.asarray(lrp(peers.model(), peers.image(), 2, **options).values[0]).ravel()
        atol = 5e-6 * np.abs(found).max()
        np.testing.assert_allclose(found.mean(), mean, atol=atol)
        np.testing.assert_allclose(found[(37 * np.arange(6) + 5) % found.size], entries, atol=atol)


def test_captums_epsilon_by_name():
    images = small.some_images(1)
    named = lrp(small.model(), images, convention="captum")
    assert dict(named.provenance.notes)["epsilon"] == 1e-9
    np.testing.assert_array_equal(named.values, lrp(small.model(), images, epsilon=1e-9).values)


def test_a_layers_unit_and_a_probability_can_be_the_root():
    images = small.some_images(1)
    unit = cv.targets.neuron("conv2", 2, 3, 1)
    result = lrp(small.model(), images, unit, epsilon=0.0)
    expected = cv.explain("input-x-gradient", small.model(), images, unit).values
    np.testing.assert_allclose(result.values, expected, atol=1e-5)
    np.testing.assert_allclose(result.extras["root"], result.scores, rtol=1e-5)


def test_an_operation_without_a_rule_is_named():
    def forward(params, x):
        return jax.nn.softmax(x.reshape(len(x), -1) * 2) @ params["head"]

    net = cv.adapt(forward, {"head": jnp.ones((6, 3))}, input_shape=(2, 3, 1))
    result = lrp(net, small.some_images(1, 2, 3, 1))
    assert any("lrp has no rule for softmax: gradient times input" in warning for warning in result.warnings)
    assert np.isfinite(result.values).all()


@pytest.mark.parametrize("chunk", [1, 7, "auto"])
def test_does_not_depend_on_the_chunk(chunk):
    images = small.some_images(4)
    expected = lrp(small.model(), images, composite="epsilon-plus-flat", chunk=3).values
    found = lrp(small.model(), images, composite="epsilon-plus-flat", chunk=chunk).values
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_more_images_and_other_weights_do_not_compile_more():
    net = small.model()
    lrp(net, small.some_images(2), chunk=1)
    before = compilations()
    lrp(net.with_params(small.parameters(seed=4)), small.some_images(3, seed=2), 2, chunk=1)
    assert compilations() == before


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"rules": ("conv1=omega",)}, UsageError, "no relevance rule 'omega'; there are epsilon, gamma, z"),
        ({"rules": ("conv1",)}, UsageError, "rules are written pattern=rule, such as conv1=flat"),
        ({"rules": ("conv1=flat(2)",)}, UsageError, "the relevance rule flat takes no number"),
        ({"rules": ("conv1=alpha-beta(0.5)",)}, UsageError, "alpha-beta is at least 1, got 0.5"),
        ({"rules": ("kind:pool=z+",)}, UsageError, "layers with weights are kind:conv or kind:dense"),
        ({"rules": ("convv1=z+",)}, RuleError, "fits no layer with weights of small. Did you mean 'conv1'"),
        ({"rules": ("conv2=z^B",)}, RuleError, "'conv2' in small are not known: it does not see the image itself"),
        ({"epsilon": -1.0}, UsageError, "epsilon is a number from 0 on, got -1.0"),
        ({"composite": "epsilon-flat"}, UsageError, "composite is one of 'epsilon'"),
    ],
)
def test_says_what_is_wrong(options, error, text):
    with pytest.raises(error, match=text):
        lrp(small.model(), small.some_images(1), **options)


@pytest.mark.parametrize(("composite", "channels"), [("epsilon-gamma-box", 1), ("epsilon-alpha2-beta1-flat", 5)])
def test_nothing_is_nan_on_constant_images_and_dead_networks(composite, channels):
    images = np.stack([np.full((9, 7, channels), level, np.float32) for level in (0, 0.5, 1)])
    net = of_parts(channels)
    assert np.isfinite(lrp(net, images, composite=composite, epsilon=0.0).values).all()
    dead = net.with_params(jax.tree.map(jnp.zeros_like, net.params))
    np.testing.assert_array_equal(lrp(dead, images, composite=composite, epsilon=0.0).values, 0)


def test_padding_takes_no_share_of_flat_relevance_and_depthwise_weights_are_kept_apart():
    def forward(params, x):
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        x = jax.lax.conv_general_dilated(
            x, params["kernel"], (3, 3), "VALID", dimension_numbers=NHWC, feature_group_count=2
        )
        return jax.nn.relu6(x).reshape(len(x), -1)

    kernel = jnp.stack([jnp.full((3, 3, 1), 0.5), jnp.full((3, 3, 1), 0.25)], -1)
    net = cv.adapt(forward, {"kernel": kernel}, input_shape=(2, 2, 2))
    image = np.ones((2, 2, 2), np.float32)
    found = lrp(net, image, 1, composite="epsilon-plus-flat", epsilon=0.0).values[0]
    np.testing.assert_allclose(found[..., 0], 0, atol=1e-6)  # the other channel's weights
    np.testing.assert_allclose(found[..., 1], 0.25, atol=1e-6)  # 4 x 0.25, shared by 4 pixels and no padding
