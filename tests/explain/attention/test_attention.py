"""Rollout and LeGrad: small numbers, slow loops, what they must hold, on tokens with and without a class token."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import cnnviz_jax as cv
from cnnviz_jax.errors import LayerKindError, LayerNotFoundError, UsageError
from cnnviz_plugins.explain.attention.legrad import weighed
from cnnviz_plugins.explain.attention.rollout import rollout
from cnnviz_plugins.models.vision_transformer import VisionTransformer
from tests.explain.attention.transformer import HEADS, IMAGE, PATCH, SIDE, WIDTH, transformer


def vit():
    network = VisionTransformer(side=SIDE, patch=PATCH, depth=2, width=WIDTH, heads=HEADS, classes=4, rngs=nnx.Rngs(0))
    network.eval()
    return network


@pytest.fixture(scope="module")
def model():
    return cv.adapt(vit(), input_shape=(SIDE, SIDE, 3))


def images(count=2):
    return np.random.default_rng(3).uniform(size=(count, SIDE, SIDE, 3)).astype(np.float32)


def waves(start):
    """softmax over the last axis of 2 sin(k + start), 2 heads of 3 x 3."""
    return jax.nn.softmax(2 * jnp.sin(jnp.arange(18.0) + start).reshape(2, 3, 3), axis=-1)


def test_two_layers_of_three_tokens_by_the_papers_formula():
    expected = [[0.574147, 0.1745462, 0.2513068], [0.320452, 0.3901437, 0.2894043], [0.3111444, 0.1661151, 0.5227405]]
    np.testing.assert_allclose(rollout([waves(0), waves(18)]), expected, atol=2e-6)


def test_a_gradient_by_attention_is_rectified_and_averaged():
    gradient = jnp.cos(jnp.arange(18.0)).reshape(2, 3, 3)
    np.testing.assert_allclose(weighed(gradient), [0.4673374, 0.3669419, 0.0708042], atol=2e-6)


def attended(network, tokens, number):
    """One block's attention and what it hands on, in NumPy's order of operations."""
    block = getattr(network.encoder.layers, f"encoder_layer_{number}")
    y = block.ln_1(tokens)
    both = y @ block.self_attention.in_proj_weight.T + block.self_attention.in_proj_bias[...]
    q, k, _ = both.reshape(1, -1, 3, HEADS, WIDTH // HEADS).transpose(2, 0, 3, 1, 4)
    weights = jax.nn.softmax(q @ k.swapaxes(-1, -2) / (WIDTH // HEADS) ** 0.5)
    return weights, lambda weights: _rest(block, tokens, weights)


def _rest(block, tokens, weights):
    both = block.ln_1(tokens) @ block.self_attention.in_proj_weight.T + block.self_attention.in_proj_bias[...]
    v = both.reshape(1, -1, 3, HEADS, WIDTH // HEADS).transpose(2, 0, 3, 1, 4)[2]
    mixed = (weights @ v).transpose(0, 2, 1, 3).reshape(tokens.shape)
    tokens = tokens + block.self_attention.out_proj(mixed)
    hidden = jax.nn.gelu(block.mlp[0](block.ln_2(tokens)), approximate=False)
    return tokens + block.mlp[3](hidden)


def first_tokens(network, image):
    patches = network.conv_proj(image[None]).reshape(1, -1, WIDTH)
    tokens = jnp.concatenate([jnp.broadcast_to(network.class_token[...], (1, 1, WIDTH)), patches], axis=1)
    return tokens + network.encoder.pos_embedding[...]


def test_rollout_equals_a_loop_through_the_network(model):
    network, image = vit(), images(1)[0]
    tokens, layers = first_tokens(network, image), []
    for number in range(2):
        weights, rest = attended(network, tokens, number)
        layers.append(weights[0])
        tokens = rest(weights)
    found = cv.explain("attention-rollout", model, image, 0)
    np.testing.assert_allclose(found.low_res[0].ravel(), rollout(layers)[0, 1:], rtol=1e-4)
    assert found.values.shape == (1, SIDE, SIDE)


def test_legrad_equals_a_loop_through_the_network(model):
    network, image = vit(), images(1)[0]
    tokens, rows = first_tokens(network, image), []
    for number in range(2):
        weights, rest = attended(network, tokens, number)
        score = lambda w, rest=rest: network.heads(network.encoder.ln(rest(w))[:, 0])[0, 2]  # noqa: E731
        rows.append(np.maximum(jax.grad(score)(weights)[0], 0).mean((0, 1))[1:])
        tokens = rest(weights)
    found = cv.explain("legrad", model, image, 2)
    np.testing.assert_allclose(found.low_res[0].ravel(), np.mean(rows, 0), rtol=1e-3, atol=1e-8)
    np.testing.assert_allclose(found.extras["per_layer"][0].reshape(2, -1), rows, rtol=1e-3, atol=1e-8)
    scaled = cv.explain("legrad", model, image, 2, scale="min-max").values
    np.testing.assert_allclose((scaled.min(), scaled.max()), (0, 1), atol=1e-6)


def test_legrad_of_mean_tokens_gives_torch_cams_numbers():
    # torch-cam 0.5.0, LeGrad of both blocks, not normalised, run once in float64 on this network.
    expected = [
        [0.02973438, 0.03265881, 0.03296291], [0.0352691, 0.03137184, 0.0232125], [0.02422655, 0.01908294, 0.00904748]
    ]  # fmt: skip
    net = cv.adapt(transformer(), input_shape=(SIDE, SIDE, 3))
    found = cv.explain("legrad", net, IMAGE, 2, pooling="mean").low_res[0]
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.max(expected))


def test_rollout_is_the_same_for_every_class_and_legrad_is_not(model):
    roll = [cv.explain("attention-rollout", model, images(), target).values for target in (0, 1)]
    np.testing.assert_array_equal(*roll)
    grads = [cv.explain("legrad", model, images(), target).values for target in (0, 1)]
    assert np.abs(grads[0] - grads[1]).max() > 1e-6


def test_heads_layers_and_discarding_are_chosen(model):
    names = dict(cv.explain("attention-rollout", model, images(1), 0).provenance.notes)["layers"]
    assert [name.split(".")[2] for name in names] == ["encoder_layer_0", "encoder_layer_1"]
    one = cv.explain("attention-rollout", model, images(1), 0, layers=names[:1], heads="max", discard=0.5)
    weights = model.run(jnp.asarray(images(1)[0]), read=names[:1])[1][names[0]].reshape(HEADS, 10, 10)
    np.testing.assert_allclose(one.low_res[0].ravel(), rollout([weights], "max", 0.5)[0, 1:], rtol=1e-5)


class Pooled(nnx.Module):
    """Tokens without a class token, whose mean is read."""

    def __init__(self):
        rngs = nnx.Rngs(1)
        self.patches = nnx.Conv(3, WIDTH, (PATCH, PATCH), strides=PATCH, padding="VALID", rngs=rngs)
        self.attention = nnx.MultiHeadAttention(HEADS, WIDTH, decode=False, rngs=rngs)
        self.head = nnx.Linear(WIDTH, 4, rngs=rngs)

    def __call__(self, x):
        x = self.patches(x).reshape(len(x), -1, WIDTH)
        return self.head((x + self.attention(x)).mean(1))


def test_without_a_class_token_all_tokens_are_read():
    found = cv.explain("attention-rollout", cv.adapt(Pooled(), input_shape=(SIDE, SIDE, 3)), images(1), 0)
    np.testing.assert_allclose(found.low_res.sum(), 1, rtol=1e-5)
    assert np.isfinite(cv.explain("legrad", cv.adapt(Pooled(), input_shape=(SIDE, SIDE, 3)), images(1), 0).values).all()


def test_says_what_is_wrong(model):
    plain = cv.adapt(lambda params, x: x.mean((1, 2)) * params, jnp.ones(3), input_shape=(4, 4, 3))
    with pytest.raises(LayerKindError, match="no attention between tokens that form a grid"):
        cv.explain("attention-rollout", plain, images(1)[:, :4, :4], 0)
    with pytest.raises(LayerKindError, match="'conv_proj' of VisionTransformer is no attention"):
        cv.explain("legrad", model, images(1), 0, layers=("conv_proj",))
    with pytest.raises(LayerNotFoundError, match="no layer 'nothing'"):
        cv.explain("legrad", model, images(1), 0, layers=("nothing",))
    with pytest.raises(UsageError, match="discard is from 0 up to 1"):
        cv.explain("attention-rollout", model, images(1), 0, discard=1.0)
