"""Three networks whose explanations are known to seven digits, as plain functions in both layouts, Linen and NNX.

C: conv1, relu1, pool, conv2, relu2, mean, dense (6 x 6 x 2 to 3). R: a residual block with batch norms (4 x 4 x 1 to
2), whose `relu1` has two readers. M: a perceptron of four inputs. Weights come from a rule, to be made again anywhere:
entry k of a tensor, counted in the order (out, in, row, column), is ((7 k + 3 + s) mod 11 - 5) / 4.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

import cnnviz_jax as cv

KINDS = ("nhwc", "nchw", "linen", "nnx")


def ruled(shape, shift):
    """A tensor by the rule, in the order (out, in, row, column), as (row, column, in, out)."""
    k = np.arange(np.prod(shape))
    return (((7 * k + 3 + shift) % 11 - 5) / 4).reshape(shape).transpose(2, 3, 1, 0).astype(np.float32)


def wave(shift, rows=6, channels=2):
    """The image 0.5 + 0.5 sin(k + shift), k counted over (channel, row, column), as (row, column, channel)."""
    k = np.arange(channels * rows * rows)
    return (0.5 + 0.5 * np.sin(k + shift)).reshape(channels, rows, rows).transpose(1, 2, 0).astype(np.float32)


FOUR = np.stack([wave(shift) for shift in (0, 10, 20, 30)])
BASELINE = (0.25 * np.cos(np.arange(72)) ** 2).reshape(2, 6, 6).transpose(1, 2, 0).astype(np.float32)


def c_parameters():
    return {
        "conv1": {"kernel": jnp.asarray(ruled((3, 2, 3, 3), 0)), "bias": jnp.float32([0.25, -0.5, 0.5])},
        "conv2": {"kernel": jnp.asarray(ruled((2, 3, 2, 2), 4)), "bias": jnp.float32([-0.5, 0.25])},
        "dense": {"kernel": jnp.float32([[1, 0.5, -1], [-1, 2, 1.5]]), "bias": jnp.float32([0.5, -0.25, 0])},
    }


def _conv(params, name, x, padding, layout):
    with jax.named_scope(name):
        if layout == "nhwc":
            numbers, kernel = ("NHWC", "HWIO", "NHWC"), params[name]["kernel"]
        else:
            numbers, kernel = ("NCHW", "OIHW", "NCHW"), jnp.transpose(params[name]["kernel"], (3, 2, 0, 1))
        y = jax.lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=numbers)
        if "bias" not in params[name]:
            return y
        return y + (params[name]["bias"] if layout == "nhwc" else params[name]["bias"][:, None, None])


def _relu(name, x):
    with jax.named_scope(name):
        return jax.nn.relu(x)


def _dense(params, name, x):
    with jax.named_scope(name):
        return x @ params[name]["kernel"] + params[name]["bias"]


def c_function(layout, params, x):
    axes, window = ((1, 2), (1, 2, 2, 1)) if layout == "nhwc" else ((2, 3), (1, 1, 2, 2))
    x = _relu("relu1", _conv(params, "conv1", x, "SAME", layout))
    with jax.named_scope("pool"):
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")
    x = _relu("relu2", _conv(params, "conv2", x, "VALID", layout))
    with jax.named_scope("mean"):
        x = x.mean(axes)
    return _dense(params, "dense", x)


class CLinen(linen.Module):
    @linen.compact
    def __call__(self, x):
        x = linen.relu(linen.Conv(3, (3, 3), name="conv1")(x))
        x = linen.max_pool(x, (2, 2), (2, 2))
        x = linen.relu(linen.Conv(2, (2, 2), padding="VALID", name="conv2")(x))
        return linen.Dense(3, name="dense")(x.mean((1, 2)))


class CNnx(nnx.Module):
    def __init__(self):
        rngs = nnx.Rngs(0)
        self.conv1 = nnx.Conv(2, 3, (3, 3), rngs=rngs)
        self.conv2 = nnx.Conv(3, 2, (2, 2), padding="VALID", rngs=rngs)
        self.dense = nnx.Linear(2, 3, rngs=rngs)
        for name, own in c_parameters().items():
            for kind, value in own.items():
                getattr(getattr(self, name), kind)[...] = value

    def __call__(self, x):
        x = nnx.max_pool(nnx.relu(self.conv1(x)), (2, 2), (2, 2))
        return self.dense(nnx.relu(self.conv2(x)).mean((1, 2)))


@functools.cache
def net_c(kind="nhwc") -> cv.Model:
    shape = (6, 6, 2)
    if kind == "linen":
        return cv.adapt(CLinen(), {"params": c_parameters()}, input_shape=shape)
    if kind == "nnx":
        return cv.adapt(CNnx(), input_shape=shape)
    return cv.adapt(
        functools.partial(c_function, kind), c_parameters(), input_shape=shape, axes=kind.upper(), name="net c"
    )


def layer_of(kind, name):
    """What a kind calls a layer: the modules of frameworks have no scope of their own round functions."""
    own = {"relu1": "relu", "relu2": "relu#1", "pool": "max_pool"} if kind in ("linen", "nnx") else {}
    return own.get(name, name)


def r_parameters():
    def norm(*numbers):
        return dict(zip(("scale", "bias", "mean", "var"), map(jnp.float32, numbers), strict=True))

    return {
        "conv1": {"kernel": jnp.asarray(ruled((2, 1, 3, 3), 1))},
        "bn1": norm([1, 0.5], [0.25, -0.25], [0.5, -0.5], [1, 4]),
        "conv2": {"kernel": jnp.asarray(ruled((2, 2, 3, 3), 6))},
        "bn2": norm([0.5, 1], [0.25, 0], [0, 1], [4, 1]),
        "dense": {"kernel": jnp.float32([[1, 0.5], [-1, 2]]), "bias": jnp.float32([0, 0.5])},
    }


def _norm(params, name, x, layout):
    with jax.named_scope(name):
        own = params[name] if layout == "nhwc" else {k: v[:, None, None] for k, v in params[name].items()}
        return (x - own["mean"]) * jax.lax.rsqrt(own["var"]) * own["scale"] + own["bias"]


def r_function(layout, params, x):
    h = _relu("relu1", _norm(params, "bn1", _conv(params, "conv1", x, "SAME", layout), layout))
    x = _norm(params, "bn2", _conv(params, "conv2", h, "SAME", layout), layout)
    with jax.named_scope("add"):
        x = x + h
    return _dense(params, "dense", _relu("relu2", x).mean((1, 2) if layout == "nhwc" else (2, 3)))


@functools.cache
def net_r(kind="nhwc") -> cv.Model:
    """In the layout `nhwc` or `nchw`."""
    return cv.adapt(
        functools.partial(r_function, kind), r_parameters(), input_shape=(4, 4, 1), axes=kind.upper(), name="net r"
    )


def m_function(params, x):
    x = _relu("relu", _dense(params, "first", x.reshape(len(x), -1)))
    return _dense(params, "last", x)


@functools.cache
def net_m() -> cv.Model:
    params = {
        "first": {
            "kernel": jnp.float32([[1, -2, 1, 0], [0, 1, -1, 2], [2, 0, 1, -1]]).T,
            "bias": jnp.float32([0, -1, 0.5]),
        },
        "last": {"kernel": jnp.float32([[1, -1, 2], [-1, 2, 0.5]]).T, "bias": jnp.float32([0.5, 0])},
    }
    return cv.adapt(m_function, params, input_shape=(1, 4, 1), name="net m")


M_IMAGE = np.float32([1, 2, -1, 3]).reshape(1, 4, 1)


def channels_first(values):
    """Values (n, h, w, c) as the numbers are written: (c, h, w) of the first image."""
    return np.asarray(values)[0].transpose(2, 0, 1)
