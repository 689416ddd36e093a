"""The gradient family on networks as people write them: Linen and NNX, batch norm, ReLU6, depthwise, residual."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import cnnviz_jax as cv
from tests.explain.small_network import some_images


class Block(linen.Module):
    """A stem, a residual block with a depthwise convolution, maxima in windows and over the map, a head."""

    @linen.compact
    def __call__(self, x):
        x = linen.relu6(linen.BatchNorm(use_running_average=True)(linen.Conv(6, (3, 3))(x)))
        y = linen.Conv(6, (3, 3), feature_group_count=6, use_bias=False)(x)
        y = linen.silu(linen.BatchNorm(use_running_average=True)(y))
        x = linen.max_pool(x + linen.Conv(6, (1, 1))(y), (2, 2), (2, 2))
        return linen.Dense(3)(linen.leaky_relu(x, 0.1).max((1, 2)))


class Small(nnx.Module):
    def __init__(self):
        rngs = nnx.Rngs(0)
        self.conv = nnx.Conv(3, 6, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(6, rngs=rngs, use_running_average=True)
        self.head = nnx.Linear(6, 3, rngs=rngs)

    def __call__(self, x):
        return self.head(nnx.gelu(self.norm(self.conv(x))).mean((1, 2)))


@pytest.fixture(scope="module", params=["linen", "nnx"])
def net(request):
    if request.param == "nnx":
        return cv.adapt(Small(), input_shape=(8, 12, 3))
    variables = Block().init(jax.random.key(1), jnp.zeros((1, 8, 12, 3)))
    stirred = np.random.default_rng(2)
    statistics = jax.tree.map(
        lambda leaf: jnp.asarray(leaf + stirred.uniform(0, 0.5, leaf.shape), leaf.dtype), variables["batch_stats"]
    )
    return cv.adapt(Block(), {**variables, "batch_stats": statistics}, input_shape=(8, 12, 3))


@pytest.mark.parametrize("technique", ["deeplift", "integrated-gradients"])
def test_shares_sum_to_the_difference_of_scores(net, technique):
    result = cv.explain(technique, net, some_images(2, 8, 12, 3), [0, 2], baseline=0.25)
    difference = np.abs(result.scores - result.extras["baseline_score"])
    tolerance = 1e-5 if technique == "deeplift" else 0.02
    assert np.all(np.abs(result.extras["completeness_gap"]) < tolerance * np.maximum(1, difference))
    assert np.asarray(result.values).any()
