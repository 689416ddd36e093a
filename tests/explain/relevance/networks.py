"""Small networks for relevance: two layers, BatchNorm unfolded and folded, residual, and one of many parts."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import cnnviz_jax as cv

NHWC = ("NHWC", "HWIO", "NHWC")


def conv(x, kernel, padding="VALID", stride=1):
    return jax.lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=NHWC)


def drawn(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [jnp.asarray(rng.normal(size=shape).astype(np.float32) / np.sqrt(np.prod(shape[:-1]))) for shape in shapes]


@functools.cache
def two_layers():
    """Conv 3 x 3 (2 to 3 channels), ReLU, dense to 4; images 5 x 4 x 2, normalised."""
    kernel, bias, head, shift = drawn(3, (3, 3, 2, 3), (3,), (18, 4), (4,))
    params = {"conv": {"kernel": kernel, "bias": 0.3 * bias}, "head": {"kernel": head, "bias": 0.1 * shift}}

    def forward(params, x):
        with jax.named_scope("conv"):
            x = conv(x, params["conv"]["kernel"]) + params["conv"]["bias"]
        x = jax.nn.relu(x).reshape(len(x), -1)
        with jax.named_scope("head"):
            return x @ params["head"]["kernel"] + params["head"]["bias"]

    return cv.adapt(forward, params, input_shape=(5, 4, 2), mean=(0.4, 0.6), std=(0.5, 0.25)), params


@functools.cache
def normed(is_folded):
    """Conv, BatchNorm with scales of both signs, ReLU, dense, BatchNorm; or the same numbers folded."""
    kernel, scale, shift, mean, head, end = drawn(5, (3, 3, 3, 6), (6,), (6,), (6,), (6, 4), (4,))
    params = {
        "conv": {"kernel": kernel},
        "bn": {"scale": scale, "bias": 0.2 * shift, "mean": 0.1 * mean, "var": 0.5 + jnp.abs(mean)},
        "head": {"kernel": head},
        "end": {"scale": end, "bias": 0.1 * end},
    }

    def forward(params, x):
        bn = params["bn"]
        with jax.named_scope("conv"):
            x = conv(x, params["conv"]["kernel"], "SAME")
        with jax.named_scope("bn"):
            x = (x - bn["mean"]) * (jax.lax.rsqrt(bn["var"] + 1e-5) * bn["scale"]) + bn["bias"]
        x = jax.nn.relu(x).mean((1, 2))
        with jax.named_scope("head"):
            x = x @ params["head"]["kernel"]
        with jax.named_scope("end"):
            return x * params["end"]["scale"] + params["end"]["bias"]

    def folded(params, x):
        with jax.named_scope("conv"):
            x = conv(x, params["conv"]["kernel"], "SAME") + params["conv"]["bias"]
        x = jax.nn.relu(x).mean((1, 2))
        with jax.named_scope("head"):
            return x @ params["head"]["kernel"] + params["head"]["bias"]

    if not is_folded:
        return cv.adapt(forward, params, input_shape=(8, 6, 3))
    bn = params["bn"]
    factor = bn["scale"] / jnp.sqrt(bn["var"] + 1e-5)
    numbers = {
        "conv": {"kernel": kernel * factor, "bias": bn["bias"] - bn["mean"] * factor},
        "head": {"kernel": head * end, "bias": 0.1 * end},
    }
    return cv.adapt(folded, numbers, input_shape=(8, 6, 3))


@functools.cache
def of_parts(channels=3):
    """Everything that has a way back, without biases: residual sum, join, gate, group norm, pools, padding, SiLU."""
    kernels = drawn(7, (3, 3, channels, 4), (3, 3, 4, 4), (1, 1, 4, 4), (4, 4), (3, 3, 8, 6), (6, 4))
    params = dict(zip(("stem", "inner", "side", "gate", "join", "head"), kernels, strict=True))

    def forward(params, x):
        x = conv(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), params["stem"])
        centred = x - x.mean((1, 2, 3), keepdims=True)
        x = jax.nn.relu(centred * jax.lax.rsqrt(jnp.square(centred).mean((1, 2, 3), keepdims=True) + 1e-3))
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "SAME")
        x = x + jax.nn.silu(conv(x, params["inner"], "SAME"))
        x = x * jax.nn.sigmoid(x.mean((1, 2)) @ params["gate"])[:, None, None]
        x = jnp.concatenate([x, jax.nn.relu(conv(x, params["side"]))], -1)
        x = jax.nn.leaky_relu(conv(x, params["join"], "SAME"))
        x = jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "SAME") / 4
        return x.mean((1, 2)) @ params["head"]

    return cv.adapt(forward, params, input_shape=(9, 7, channels), name="parts")
