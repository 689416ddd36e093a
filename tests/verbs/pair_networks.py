"""Two tiny networks that compute the same, the second under other names and with its channels in another order."""

import jax
import jax.numpy as jnp
import numpy as np

import cnnviz_jax as cv

ORDER = np.array([3, 0, 5, 1, 4, 2])
"""Unit k of the second network's convolution is unit ORDER[k] of the first one's."""
CLASSES = ("ant", "bee", "cow")


def convolved(x, kernel):
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def forward(params, x):
    with jax.named_scope("conv1"):
        x = convolved(x, params["first"])
    x = jax.nn.relu(x)
    with jax.named_scope("conv2"):
        x = convolved(x, params["second"])
    x = jax.nn.relu(x).mean((1, 2))
    with jax.named_scope("fc"):
        return x @ params["head"]


def renamed(params, x):
    with jax.named_scope("stem"):
        x = convolved(x, params["first"])
    x = jax.nn.relu(x)
    with jax.named_scope("body"):
        x = convolved(x, params["second"])
    x = jax.nn.relu(x).mean((1, 2))
    with jax.named_scope("classifier"):
        return x @ params["head"]


def parameters(seed=0):
    keys = jax.random.split(jax.random.key(seed), 3)
    return {
        "first": jax.random.normal(keys[0], (3, 3, 3, 6)),
        "second": jax.random.normal(keys[1], (3, 3, 6, 4)) / 3,
        "head": jax.random.normal(keys[2], (4, 3)),
    }


def network(seed=0):
    return cv.adapt(forward, parameters(seed), input_shape=(8, 8, 3), labels=CLASSES, name="one")


def permuted():
    params = parameters()
    params |= {"first": params["first"][..., ORDER], "second": params["second"][:, :, ORDER]}
    return cv.adapt(renamed, params, input_shape=(8, 8, 3), name="two")


def changed(model, function):
    """Return the network with a function of each parameter, by name, in its place."""
    return model.with_params(
        {name: jnp.asarray(function(name, leaf), leaf.dtype) for name, leaf in model.params.items()}
    )


def some_images(count=24):
    return np.random.default_rng(7).uniform(size=(count, 8, 8, 3)).astype(np.float32)


def other():
    """Return the first network with other weights."""
    return network(1)
