"""AttnLRP: the paper's rules on small arrays, LXT's numbers on a small transformer, the same in another framework."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import cnnviz_jax as cv
from cnnviz_plugins.explain.relevance.lrp import settings_of
from cnnviz_plugins.explain.relevance.plugin import AttnLrpConfig, LrpConfig
from cnnviz_plugins.explain.relevance.propagation import model_plan
from cnnviz_plugins.explain.relevance.sharing import shared, softmaxed
from tests.explain.attention.transformer import HEADS, IMAGE, PATCH, SIDE, WIDTH, transformer


@pytest.fixture(scope="module")
def model():
    return cv.adapt(transformer(), input_shape=(SIDE, SIDE, 3))


def sent(function, relevance, *values):
    """What comes back of a relevance of `function(*values)`."""
    return jax.vjp(function, *values)[1](jnp.asarray(relevance, jnp.float32))


def test_softmax_shares_as_proposition_31():
    scores = jnp.sin(jnp.arange(3.0))
    (found,) = sent(lambda z: softmaxed(jax.nn.softmax, z), [1, -0.5, 2], scores)
    np.testing.assert_allclose(found, [0.0, -1.2617841, 0.8459718], atol=2e-6)


def test_what_a_mask_closed_gets_nothing():
    scores = jnp.array([1.0, -jnp.inf, 2.0])
    (found,) = sent(lambda z: softmaxed(jax.nn.softmax, z), [1, 0, 2], scores)
    (alone,) = sent(lambda z: softmaxed(jax.nn.softmax, z), [1, 2], scores[::2])
    np.testing.assert_allclose(found, [alone[0], 0, alone[1]], rtol=1e-6)


def test_a_product_hands_half_to_each_factor():
    weights = jax.nn.softmax(2 * jnp.sin(jnp.arange(9.0)).reshape(3, 3), axis=-1)
    values = jnp.cos(jnp.arange(6.0)).reshape(3, 2)
    both = sent(lambda a, v: shared(jnp.matmul, (a, v), 0.0, 0.5), [[1, 0], [0, 1], [1, 1]], weights, values)
    expected = (
        [[-0.0949132, 0.2125523, 0.3823609], [0.6631035, -0.2016744, 0.0385709], [-0.166912, 1.5280518, -0.3611398]],
        [[-0.1450368, 0.5463151], [0.3482701, 1.1906595], [0.7967667, -0.7369746]],
    )
    for found, numbers in zip(both, expected, strict=True):
        np.testing.assert_allclose(found, numbers, atol=4e-6)


def by_patch(values):
    """Sums of a map over the patches."""
    count = SIDE // PATCH
    return np.asarray(values).reshape(count, PATCH, count, PATCH, -1).sum((1, 3, 4))


def test_gives_lxts_numbers(model):
    # LXT 2.1 (lxt.efficient's rules, run once in float64 on this network), relevance of class 2 by patch.
    expected = [[0.0218921, 0.0188817, 0.0151501], [0.0136389, 0.0118641, 0.0109505], [0.0156625, 0.0119667, 0.0055062]]
    found = cv.explain("attn-lrp", model, IMAGE, 2)
    assert not found.warnings
    np.testing.assert_allclose(by_patch(found.values[0]), expected, atol=1e-5 * np.max(expected))
    np.testing.assert_allclose(found.extras["root"], 0.3753057, rtol=1e-5)


class Written(nnx.Module):
    """The same transformer, its attention by `jax.nn.dot_product_attention` and its norms by hand."""

    def __init__(self, network):
        self.network = network

    def __call__(self, images):
        net = self.network
        patches = net.conv_proj(images).reshape(len(images), -1, WIDTH)
        first = jnp.broadcast_to(net.class_token[...], (len(images), 1, WIDTH))
        x = jnp.concatenate([first, patches], axis=1) + net.encoder.pos_embedding[...]
        for number in range(2):
            block = getattr(net.encoder.layers, f"encoder_layer_{number}")
            attention = block.self_attention
            both = normed(block.ln_1, x) @ attention.in_proj_weight[...].T + attention.in_proj_bias[...]
            q, k, v = (part.reshape(*x.shape[:2], HEADS, -1) for part in jnp.split(both, 3, axis=-1))
            x = x + attention.out_proj(jax.nn.dot_product_attention(q, k, v).reshape(x.shape))
            hidden = jax.nn.gelu(block.mlp[0](normed(block.ln_2, x)), approximate=False)
            x = x + block.mlp[3](hidden)
        return net.heads(normed(net.encoder.ln, x)[:, 0])


def normed(norm, x):
    centred = x - x.mean(-1, keepdims=True)
    return centred / jnp.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6) * norm.scale[...] + norm.bias[...]


def test_does_not_depend_on_how_attention_is_written(model):
    expected = cv.explain("attn-lrp", model, IMAGE, 2).values
    found = cv.explain("attn-lrp", cv.adapt(Written(transformer()), input_shape=(SIDE, SIDE, 3)), IMAGE, 2).values
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def test_plain_lrp_has_no_rule_for_this_softmax_and_says_so(model):
    (told,) = model_plan(model, settings_of(LrpConfig())).warnings("lrp")
    assert "lrp has no rule for encoder.layers.encoder_layer_0.self_attention" in told
    assert "attn-lrp has one for softmax layers" in told


def test_rules_are_those_of_lrp(model):
    config = AttnLrpConfig(rules=("kind:conv=gamma(0.25)", "kind:dense=gamma(0.05)"))
    plan = model_plan(model, settings_of(config))
    assert plan.rules[0] == "conv_proj: gamma(0.25)"
    assert {rule.rpartition(" ")[2] for rule in plan.rules[1:]} == {"gamma(0.05)"}
