"""Every explain technique on networks as people write them: it gives maps, or refuses and says why.

A network like MobileNet (BatchNorm, ReLU6, depthwise, residual) as an NNX module; one with BatchNorm and ReLU as a
Linen module. `test_every_technique.py` has plain functions.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import cnnviz_jax as cv
from cnnviz_jax.errors import CnnvizError
from tests.explain.fixtures import TECHNIQUES, cheap, check_contract, check_refusal

pytestmark = pytest.mark.filterwarnings("default", "ignore::cnnviz_jax.errors.CnnvizWarning")


class MobileNetLike(nnx.Module):
    """Stem, an inverted residual block with a depthwise convolution and a linear bottleneck, head."""

    def __init__(self):
        rngs = nnx.Rngs(3)
        plain = {"use_bias": False, "rngs": rngs}
        self.stem = nnx.Conv(3, 4, (3, 3), **plain)
        self.expand = nnx.Conv(4, 8, (1, 1), **plain)
        self.depthwise = nnx.Conv(8, 8, (3, 3), feature_group_count=8, **plain)
        self.project = nnx.Conv(8, 4, (1, 1), **plain)
        channels = {"stem": 4, "expand": 8, "depthwise": 8, "project": 4}
        norms = {name: nnx.BatchNorm(n, use_running_average=True, rngs=rngs) for name, n in channels.items()}
        self.norms = nnx.Dict(norms)
        self.head = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu6(self.norms["stem"](self.stem(x)))
        y = nnx.relu6(self.norms["expand"](self.expand(x)))
        y = nnx.relu6(self.norms["depthwise"](self.depthwise(y)))
        x = x + self.norms["project"](self.project(y))
        return self.head(x.mean((1, 2)))


class Normed(linen.Module):
    """Convolutions without biases, each with BatchNorm and ReLU behind it, a max-pool, a dense head."""

    @linen.compact
    def __call__(self, x):
        for number, size in enumerate((4, 6)):
            x = linen.Conv(size, (3, 3), use_bias=False, name=f"conv{number}")(x)
            x = linen.relu(linen.BatchNorm(use_running_average=True, name=f"norm{number}")(x))
            x = linen.max_pool(x, (2, 2), (2, 2)) if number == 0 else x
        return linen.Dense(3, name="head")(x.mean((1, 2)))


def stirred(leaf):
    """The same array with each number raised a little."""
    return jnp.asarray(leaf + np.random.default_rng(leaf.size).uniform(0, 0.5, leaf.shape), leaf.dtype)


@functools.cache
def network(kind: str) -> cv.Model:
    if kind == "mobilenet-like":
        module = MobileNetLike()
        for norm in module.norms.values():
            norm.mean[...], norm.var[...], norm.bias[...] = (stirred(v[...]) for v in (norm.mean, norm.var, norm.bias))
        module.head.kernel[...] = jnp.abs(module.head.kernel[...])  # so that maps speak for the target
        return cv.adapt(module, input_shape=(8, 8, 3), name=kind)
    variables = Normed().init(jax.random.key(1), jnp.zeros((1, 8, 8, 3)))
    params = dict(variables["params"])
    for number in range(2):  # raised, so that no unit is silent on dark images
        norm = params[f"norm{number}"]
        params[f"norm{number}"] = {**norm, "bias": norm["bias"] + 0.5}
    statistics = jax.tree.map(stirred, variables["batch_stats"])
    return cv.adapt(Normed(), {"params": params, "batch_stats": statistics}, input_shape=(8, 8, 3), name=kind)


REFUSED = {
    ("mobilenet-like", "guided-backprop"): "rewrites ReLUs, and mobilenet-like has none",
    ("mobilenet-like", "deconvnet"): "rewrites ReLUs, and mobilenet-like has none",
    ("mobilenet-like", "guided-grad-cam"): "rewrites ReLUs, and mobilenet-like has none",
    ("mobilenet-like", "concept-maps"): "concept-maps needs bank=",
    ("batch norm", "concept-maps"): "concept-maps needs bank=",
    **{
        (kind, name): "no attention between tokens that form a grid"
        for kind in ("mobilenet-like", "batch norm")
        for name in ("attention-rollout", "legrad")
    },
    ("mobilenet-like", "deep-taylor"): r"deep-taylor is derived for ReLU networks, and .* has .*relu6",
    **{
        (kind, name): "this technique is of a layer: name one"
        for kind in ("mobilenet-like", "batch norm")
        for name in ("conductance", "internal-influence")
    },
}
"""Who refuses which network, and a word of why; nobody else may."""


@pytest.mark.parametrize("name", TECHNIQUES)
@pytest.mark.parametrize("kind", ["mobilenet-like", "batch norm"])
def test_gives_maps_or_says_why_not(name: str, kind: str) -> None:
    net = network(kind)
    images = np.random.default_rng(4).uniform(size=(2, *net.input_shape)).astype(np.float32)
    if (kind, name) in REFUSED:
        with pytest.raises(CnnvizError, match=REFUSED[kind, name]) as refusal:
            cv.explain(name, net, images, 1, key=2, **cheap(name))
        check_refusal(refusal.value)
        return
    result = cv.explain(name, net, images, 1, key=2, **cheap(name))
    check_contract(result, name, net)
    assert np.asarray(result.values).any()
